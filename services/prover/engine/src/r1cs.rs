//! Constraint systems: header (section 1) and constraints (section 2).

use crate::container::{Sections, u32_at};
use crate::error::{R1CS_MALFORMED, Result, error};
use crate::field::{Fr, Modulus, ScalarModulus, less, limbs_of};

pub struct R1cs<'a> {
    pub wires: usize,
    pub public: usize,
    pub constraints: usize,
    body: &'a [u8],
}

impl<'a> R1cs<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let sections = Sections::read(bytes, b"r1cs", 1..2, R1CS_MALFORMED)?;
        let header = &bytes[sections.get(1, Some(4 + 32 + 16 + 8 + 4))?];
        if u32_at(header, 0) != 32 || limbs_of(&header[4..36]) != ScalarModulus::P {
            return Err(error(R1CS_MALFORMED, "the field is not BN254's scalars"));
        }
        let number = |at| u32_at(header, at) as usize;
        let (wires, public, constraints) = (number(36), number(40) + number(44), number(60));
        if public >= wires {
            return Err(error(R1CS_MALFORMED, "more public signals than wires"));
        }
        // One label for each wire and three counts for each constraint: nobody makes us allocate what he did not send.
        sections.get(3, Some(8 * wires as u64))?;
        let body = &bytes[sections.get(2, None)?];
        if constraints > body.len() / 12 {
            return Err(error(R1CS_MALFORMED, "truncated constraints"));
        }
        Ok(R1cs { wires, public, constraints, body })
    }

    /// Calls with each entry: which side (0 a, 1 b, 2 c), constraint, wire, coefficient.
    pub fn each(&self, mut visit: impl FnMut(usize, usize, usize, Fr)) -> Result<()> {
        let malformed = |why: &str| error(R1CS_MALFORMED, why);
        let mut rest = self.body;
        let mut take = |length: usize| -> Result<&'a [u8]> {
            if length > rest.len() {
                return Err(malformed("truncated constraints"));
            }
            let (taken, left) = rest.split_at(length);
            rest = left;
            Ok(taken)
        };
        for constraint in 0..self.constraints {
            for side in 0..3 {
                let count = u32_at(take(4)?, 0) as usize;
                for entry in take(count.saturating_mul(36))?.chunks_exact(36) {
                    let (wire, limbs) = (u32_at(entry, 0) as usize, limbs_of(&entry[4..]));
                    if wire >= self.wires || !less(&limbs, &ScalarModulus::P) {
                        return Err(malformed("a coefficient outside the field or of no wire"));
                    }
                    visit(side, constraint, wire, Fr::from_integer(limbs));
                }
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(malformed("bytes after the last constraint")) }
    }
}
