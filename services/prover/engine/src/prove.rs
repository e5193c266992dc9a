//! A Groth16 proof from a key and a witness.

use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use crate::curve::{G1, G2, Xyzz, g1_bytes, g2_bytes};
use crate::error::{INTERNAL, Result, error};
use crate::field::{Field, Fr};
use crate::msm::{Sorted, multiply};
use crate::ntt::reversed;
use crate::wtns::Witness;
use crate::zkey::Key;

pub struct Proof {
    pub a: G1,
    pub b: G2,
    pub c: G1,
}

impl Proof {
    /// 256 bytes, as EVM precompiles take them.
    pub fn to_bytes(&self) -> [u8; 256] {
        let mut out = [0; 256];
        out[..64].copy_from_slice(&g1_bytes(&self.a));
        out[64..192].copy_from_slice(&g2_bytes(&self.b));
        out[192..].copy_from_slice(&g1_bytes(&self.c));
        out
    }
}

/// Two secret random scalars. Whoever knows them can take the witness's part out of a proof.
pub struct Blinding {
    pub r: Fr,
    pub s: Fr,
}

impl Blinding {
    /// From the operating system.
    pub fn random() -> Result<Self> {
        Ok(Blinding { r: random_scalar()?, s: random_scalar()? })
    }
}

impl Drop for Blinding {
    fn drop(&mut self) {
        self.r.zeroize();
        self.s.zeroize();
    }
}

pub fn random_scalar() -> Result<Fr> {
    let mut bytes = Zeroizing::new([0; 64]);
    getrandom::fill(&mut bytes[..]).map_err(|e| error(INTERNAL, format!("no randomness: {e}")))?;
    Ok(Fr::from_wide(&bytes))
}

/// The public signals of a witness: the wires after the first.
pub fn public_signals<'a>(key: &Key, witness: &'a Witness) -> &'a [[u64; 4]] {
    &witness[1..=key.header.public]
}

/// Proves. A witness that does not satisfy the circuit gives a proof that does not verify.
pub fn prove(key: &Key, witness: &Witness, blinding: &Blinding) -> Proof {
    let private = 1 + key.header.public;
    let ((h, c), (a, (b1, b2))) = rayon::join(
        || {
            let quotient = quotient(key, witness);
            let h = multiply(key.points_h(), &quotient, &Sorted::new(&quotient));
            let rest = &witness[private..];
            (h, multiply(key.points_c(), rest, &Sorted::new(rest)))
        },
        || {
            let sorted = Sorted::new(witness);
            let a = multiply(key.points_a(), witness, &sorted);
            (a, (multiply(key.points_b1(), witness, &sorted), multiply(key.points_b2(), witness, &sorted)))
        },
    );
    let header = &key.header;
    let (r, s) = (Zeroizing::new(blinding.r.to_integer()), Zeroizing::new(blinding.s.to_integer()));
    let rs = Zeroizing::new(blinding.r.mul(blinding.s).neg().to_integer());
    let a = a.add_affine(&header.alpha1).add(&header.delta1.times(&r)).to_affine();
    let b = b2.add_affine(&header.beta2).add(&header.delta2.times(&s)).to_affine();
    let b1 = b1.add_affine(&header.beta1).add(&header.delta1.times(&s)).to_affine();
    let c: Xyzz<_> = c.add(&h).add(&a.times(&s)).add(&b1.times(&r)).add(&header.delta1.times(&rs));
    Proof { a, b, c: c.to_affine() }
}

/// The scalars of H: values of a·b - c at the odd roots, where a, b are the polynomials of the matrices' row values and c is
/// that of their products. There Z is a constant, which the key has in its points.
fn quotient(key: &Key, witness: &[[u64; 4]]) -> Zeroizing<Vec<[u64; 4]>> {
    let log = key.header.log_domain;
    let n = key.domain();
    // Rows come over n, so that the unscaled inverse transform gives coefficients; their products then need one n back.
    let size = Fr::from_u64(n as u64);
    let rows = |matrix: usize| -> Zeroizing<Vec<Fr>> {
        let mut values = Zeroizing::new(vec![Fr::ZERO; n]);
        values.par_iter_mut().with_min_len(1 << 10).enumerate().for_each(|(i, value)| *value = key.row(matrix, reversed(i, log), witness));
        values
    };
    let (mut a, mut b) = (rows(0), rows(1));
    let mut c = Zeroizing::new(Vec::with_capacity(n));
    a.par_iter().zip(&b[..]).with_min_len(1 << 10).map(|(a, b)| a.mul(*b).mul(size)).collect_into_vec(&mut c);
    for values in [&mut a, &mut b, &mut c] {
        key.transform.to_coefficients(values);
        key.transform.to_odd_values(values);
    }
    a.par_iter_mut().zip(&b[..]).zip(&c[..]).with_min_len(1 << 10).for_each(|((a, b), c)| *a = a.mul(*b).sub(*c));
    // In the key's order, here and once: reading the points in ours would miss the cache for every window.
    let mut out = Zeroizing::new(Vec::with_capacity(n));
    (0..n).into_par_iter().with_min_len(1 << 10).map(|i| a[reversed(i, log)].to_integer()).collect_into_vec(&mut out);
    out
}
