//! The container of iden3's files: four letters, version, and sections of type:4, length:8, content, little-endian.

use std::ops::Range;

use crate::error::{Result, error};

/// Where each section lies.
pub struct Sections {
    code: &'static str,
    found: Vec<(u32, Range<usize>)>,
}

const SECTIONS_MAX: u32 = 64;

impl Sections {
    /// Reads the headers. Each type stands once, and nothing follows the last section.
    pub fn read(bytes: &[u8], magic: &[u8; 4], versions: Range<u32>, code: &'static str) -> Result<Self> {
        if bytes.len() < 12 || bytes[..4] != magic[..] {
            return Err(error(code, format!("not a .{} file", String::from_utf8_lossy(magic))));
        }
        let version = u32_at(bytes, 4);
        if !versions.contains(&version) {
            return Err(error(code, format!("version {version} is not known")));
        }
        let count = u32_at(bytes, 8);
        if count > SECTIONS_MAX {
            return Err(error(code, "too many sections"));
        }
        let mut found: Vec<(u32, Range<usize>)> = Vec::new();
        let mut at = 12usize;
        for _ in 0..count {
            if bytes.len() - at < 12 {
                return Err(error(code, "truncated section header"));
            }
            let kind = u32_at(bytes, at);
            let length = u64_at(bytes, at + 4);
            at += 12;
            if length > (bytes.len() - at) as u64 {
                return Err(error(code, format!("section {kind} is longer than the file")));
            }
            if found.iter().any(|(known, _)| *known == kind) {
                return Err(error(code, format!("section {kind} stands twice")));
            }
            found.push((kind, at..at + length as usize));
            at += length as usize;
        }
        if at != bytes.len() {
            return Err(error(code, "bytes after the last section"));
        }
        Ok(Sections { code, found })
    }

    /// A section, of exactly this many bytes where that is known.
    pub fn get(&self, kind: u32, length: Option<u64>) -> Result<Range<usize>> {
        let Some((_, range)) = self.found.iter().find(|(known, _)| *known == kind) else {
            return Err(error(self.code, format!("section {kind} is missing")));
        };
        match length {
            Some(length) if length != range.len() as u64 => Err(error(self.code, format!("section {kind} has {} bytes and not {length}", range.len()))),
            _ => Ok(range.clone()),
        }
    }
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(sections: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = b"test".to_vec();
        out.extend_from_slice(&1u32.to_le_bytes());
        out.extend_from_slice(&(sections.len() as u32).to_le_bytes());
        for (kind, content) in sections {
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&(content.len() as u64).to_le_bytes());
            out.extend_from_slice(content);
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<Sections> {
        Sections::read(bytes, b"test", 1..2, "test.malformed")
    }

    #[test]
    fn finds_sections_by_type() {
        let sections = read(&file(&[(3, b"abc"), (1, b"")])).unwrap();
        assert_eq!(sections.get(3, Some(3)).unwrap(), 24..27);
        assert_eq!(sections.get(1, None).unwrap(), 39..39);
        assert!(sections.get(2, None).is_err());
        assert!(sections.get(3, Some(4)).is_err());
    }

    #[test]
    fn refuses_what_nobody_wrote() {
        let good = file(&[(3, b"abc"), (1, b"de")]);
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "cut at {length}");
        }
        assert!(read(&[good.clone(), vec![0]].concat()).is_err());
        assert!(read(&file(&[(3, b"abc"), (3, b"")])).is_err());
        let mut long = good;
        long[16..24].fill(0xff);
        assert!(read(&long).is_err());
    }
}
