//! The present libsecp256k1, called from Node with bytes and answered into bytes the caller brings, so that no call allocates.
//!
//! A length that does not fit is refused here too; nothing is read or written beyond an array. Nothing is kept between calls but
//! the blinding of libsecp256k1, which is made anew with every signature.

use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, SecretKey};
use sha3::{Digest, Keccak256};

/// Writes the address (20 bytes) whose key made `signature` (r ‖ s ‖ v, 65 bytes, v 27 or 28) over `digest` (32 bytes). False where
/// nobody did, and nothing is written. A high s is recovered as a low one is: who must not take it refuses it before.
#[napi]
pub fn recover(digest: &[u8], signature: &[u8], mut address: Uint8ArraySlice) -> bool {
    write(recovered(digest, signature), &mut address)
}

/// Writes r ‖ s ‖ v (65 bytes, RFC 6979, low s, v 27 or 28) over `digest` (32 bytes). False where `private_key` is no key.
#[napi]
pub fn sign(digest: &[u8], private_key: &[u8], mut signature: Uint8ArraySlice) -> bool {
    write(signed(digest, private_key), &mut signature)
}

fn recovered(digest: &[u8], signature: &[u8]) -> Option<[u8; 20]> {
    let message = Message::from_digest(digest.try_into().ok()?);
    let (v, compact) = signature.split_last()?;
    let id = match v {
        27 => RecoveryId::Zero,
        28 => RecoveryId::One,
        _ => return None,
    };
    let key = RecoverableSignature::from_compact(compact, id).ok()?.recover(message).ok()?;
    Keccak256::digest(&key.serialize_uncompressed()[1..])[12..].try_into().ok()
}

fn signed(digest: &[u8], private_key: &[u8]) -> Option<[u8; 65]> {
    let message = Message::from_digest(digest.try_into().ok()?);
    let key = SecretKey::from_secret_bytes(private_key.try_into().ok()?).ok()?;
    let (id, compact) = RecoverableSignature::sign_ecdsa_recoverable(message, &key).serialize_compact();
    let mut signature = [0; 65];
    signature[..64].copy_from_slice(&compact);
    signature[64] = 27 + id.to_u8();
    Some(signature)
}

/// Whether there was an answer, and room for exactly it.
fn write<const N: usize>(answer: Option<[u8; N]>, out: &mut Uint8ArraySlice) -> bool {
    // SAFETY: the engine is inside this one call, so nobody else reads or writes the array; it is no view of an input, since
    // those were read to their end when the answer was made.
    let out = unsafe { out.as_mut() };
    match answer {
        Some(answer) if out.len() == N => {
            out.copy_from_slice(&answer);
            true
        }
        _ => false,
    }
}
