//! Witness files: header (section 1) and one field element for each wire (section 2).

use zeroize::Zeroizing;

use crate::container::{Sections, u32_at};
use crate::error::{Result, WTNS_LENGTH, WTNS_MALFORMED, error};
use crate::field::{Modulus, ScalarModulus, less, limbs_of};

/// Wires as integers below the group order; wiped from memory when dropped.
pub type Witness = Zeroizing<Vec<[u64; 4]>>;

/// Bytes of a witness file besides its wires.
pub const OVERHEAD: usize = 12 + 12 + 40 + 12;

/// Reads a witness of `wires` wires. Every element is canonical, and the first is one.
pub fn read(bytes: &[u8], wires: usize) -> Result<Witness> {
    let sections = Sections::read(bytes, b"wtns", 2..3, WTNS_MALFORMED)?;
    let header = &bytes[sections.get(1, Some(40))?];
    if u32_at(header, 0) != 32 || limbs_of(&header[4..36]) != ScalarModulus::P {
        return Err(error(WTNS_MALFORMED, "the field is not BN254's scalars"));
    }
    let count = u32_at(header, 36) as usize;
    if count != wires {
        return Err(error(WTNS_LENGTH, format!("the witness has {count} wires and the circuit {wires}")));
    }
    let body = &bytes[sections.get(2, Some(32 * count as u64))?];
    let mut out: Witness = Zeroizing::new(Vec::with_capacity(count));
    for element in body.chunks_exact(32) {
        let limbs = limbs_of(element);
        if !less(&limbs, &ScalarModulus::P) {
            return Err(error(WTNS_MALFORMED, "a wire is not below the group order"));
        }
        out.push(limbs);
    }
    if out.first() != Some(&[1, 0, 0, 0]) {
        return Err(error(WTNS_MALFORMED, "the first wire is not one"));
    }
    Ok(out)
}
