//! One warm process per circuit: frames on stdin, frames on stdout, until stdin ends.
//!
//! A frame is length:4, kind:1, id:8, payload, all big-endian; the length counts what follows it.
//!
//! | to us | payload | |
//! | --- | --- | --- |
//! | 1 | a `.wtns` file's bytes | prove it |
//! | 2 | a `.wtns` file's path | prove it |
//!
//! | from us | payload | |
//! | --- | --- | --- |
//! | 0 | JSON: what `inspect` prints, and how long loading took | ready; once, id 0 |
//! | 1 | proof:256, microseconds:4, count:4, count·32 public signals | done |
//! | 2 | length:1, code, detail | failed; the process goes on |

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::curve::big_endian;
use crate::error::{INTERNAL, IO, REQUEST, Result, error};
use crate::prove::{Blinding, Proof, prove, public_signals};
use crate::wtns::{self, Witness};
use crate::zkey::{Key, io};

pub const PROVE_BYTES: u8 = 1;
pub const PROVE_PATH: u8 = 2;
pub const READY: u8 = 0;
pub const PROVED: u8 = 1;
pub const FAILED: u8 = 2;

/// Bytes of kind and id.
const HEAD: usize = 9;
const PATH_MAX: usize = 4096;

/// Answers requests until the input ends. Errors of a request are answers; only a broken pipe ends the loop.
pub fn serve(key: &Key, ready: &str, mut input: impl Read, mut output: impl Write) -> Result<()> {
    let broken = |e: std::io::Error| error(IO, format!("the pipe broke: {e}"));
    write(&mut output, READY, 0, &[ready.as_bytes()]).map_err(broken)?;
    let largest = HEAD + (32 * key.header.wires + wtns::OVERHEAD).max(PATH_MAX);
    while let Some(length) = read_length(&mut input).map_err(broken)? {
        if length < HEAD {
            return Err(error(REQUEST, "a frame is too short for its head"));
        }
        let mut head = [0; HEAD];
        input.read_exact(&mut head).map_err(broken)?;
        let id = u64::from_be_bytes(head[1..].try_into().unwrap());
        let answer = if length > largest {
            std::io::copy(&mut (&mut input).take((length - HEAD) as u64), &mut std::io::sink()).map_err(broken)?;
            Err(error(REQUEST, format!("{length} bytes, and {largest} is the most")))
        } else {
            let mut payload = Zeroizing::new(vec![0; length - HEAD]);
            input.read_exact(&mut payload).map_err(broken)?;
            catch_unwind(AssertUnwindSafe(|| answer(key, head[0], &payload))).unwrap_or_else(|_| Err(error(INTERNAL, "the prover panicked")))
        };
        match answer {
            Ok(payload) => write(&mut output, PROVED, id, &[&payload]).map_err(broken)?,
            Err(e) => write(&mut output, FAILED, id, &[&[e.code.len() as u8], e.code.as_bytes(), e.detail.as_bytes()]).map_err(broken)?,
        }
    }
    Ok(())
}

fn answer(key: &Key, kind: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let began = Instant::now();
    let witness = match kind {
        PROVE_BYTES => wtns::read(payload, key.header.wires)?,
        PROVE_PATH => {
            let path = std::str::from_utf8(payload).map_err(|_| error(REQUEST, "the path is not UTF-8"))?;
            read_file(Path::new(path), key)?
        }
        _ => return Err(error(REQUEST, format!("kind {kind} is not known"))),
    };
    let proof = prove(key, &witness, &Blinding::random()?);
    Ok(proved(key, &witness, &proof, began.elapsed().as_micros()))
}

/// Reads a witness file that is not larger than one of this circuit can be.
pub fn read_file(path: &Path, key: &Key) -> Result<Witness> {
    let file = std::fs::File::open(path).map_err(io(path))?;
    let most = (32 * key.header.wires + wtns::OVERHEAD) as u64;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most as usize + 1));
    file.take(most + 1).read_to_end(&mut bytes).map_err(io(path))?;
    wtns::read(&bytes, key.header.wires)
}

fn proved(key: &Key, witness: &Witness, proof: &Proof, micros: u128) -> Vec<u8> {
    let mut out = proof.to_bytes().to_vec();
    out.extend_from_slice(&(micros.min(u32::MAX as u128) as u32).to_be_bytes());
    let signals = public_signals(key, witness);
    out.extend_from_slice(&(signals.len() as u32).to_be_bytes());
    signals.iter().for_each(|signal| out.extend_from_slice(&big_endian(signal)));
    out
}

/// The length of the next frame; none where the input ends between two frames.
fn read_length(input: &mut impl Read) -> std::io::Result<Option<usize>> {
    let mut bytes = [0; 4];
    let mut at = 0;
    while at < 4 {
        match input.read(&mut bytes[at..]) {
            Ok(0) if at == 0 => return Ok(None),
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => at += count,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Some(u32::from_be_bytes(bytes) as usize))
}

fn write(output: &mut impl Write, kind: u8, id: u64, payload: &[&[u8]]) -> std::io::Result<()> {
    let length = HEAD + payload.iter().map(|part| part.len()).sum::<usize>();
    let mut frame = Vec::with_capacity(4 + length);
    frame.extend_from_slice(&(length as u32).to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(&id.to_be_bytes());
    payload.iter().for_each(|part| frame.extend_from_slice(part));
    output.write_all(&frame)?;
    output.flush()
}
