//! The data folder: atomic files, a lock against a second relay, keys that only the owner reads.
//! It does not know what the files mean.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Largest small file (keys, swarm state, invites, manifests); models are streamed instead.
const MAX_SMALL_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// An open data folder.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// Proof that no other relay serves this folder; released when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("data folder {dir} cannot be used: {source}")]
    Folder { dir: PathBuf, source: io::Error },
    #[error("cannot {action} {path}: {source}")]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("data folder {0} is in use by another relay")]
    InUse(PathBuf),
    #[error("no secure randomness from the system: {0}")]
    Random(getrandom::Error),
}

impl Store {
    /// Opens the folder and creates it where it is missing, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be created or written to.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        let refuse = |source| StoreError::Folder {
            dir: dir.to_owned(),
            source,
        };
        if !dir.is_dir() {
            create_private_dir(dir).map_err(refuse)?;
        }
        let store = Store { dir: dir.to_owned() };
        // Found out now, with the folder's name, rather than at the first write.
        tempfile_in(dir).map_err(refuse)?;
        Ok(store)
    }

    /// Where `name` lies in the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// The subfolder `name`, created where it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf, StoreError> {
        let dir = self.path(name);
        if !dir.is_dir() {
            create_private_dir(&dir).map_err(|source| StoreError::Folder {
                dir: dir.clone(),
                source,
            })?;
        }
        Ok(dir)
    }

    /// Claims the folder for one serving relay.
    ///
    /// # Errors
    /// When another relay has it.
    pub fn lock(&self) -> Result<Lock, StoreError> {
        let path = self.path("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| StoreError::File {
                action: "open",
                path: path.clone(),
                source,
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(self.dir.clone())),
            Err(TryLockError::Error(source)) => Err(StoreError::File {
                action: "lock",
                path,
                source,
            }),
        }
    }

    /// The bytes of a small file, or `None` where there is none.
    ///
    /// # Errors
    /// When it exists but cannot be read or is too large.
    pub fn read(&self, name: impl AsRef<Path>) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(name);
        let fail = |source| StoreError::File {
            action: "read",
            path: path.clone(),
            source,
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_SMALL_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
        if bytes.len() as u64 > MAX_SMALL_FILE_BYTES {
            return Err(fail(io::Error::other("larger than any file of ours")));
        }
        Ok(Some(bytes))
    }

    /// Replaces a small file so that, whenever the power goes, either the old bytes or the new
    /// ones are there. Only the owner can read it.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name);
        write_atomic(&path, bytes).map_err(|source| StoreError::File {
            action: "write",
            path,
            source,
        })
    }

    /// The bytes of `name`, made by `make` and kept at the first call.
    ///
    /// # Errors
    /// When reading, making or writing fails.
    pub fn read_or_create<E: From<StoreError>>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        if let Some(bytes) = self.read(name)? {
            return Ok(bytes);
        }
        let bytes = make()?;
        self.write(name, &bytes)?;
        Ok(bytes)
    }
}

/// Secret random bytes.
///
/// # Errors
/// When the system has none.
pub fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(StoreError::Random)?;
    Ok(bytes)
}

/// Writes beside the target, syncs, renames, and syncs the folder.
fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = private_file(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_dir(dir)
}

/// Makes a rename in `dir` last.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// A new or emptied file that only its owner can read.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn tempfile_in(dir: &Path) -> io::Result<()> {
    let probe = dir.join(format!(".probe.{}.tmp", std::process::id()));
    drop(private_file(&probe)?);
    fs::remove_file(probe)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_lies_about() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("a/b")).unwrap();
        assert_eq!(store.read("key").unwrap(), None);
        store.write("key", b"one").unwrap();
        store.write("key", b"two").unwrap();
        assert_eq!(store.read("key").unwrap().unwrap(), b"two");
        let names: Vec<_> = fs::read_dir(store.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["key"]);
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        store.write("key", b"secret").unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(store.path("key")), 0o600);
        assert_eq!(mode(store.path("")), 0o700);
    }

    #[test]
    fn a_folder_serves_one_relay_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let lock = store.lock().unwrap();
        assert!(matches!(store.lock(), Err(StoreError::InUse(_))));
        drop(lock);
        assert!(store.lock().is_ok());
    }

    #[test]
    fn a_folder_that_is_a_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"x").unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains("file"), "{error}");
    }
}
