//! Reads the import section of a wasm file: a browser build must import nothing from `env`.
//! It does not validate the module; the browser does.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// A C symbol that was not found at link time becomes an import from `env`, and the module then never starts.
const FORBIDDEN: &str = "env";

/// Checks one wasm file.
///
/// # Errors
/// When it is no wasm or imports something from `env`; the message names it.
pub(crate) fn check(file: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let imports = imports(&bytes).with_context(|| format!("{} is not a wasm module", file.display()))?;
    let wrong: Vec<String> = imports
        .iter()
        .filter(|(module, _)| module == FORBIDDEN)
        .map(|(_, name)| name.clone())
        .collect();
    if !wrong.is_empty() {
        bail!(
            "{} imports from `{FORBIDDEN}`, which no browser has: {}",
            file.display(),
            wrong.join(", ")
        );
    }
    Ok(())
}

/// Module and name of every import, or nothing where the bytes are no module.
fn imports(wasm: &[u8]) -> Option<Vec<(String, String)>> {
    const IMPORT_SECTION: u8 = 2;
    let mut module = Bytes(wasm.strip_prefix(b"\0asm\x01\0\0\0")?);
    while let Some(id) = module.byte() {
        let length = module.number()?;
        let mut section = Bytes(module.take(length)?);
        if id == IMPORT_SECTION {
            let count = section.number()?;
            return (0..count).map(|_| section.import()).collect();
        }
    }
    Some(Vec::new())
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// LEB128, at most ten bytes.
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn name(&mut self) -> Option<String> {
        let length = self.number()?;
        Some(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn limits(&mut self) -> Option<()> {
        let flags = self.byte()?;
        self.number()?;
        if flags & 1 != 0 {
            self.number()?;
        }
        Some(())
    }

    /// One import: two names, then what kind of thing it is.
    fn import(&mut self) -> Option<(String, String)> {
        let names = (self.name()?, self.name()?);
        match self.byte()? {
            // a function's type
            0 => self.number().map(drop)?,
            // a table: element type, limits
            1 => {
                self.byte()?;
                self.limits()?;
            }
            // a memory
            2 => self.limits()?,
            // a global: type and mutability
            3 => self.take(2).map(drop)?,
            // an exception tag: attribute and type
            4 => {
                self.byte()?;
                self.number()?;
            }
            _ => return None,
        }
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A module whose import section holds a function, a memory and a global.
    fn module(from: &str) -> Vec<u8> {
        let mut section = vec![3];
        for kind in [&[0, 5][..], &[2, 1, 1, 2], &[3, 0x7f, 0]] {
            section.push(u8::try_from(from.len()).unwrap());
            section.extend(from.as_bytes());
            section.extend([1, b'f']);
            section.extend(kind);
        }
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend([1, 1, 0, 2, u8::try_from(section.len()).unwrap()]);
        wasm.extend(section);
        wasm
    }

    #[test]
    fn every_import_is_read_whatever_its_kind() {
        let found = imports(&module("wbg")).unwrap();
        assert_eq!(found, vec![("wbg".to_owned(), "f".to_owned()); 3]);
    }

    #[test]
    fn an_import_from_env_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        fs::write(&file, module("wbg")).unwrap();
        check(&file).unwrap();
        fs::write(&file, module("env")).unwrap();
        assert!(check(&file).unwrap_err().to_string().contains("from `env`"));
    }

    #[test]
    fn a_cut_file_is_an_error_and_not_a_panic() {
        let whole = module("wbg");
        for length in 0..whole.len() {
            // Cut inside the header or a section: nothing; cut between sections: a shorter module.
            drop(imports(&whole[..length]));
        }
        assert_eq!(imports(b"GGUF"), None);
    }
}
