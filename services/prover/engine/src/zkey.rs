//! Proving keys. Points stay in the mapped file; only the matrices are turned into something denser.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memmap2::Mmap;
use rayon::prelude::*;
use sha3::{Digest, Keccak256};

use crate::container::{Sections, u32_at};
use crate::curve::{Affine, Coordinate, G1, G2, g1_bytes, g2_bytes, in_subgroup, is_base_prime};
use crate::error::{Error, IO, Result, ZKEY_MALFORMED, ZKEY_POINT, ZKEY_UNSUPPORTED, error};
use crate::field::{Field, Fq, Fq2, Fr, Modulus, ScalarModulus, less, limbs_of};
use crate::msm::Points;
use crate::ntt::{LOG_MAX, Transform};

/// Stands where a ceremony has the hash of its circuit, in keys whose secrets one process knew.
pub const DEV_MARKER: &[u8; 64] = b"haca/dev-setup/1 ANYBODY CAN FORGE PROOFS UNDER THIS KEY 0000000";

const HEADER_BYTES: u64 = 4 + 32 + 4 + 32 + 12 + 3 * 64 + 3 * 128;
const COEFFICIENT_BYTES: usize = 12 + 32;

/// The numbers and points of sections 1, 2, 3 and 10.
pub struct Header {
    pub wires: usize,
    pub public: usize,
    pub log_domain: u32,
    pub alpha1: G1,
    pub beta1: G1,
    pub beta2: G2,
    pub gamma2: G2,
    pub delta1: G1,
    pub delta2: G2,
    pub inputs: Vec<G1>,
    /// Hash of the circuit and number of contributions, by section 10.
    pub circuit: [u8; 64],
    pub contributions: u32,
}

impl Header {
    pub fn is_dev(&self) -> bool {
        &self.circuit == DEV_MARKER
    }

    /// The verification key in the order and form of EVM precompiles: alpha1, beta2, gamma2, delta2, inputs.
    pub fn verification_key(&self) -> Vec<u8> {
        let mut out = g1_bytes(&self.alpha1).to_vec();
        for point in [&self.beta2, &self.gamma2, &self.delta2] {
            out.extend_from_slice(&g2_bytes(point));
        }
        for point in &self.inputs {
            out.extend_from_slice(&g1_bytes(point));
        }
        out
    }

    pub fn verification_key_id(&self) -> [u8; 32] {
        Keccak256::digest(self.verification_key()).into()
    }
}

/// One of the two matrices, by rows; wires and which of the distinct coefficients.
struct Matrix {
    starts: Vec<u32>,
    terms: Vec<(u32, u32)>,
}

pub struct Key {
    pub header: Header,
    pub transform: Transform,
    map: Mmap,
    a: Range<usize>,
    b1: Range<usize>,
    b2: Range<usize>,
    c: Range<usize>,
    h: Range<usize>,
    matrices: [Matrix; 2],
    /// Distinct coefficients times R²/n in Montgomery form: a product with a plain integer is then a value over n.
    coefficients: Vec<Fr>,
}

impl Key {
    /// Loads a key. With `check`, every point is on its curve; a point that is not could let a proof tell of the witness.
    pub fn load(path: &Path, check: bool) -> Result<Key> {
        let file = File::open(path).map_err(io(path))?;
        // Safety: the file belongs to this prover's cache, whose files are written once under the name of their digest. A
        // writer who cuts it while we run could end this process, and no more.
        let map = unsafe { Mmap::map(&file) }.map_err(io(path))?;
        let (header, sections) = read_header(&map)?;
        let points = |kind, count: usize, size: u64| sections.get(kind, Some(count as u64 * size));
        let (wires, domain) = (header.wires, 1usize << header.log_domain);
        let (a, b1, b2) = (points(5, wires, 64)?, points(6, wires, 64)?, points(7, wires, 128)?);
        let (c, h) = (points(8, wires - header.public - 1, 64)?, points(9, domain, 64)?);
        let (matrices, coefficients) = read_matrices(&file, sections.get(4, None)?, wires, domain).map_err(|e| if e.code == IO { io(path)(std::io::Error::other(e.detail)) } else { e })?;
        let transform = Transform::new(header.log_domain);
        let key = Key { header, transform, map, a, b1, b2, c, h, matrices, coefficients };
        if check {
            key.check_points()?;
        }
        Ok(key)
    }

    pub fn domain(&self) -> usize {
        1 << self.header.log_domain
    }

    /// Row values of a matrix times 1/n, for one row.
    #[inline(always)]
    pub fn row(&self, matrix: usize, row: usize, witness: &[[u64; 4]]) -> Fr {
        let Matrix { starts, terms } = &self.matrices[matrix];
        let mut sum = Fr::ZERO;
        for &(wire, coefficient) in &terms[starts[row] as usize..starts[row + 1] as usize] {
            let value = witness[wire as usize];
            if value != [0; 4] {
                sum = sum.add(self.coefficients[coefficient as usize].mul(Fr::new(value)));
            }
        }
        sum
    }

    pub fn points_a(&self) -> Points<'_, Fq> {
        Points::new(&self.map[self.a.clone()])
    }

    pub fn points_b1(&self) -> Points<'_, Fq> {
        Points::new(&self.map[self.b1.clone()])
    }

    pub fn points_b2(&self) -> Points<'_, Fq2> {
        Points::new(&self.map[self.b2.clone()])
    }

    /// Of the private wires.
    pub fn points_c(&self) -> Points<'_, Fq> {
        Points::new(&self.map[self.c.clone()])
    }

    pub fn points_h(&self) -> Points<'_, Fq> {
        Points::new(&self.map[self.h.clone()])
    }

    fn check_points(&self) -> Result<()> {
        for (name, range) in [("A", &self.a), ("B1", &self.b1), ("C", &self.c), ("H", &self.h)] {
            check_points::<Fq>(name, &self.map[range.clone()])?;
        }
        check_points::<Fq2>("B2", &self.map[self.b2.clone()])
    }
}

fn check_points<F: Coordinate>(name: &str, bytes: &[u8]) -> Result<()> {
    let b = F::b();
    let wrong = bytes.par_chunks_exact(Affine::<F>::BYTES).position_any(|bytes| {
        let canonical = F::is_canonical(&bytes[..F::BYTES]) && F::is_canonical(&bytes[F::BYTES..]);
        let point = Affine::<F>::read(bytes);
        !(canonical && (point.is_infinity() || point.is_on_curve(b)))
    });
    match wrong {
        Some(at) => Err(error(ZKEY_POINT, format!("point {at} of {name} is not on the curve"))),
        None => Ok(()),
    }
}

/// Reads the header alone.
pub fn inspect(path: &Path) -> Result<(Header, u64)> {
    let file = File::open(path).map_err(io(path))?;
    // Safety: as in `Key::load`.
    let map = unsafe { Mmap::map(&file) }.map_err(io(path))?;
    let (header, _) = read_header(&map)?;
    Ok((header, map.len() as u64))
}

fn read_header(bytes: &[u8]) -> Result<(Header, Sections)> {
    let sections = Sections::read(bytes, b"zkey", 1..3, ZKEY_MALFORMED)?;
    if u32_at(&bytes[sections.get(1, Some(4))?], 0) != 1 {
        return Err(error(ZKEY_UNSUPPORTED, "the protocol is not Groth16"));
    }
    let section = &bytes[sections.get(2, Some(HEADER_BYTES))?];
    if u32_at(section, 0) != 32 || !is_base_prime(&section[4..36]) || u32_at(section, 36) != 32 || limbs_of(&section[40..72]) != ScalarModulus::P {
        return Err(error(ZKEY_UNSUPPORTED, "the curve is not BN254"));
    }
    let (wires, public, domain) = (u32_at(section, 72) as usize, u32_at(section, 76) as usize, u32_at(section, 80) as usize);
    if public >= wires {
        return Err(error(ZKEY_MALFORMED, "more public signals than wires"));
    }
    if wires >= 1 << 31 || !domain.is_power_of_two() || domain > 1 << LOG_MAX {
        return Err(error(ZKEY_UNSUPPORTED, format!("{wires} wires over a domain of {domain}")));
    }
    let inputs = &bytes[sections.get(3, Some(64 * (public as u64 + 1)))?];
    let contributions = &bytes[sections.get(10, None)?];
    if contributions.len() < 68 {
        return Err(error(ZKEY_MALFORMED, "truncated contributions"));
    }
    let header = Header {
        wires,
        public,
        log_domain: domain.trailing_zeros(),
        alpha1: point("alpha1", &section[84..148])?,
        beta1: point("beta1", &section[148..212])?,
        beta2: member("beta2", &section[212..340])?,
        gamma2: member("gamma2", &section[340..468])?,
        delta1: point("delta1", &section[468..532])?,
        delta2: member("delta2", &section[532..660])?,
        inputs: inputs.chunks_exact(64).map(|bytes| point("IC", bytes)).collect::<Result<_>>()?,
        circuit: contributions[..64].try_into().unwrap(),
        contributions: u32_at(contributions, 64),
    };
    Ok((header, sections))
}

fn point<F: Coordinate>(name: &str, bytes: &[u8]) -> Result<Affine<F>> {
    Affine::read_checked(bytes).filter(|point| !point.is_infinity()).ok_or_else(|| error(ZKEY_POINT, format!("{name} is not a point of the group")))
}

fn member(name: &str, bytes: &[u8]) -> Result<G2> {
    let found: G2 = point(name, bytes)?;
    if in_subgroup(&found) { Ok(found) } else { Err(error(ZKEY_POINT, format!("{name} is outside the subgroup"))) }
}

/// Coefficients read at a time; they are read and not mapped, so that they never count as memory of ours.
const READ: usize = (1 << 20) / COEFFICIENT_BYTES;

/// Takes a coefficient's matrix, row, wire and bytes.
type Visit<'a> = dyn FnMut(usize, usize, u32, &[u8]) -> Result<()> + 'a;

/// Section 4 as two matrices and their distinct coefficients.
fn read_matrices(file: &File, section: Range<usize>, wires: usize, domain: usize) -> Result<([Matrix; 2], Vec<Fr>)> {
    let malformed = |why: &str| error(ZKEY_MALFORMED, why);
    if section.len() < 4 || !(section.len() - 4).is_multiple_of(COEFFICIENT_BYTES) {
        return Err(malformed("truncated coefficients"));
    }
    let total = (section.len() - 4) / COEFFICIENT_BYTES;
    let mut first = [0; 4];
    file.read_exact_at(&mut first, section.start as u64).map_err(|e| error(IO, e.to_string()))?;
    if u32::from_le_bytes(first) as usize != total {
        return Err(malformed("another number of coefficients than it says"));
    }
    let each = |visit: &mut Visit<'_>| -> Result<()> {
        let mut buffer = vec![0; READ * COEFFICIENT_BYTES];
        for from in (0..total).step_by(READ) {
            let part = &mut buffer[..(total - from).min(READ) * COEFFICIENT_BYTES];
            file.read_exact_at(part, (section.start + 4 + from * COEFFICIENT_BYTES) as u64).map_err(|e| error(IO, e.to_string()))?;
            for entry in part.chunks_exact(COEFFICIENT_BYTES) {
                let (matrix, row, wire) = (u32_at(entry, 0) as usize, u32_at(entry, 4) as usize, u32_at(entry, 8));
                if matrix > 1 || row >= domain || wire as usize >= wires {
                    return Err(malformed("a coefficient outside the matrices"));
                }
                visit(matrix, row, wire, &entry[12..])?;
            }
        }
        Ok(())
    };
    let mut starts = [vec![0u32; domain + 1], vec![0u32; domain + 1]];
    each(&mut |matrix, row, _, _| {
        starts[matrix][row + 1] += 1;
        Ok(())
    })?;
    for starts in &mut starts {
        for row in 0..domain {
            starts[row + 1] += starts[row];
        }
    }
    let mut terms = [0, 1].map(|matrix| vec![(0u32, 0u32); starts[matrix][domain] as usize]);
    let mut next = starts.clone();
    let mut known: HashMap<[u64; 4], u32> = HashMap::new();
    let mut coefficients = Vec::new();
    let scale = Fr::from_u64(domain as u64).invert().expect("the domain's size is not zero");
    each(&mut |matrix, row, wire, bytes| {
        let limbs = limbs_of(bytes);
        if !less(&limbs, &ScalarModulus::P) {
            return Err(malformed("a coefficient is not canonical"));
        }
        let coefficient = *known.entry(limbs).or_insert_with(|| {
            coefficients.push(Fr::new(limbs).mul(scale));
            coefficients.len() as u32 - 1
        });
        let at = &mut next[matrix][row];
        // A file that changes between the two readings must not lead us outside.
        let term = terms[matrix].get_mut(*at as usize).ok_or_else(|| malformed("the file changed while it was read"))?;
        *term = (wire, coefficient);
        *at += 1;
        Ok(())
    })?;
    let [first, second] = terms;
    let [first_starts, second_starts] = starts;
    Ok(([Matrix { starts: first_starts, terms: first }, Matrix { starts: second_starts, terms: second }], coefficients))
}

pub fn io(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |cause| error(IO, format!("{}: {cause}", path.display()))
}
