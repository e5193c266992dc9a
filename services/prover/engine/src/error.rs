//! What can be wrong with what we are given, by stable code.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Stable, dotted and kebab-case; callers switch on it.
    pub code: &'static str,
    pub detail: String,
}

pub type Result<T> = std::result::Result<T, Error>;

pub fn error(code: &'static str, detail: impl Into<String>) -> Error {
    Error { code, detail: detail.into() }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Error {}

pub const ZKEY_MALFORMED: &str = "zkey.malformed";
pub const ZKEY_UNSUPPORTED: &str = "zkey.unsupported";
pub const ZKEY_POINT: &str = "zkey.point-invalid";
pub const WTNS_MALFORMED: &str = "wtns.malformed";
pub const WTNS_LENGTH: &str = "wtns.wrong-circuit";
pub const R1CS_MALFORMED: &str = "r1cs.malformed";
pub const IO: &str = "io.failed";
pub const USAGE: &str = "usage";
pub const REQUEST: &str = "request.malformed";
pub const CPU: &str = "cpu.unsupported";
pub const INTERNAL: &str = "engine.internal";
