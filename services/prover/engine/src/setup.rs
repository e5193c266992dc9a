//! A proving key whose secrets this one process draws and forgets. Whoever reads its memory, or knows the seed, can prove
//! anything under it; so the key says in its own bytes what it is, and production refuses it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use memmap2::Mmap;
use rayon::prelude::*;
use sha3::{Digest, Keccak512};
use zeroize::{Zeroize, Zeroizing};

use crate::curve::{Affine, Coordinate};
use crate::error::{R1CS_MALFORMED, Result, ZKEY_UNSUPPORTED, error};
use crate::field::{BaseModulus, Field, Fq, Fq2, Fr, Modulus, ScalarModulus};
use crate::msm::{add_with_inverse, denominator};
use crate::ntt::{LOG_MAX, root_of_unity};
use crate::prove::random_scalar;
use crate::r1cs::R1cs;
use crate::zkey::{DEV_MARKER, io};

/// What a ceremony would make sure nobody knows. gamma is one, as in every snarkjs key.
pub struct Secrets {
    tau: Fr,
    alpha: Fr,
    beta: Fr,
    delta: Fr,
}

impl Secrets {
    pub fn random() -> Result<Self> {
        Ok(Secrets { tau: random_scalar()?, alpha: random_scalar()?, beta: random_scalar()?, delta: random_scalar()? })
    }

    /// The same secrets from the same seed: reproducible, and forgeable by everybody who has the seed.
    pub fn from_seed(seed: &str) -> Self {
        let draw = |name: &str| {
            let mut hash = Keccak512::new();
            hash.update(format!("haca/dev-setup/1/{name}/{seed}"));
            Fr::from_wide(&hash.finalize().into())
        };
        Secrets { tau: draw("tau"), alpha: draw("alpha"), beta: draw("beta"), delta: draw("delta") }
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        for secret in [&mut self.tau, &mut self.alpha, &mut self.beta, &mut self.delta] {
            secret.zeroize();
        }
    }
}

/// Writes a development key for a circuit; under another name first, so that a key is there whole or not at all.
pub fn setup_dev(r1cs: &Path, zkey: &Path, secrets: &Secrets) -> Result<()> {
    let file = File::open(r1cs).map_err(io(r1cs))?;
    // Safety: a circuit of ours; see `Key::load`.
    let map = unsafe { Mmap::map(&file) }.map_err(io(r1cs))?;
    let system = R1cs::read(&map)?;
    let partial = zkey.with_extension(format!("partial-{}", std::process::id()));
    let written = write_key(&system, secrets, &partial, zkey);
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write_key(system: &R1cs<'_>, secrets: &Secrets, partial: &Path, zkey: &Path) -> Result<()> {
    let rows = system.constraints + system.public + 1;
    // As snarkjs rounds, so that it reads our keys and we make ones of the size it would.
    let log = (system.constraints + system.public).max(1).ilog2() + 1;
    if log > LOG_MAX || rows >= 1 << 31 || system.wires >= 1 << 31 {
        return Err(error(ZKEY_UNSUPPORTED, format!("{} constraints are too many", system.constraints)));
    }
    let polynomials = Polynomials::at(system, &secrets.tau, log)?;
    let mut out = Sections { file: BufWriter::with_capacity(1 << 20, File::create(partial).map_err(io(partial))?) };
    out.write_all(system, secrets, &polynomials, log).map_err(io(partial))?;
    out.file.into_inner().map_err(|e| io(partial)(e.into_error()))?.sync_all().map_err(io(partial))?;
    fs::rename(partial, zkey).map_err(io(zkey))
}

/// For each wire, the values at tau of its polynomials.
struct Polynomials {
    a: Vec<Fr>,
    b: Vec<Fr>,
    c: Vec<Fr>,
    /// tau^n - 1.
    vanishing: Fr,
}

impl Polynomials {
    fn at(system: &R1cs<'_>, tau: &Fr, log: u32) -> Result<Self> {
        let n = 1usize << log;
        let vanishing = tau.pow(&[n as u64]).sub(Fr::ONE);
        // L_i(tau) = ω^i·(tau^n - 1) / (n·(tau - ω^i))
        let factor = vanishing.mul(invert(Fr::from_u64(n as u64))?);
        let lagrange = lagrange(tau, Fr::ONE, root_of_unity(log), factor, n)?;
        let (mut a, mut b, mut c) = (vec![Fr::ZERO; system.wires], vec![Fr::ZERO; system.wires], vec![Fr::ZERO; system.wires]);
        system.each(|side, constraint, wire, coefficient| {
            let values = [&mut a, &mut b, &mut c];
            values[side][wire] = values[side][wire].add(coefficient.mul(lagrange[constraint]));
        })?;
        // One row more for each public signal, so that a proof is about all of them.
        for wire in 0..=system.public {
            a[wire] = a[wire].add(lagrange[system.constraints + wire]);
        }
        Ok(Polynomials { a, b, c, vanishing })
    }
}

fn invert(value: Fr) -> Result<Fr> {
    value.invert().ok_or_else(|| error(R1CS_MALFORMED, "the secrets hit a root of unity; draw others"))
}

/// first·root^i·factor / (tau - first·root^i) for i below n.
fn lagrange(tau: &Fr, first: Fr, root: Fr, factor: Fr, n: usize) -> Result<Vec<Fr>> {
    let mut powers = Vec::with_capacity(n);
    let mut power = first;
    for _ in 0..n {
        powers.push(power);
        power = power.mul(root);
    }
    let mut denominators: Vec<Fr> = powers.iter().map(|power| tau.sub(*power)).collect();
    invert_all(&mut denominators)?;
    Ok(powers.into_iter().zip(denominators).map(|(power, inverse)| power.mul(factor).mul(inverse)).collect())
}

/// All inverses with one inversion.
fn invert_all(values: &mut [Fr]) -> Result<()> {
    let mut products = Vec::with_capacity(values.len());
    let mut product = Fr::ONE;
    for value in values.iter() {
        products.push(product);
        product = product.mul(*value);
    }
    let mut inverse = invert(product)?;
    for (value, before) in values.iter_mut().zip(products).rev() {
        (inverse, *value) = (inverse.mul(*value), inverse.mul(before));
    }
    Ok(())
}

struct Sections {
    file: BufWriter<File>,
}

impl Sections {
    fn section(&mut self, kind: u32, length: u64) -> std::io::Result<()> {
        self.file.write_all(&kind.to_le_bytes())?;
        self.file.write_all(&length.to_le_bytes())
    }

    fn write_all(&mut self, system: &R1cs<'_>, secrets: &Secrets, polynomials: &Polynomials, log: u32) -> std::io::Result<()> {
        let Secrets { tau, alpha, beta, delta } = secrets;
        let Polynomials { a, b, c, vanishing } = polynomials;
        let other = |why: String| std::io::Error::other(why);
        let n = 1usize << log;
        let private = 1 + system.public;
        let mut by_delta = Zeroizing::new(delta.invert().ok_or_else(|| other("delta is zero".into()))?);
        let mixed: Vec<Fr> = (0..system.wires).map(|i| beta.mul(a[i]).add(alpha.mul(b[i])).add(c[i])).collect();

        let (g1, g2) = (Fixed::<Fq>::new(), Fixed::<Fq2>::new());
        self.file.write_all(b"zkey")?;
        self.file.write_all(&1u32.to_le_bytes())?;
        self.file.write_all(&10u32.to_le_bytes())?;
        self.section(1, 4)?;
        self.file.write_all(&1u32.to_le_bytes())?;
        self.header(system, n, &g1.times_all(&[*alpha, *beta, *delta]), &g2.times_all(&[*beta, Fr::ONE, *delta]))?;
        self.points(3, &g1, &mixed[..private])?;
        self.coefficients(system)?;
        self.points(5, &g1, a)?;
        self.points(6, &g1, b)?;
        self.points(7, &g2, b)?;
        self.points(8, &g1, &mixed[private..].iter().map(|value| value.mul(*by_delta)).collect::<Vec<_>>())?;
        // The odd ones of the 2n Lagrange polynomials over the 2n-th roots, over delta: what a·b - c is given by.
        let psi = root_of_unity(log + 1);
        let double = vanishing.mul(vanishing.add(Fr::from_u64(2)));
        let factor = double.mul(invert(Fr::from_u64(2 * n as u64)).map_err(|e| other(e.detail))?).mul(*by_delta);
        let h = lagrange(tau, psi, psi.square(), factor, n).map_err(|e| other(e.detail))?;
        self.points(9, &g1, &h)?;
        self.section(10, 68)?;
        self.file.write_all(DEV_MARKER)?;
        self.file.write_all(&0u32.to_le_bytes())?;
        by_delta.zeroize();
        Ok(())
    }

    fn header(&mut self, system: &R1cs<'_>, domain: usize, g1: &[Affine<Fq>], g2: &[Affine<Fq2>]) -> std::io::Result<()> {
        let mut out = Vec::new();
        for prime in [BaseModulus::P, ScalarModulus::P] {
            out.extend_from_slice(&32u32.to_le_bytes());
            prime.iter().for_each(|limb| out.extend_from_slice(&limb.to_le_bytes()));
        }
        for number in [system.wires, system.public, domain] {
            out.extend_from_slice(&(number as u32).to_le_bytes());
        }
        let ([alpha1, beta1, delta1], [beta2, gamma2, delta2]) = (g1, g2) else { unreachable!("three of each") };
        alpha1.write(&mut out);
        beta1.write(&mut out);
        beta2.write(&mut out);
        gamma2.write(&mut out);
        delta1.write(&mut out);
        delta2.write(&mut out);
        self.section(2, out.len() as u64)?;
        self.file.write_all(&out)
    }

    fn points<F: Coordinate>(&mut self, kind: u32, fixed: &Fixed<F>, scalars: &[Fr]) -> std::io::Result<()> {
        self.section(kind, (scalars.len() * Affine::<F>::BYTES) as u64)?;
        for part in scalars.chunks(1 << 14) {
            let mut out = Vec::with_capacity(part.len() * Affine::<F>::BYTES);
            fixed.times_all(part).into_iter().for_each(|point| point.write(&mut out));
            self.file.write_all(&out)?;
        }
        Ok(())
    }

    /// The coefficients of the a and b sides, times R², and the rows of the public signals.
    fn coefficients(&mut self, system: &R1cs<'_>) -> std::io::Result<()> {
        let mut count = system.public as u32 + 1;
        let other = |e: crate::error::Error| std::io::Error::other(e.detail);
        system.each(|side, _, _, _| count += (side < 2) as u32).map_err(other)?;
        self.section(4, 4 + 44 * count as u64)?;
        self.file.write_all(&count.to_le_bytes())?;
        let r2 = Fr::new(ScalarModulus::R2);
        let mut failed = Ok(());
        let file = &mut self.file;
        let mut put = |side: usize, row: usize, wire: usize, coefficient: Fr| {
            let mut out = Vec::with_capacity(44);
            [side, row, wire].iter().for_each(|n| out.extend_from_slice(&(*n as u32).to_le_bytes()));
            coefficient.mul(r2).write(&mut out);
            file.write_all(&out)
        };
        system
            .each(|side, row, wire, coefficient| {
                if side < 2 && failed.is_ok() {
                    failed = put(side, row, wire, coefficient);
                }
            })
            .map_err(other)?;
        failed?;
        (0..=system.public).try_for_each(|wire| put(0, system.constraints + wire, wire, Fr::ONE))
    }
}

/// Multiples of a generator, for many products with it.
struct Fixed<F> {
    /// windows[i][d-1] = d·2^(WIDTH·i)·generator
    windows: Vec<Vec<Affine<F>>>,
}

const WIDTH: usize = 10;

impl<F: Coordinate> Fixed<F> {
    fn new() -> Self {
        let mut base = F::generator();
        let windows = (0..254usize.div_ceil(WIDTH))
            .map(|_| {
                let mut multiples = vec![base];
                while multiples.len() < (1 << WIDTH) - 1 {
                    // Doubles the list: each new entry is the list's last plus one that is there.
                    let last = multiples[multiples.len() - 1];
                    let mut more = multiples.clone();
                    more.truncate((1 << WIDTH) - 1 - multiples.len());
                    let addends = more.clone();
                    more.fill(last);
                    add_all(&mut more, &addends);
                    multiples.extend(more);
                }
                base = base.times(&[1 << WIDTH, 0, 0, 0]).to_affine();
                multiples
            })
            .collect();
        Fixed { windows }
    }

    fn times_all(&self, scalars: &[Fr]) -> Vec<Affine<F>> {
        scalars.par_chunks(1 << 9).flat_map_iter(|chunk| self.times_chunk(chunk)).collect()
    }

    fn times_chunk(&self, scalars: &[Fr]) -> Vec<Affine<F>> {
        let integers: Vec<[u64; 4]> = scalars.iter().map(|scalar| scalar.to_integer()).collect();
        let mut sums = vec![Affine::INFINITY; scalars.len()];
        let mut addends = vec![Affine::INFINITY; scalars.len()];
        for (i, window) in self.windows.iter().enumerate() {
            for (addend, integer) in addends.iter_mut().zip(&integers) {
                let (word, shift) = (i * WIDTH / 64, i * WIDTH % 64);
                let high = if shift + WIDTH > 64 && word < 3 { integer[word + 1] << (64 - shift) } else { 0 };
                let digit = (integer[word] >> shift | high) as usize & ((1 << WIDTH) - 1);
                *addend = if digit == 0 { Affine::INFINITY } else { window[digit - 1] };
            }
            add_all(&mut sums, &addends);
        }
        sums
    }
}

/// sums[i] += addends[i], with one inversion.
fn add_all<F: Coordinate>(sums: &mut [Affine<F>], addends: &[Affine<F>]) {
    let mut products = Vec::with_capacity(sums.len());
    let mut product = F::ONE;
    for (sum, addend) in sums.iter().zip(addends) {
        products.push(product);
        product = product.mul(denominator(sum, addend));
    }
    let mut inverse = product.invert().expect("no denominator is zero");
    for ((sum, addend), before) in sums.iter_mut().zip(addends).zip(products).rev() {
        let own = inverse.mul(before);
        inverse = inverse.mul(denominator(sum, addend));
        *sum = add_with_inverse(sum, addend, own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_products_are_products() {
        let mut scalars: Vec<Fr> = (0..40).map(|i| Fr::from_u64(i * i + 1).square().square()).collect();
        scalars.extend([Fr::ZERO, Fr::ONE, Fr::ONE.neg(), Fr::from_u64(1 << 10), Fr::from_u64((1 << 20) - 1)]);
        for (point, scalar) in Fixed::<Fq>::new().times_all(&scalars).iter().zip(&scalars) {
            assert_eq!(*point, Fq::generator().times(&scalar.to_integer()).to_affine());
        }
        for (point, scalar) in Fixed::<Fq2>::new().times_all(&scalars).iter().zip(&scalars) {
            assert_eq!(*point, Fq2::generator().times(&scalar.to_integer()).to_affine());
        }
    }

    #[test]
    fn lagrange_polynomials_are_one_at_their_root_and_sum_to_one() {
        let (n, log) = (8usize, 3);
        let tau = Fr::from_u64(1234567);
        let factor = tau.pow(&[n as u64]).sub(Fr::ONE).mul(Fr::from_u64(n as u64).invert().unwrap());
        let values = lagrange(&tau, Fr::ONE, root_of_unity(log), factor, n).unwrap();
        assert_eq!(values.iter().fold(Fr::ZERO, |sum, v| sum.add(*v)), Fr::ONE);
        // They interpolate: Σ (ω^i)^5·L_i(tau) = tau^5.
        let sum = values.iter().enumerate().fold(Fr::ZERO, |sum, (i, v)| sum.add(root_of_unity(log).pow(&[5 * i as u64]).mul(*v)));
        assert_eq!(sum, tau.pow(&[5]));
    }
}
