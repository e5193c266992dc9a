//! Groth16 over BN254 for snarkjs keys and witnesses.

pub mod container;
pub mod curve;
pub mod error;
pub mod field;
pub mod msm;
pub mod ntt;
pub mod prove;
pub mod r1cs;
pub mod serve;
pub mod setup;
pub mod wtns;
pub mod zkey;
