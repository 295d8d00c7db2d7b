//! `model add PATH`: copies a GGUF into the data folder while hashing it.
//! Until the copy is whole, checked and on the disk it has a hidden name; a kill at any moment
//! leaves the models as they were.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{MODELS, ModelError, Published, describe::Checked};
use crate::store::{Store, private_file, sync_dir};

/// Beginning of the names of copies that are not finished.
const COPY_PREFIX: &str = ".copy-";
/// File systems allow 255 bytes in a name; ours get a prefix and an ending.
const MAX_STEM_BYTES: usize = 200;

/// Only one process adds at a time; released when dropped.
pub(super) struct Adding {
    _lock: File,
    pub(super) dir: PathBuf,
}

impl Adding {
    /// Waits for nobody: a second `model add` is told so. What earlier copies left is removed.
    pub(super) fn begin(store: &Store) -> Result<Adding, ModelError> {
        let dir = store.subfolder(MODELS)?;
        let path = dir.join(".lock");
        let fail = |source: io::Error| ModelError::File {
            path: path.clone(),
            source,
        };
        let lock = private_file(&path).map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ModelError::Busy),
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        for entry in fs::read_dir(&dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_name().to_string_lossy().starts_with(COPY_PREFIX) {
                fs::remove_file(entry.path()).map_err(fail)?;
            }
        }
        Ok(Adding { _lock: lock, dir })
    }

    /// Gives a finished file its name, unless that is taken by other content.
    pub(super) fn finish(
        &self,
        store: &Store,
        part: &Path,
        name: &str,
        sha256: [u8; 32],
    ) -> Result<Published, ModelError> {
        let path = self.dir.join(name);
        let fail = |source: io::Error| ModelError::File {
            path: path.clone(),
            source,
        };
        if path.exists() {
            let there = Published::read(store, &path);
            let same = there.is_ok_and(|there| there.sha256 == hex::encode(sha256));
            fs::remove_file(part).map_err(fail)?;
            if !same {
                return Err(ModelError::Exists(path));
            }
        } else {
            fs::rename(part, &path).map_err(fail)?;
            sync_dir(&self.dir).map_err(fail)?;
        }
        Published::read(store, &path)
    }
}

/// Copies the GGUF at `source` into the data folder.
///
/// # Errors
/// When it is no sound GGUF, cannot be read or written, or its name is taken by other content.
pub fn from_file(store: &Store, source: &Path) -> Result<Published, ModelError> {
    let name = model_name(&source.to_string_lossy())?;
    let checked = Checked::open(source)?;
    let adding = Adding::begin(store)?;
    let part = adding.dir.join(format!("{COPY_PREFIX}{name}"));
    let copied = copy(checked, &part);
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    adding.finish(store, &part, &name, copied?)
}

/// Copies and hashes in one pass; returns the hash of the file.
fn copy(source: Checked, part: &Path) -> Result<[u8; 32], ModelError> {
    let fail = |source: io::Error| ModelError::File {
        path: part.to_owned(),
        source,
    };
    let from = source.reader()?;
    let mut into = private_file(part).map_err(fail)?;
    let manifest = source.manifest(Tee {
        from,
        into: &mut into,
    })?;
    into.sync_all().map_err(fail)?;
    Ok(manifest.sha256())
}

/// The file name of a model that came from `source`, a path or URL: its last part, which must be
/// a plain name.
pub(super) fn model_name(source: &str) -> Result<String, ModelError> {
    let last = source.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = last.strip_suffix(".gguf").unwrap_or(last);
    let plain = !stem.is_empty()
        && !stem.starts_with('.')
        && stem.len() <= MAX_STEM_BYTES
        && !stem
            .chars()
            .any(|c| c.is_control() || matches!(c, ':' | '?' | '*'));
    if plain {
        Ok(format!("{stem}.gguf"))
    } else {
        Err(ModelError::NoName(source.to_owned()))
    }
}

/// Hands on what it reads, and writes it down.
struct Tee<'a, R> {
    from: R,
    into: &'a mut File,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        self.into.write_all(&buf[..n])?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_by_the_last_part_of_where_it_came_from() {
        let check = |source: &str, expect: Option<&str>| {
            assert_eq!(model_name(source).ok().as_deref(), expect, "{source}");
        };
        check("/srv/tiny.gguf", Some("tiny.gguf"));
        check("tiny", Some("tiny.gguf"));
        check("https://models.example/a/Tiny-Q4_0.gguf", Some("Tiny-Q4_0.gguf"));
        check("https://models.example/", None);
        check("..", None);
        check("dir/.hidden.gguf", None);
        check("https://models.example/x?download", None);
        check(&"x".repeat(300), None);
    }
}
