//! Clones share one target folder, where cargo tells old from new by the time of a change alone: to it, a fresh clone
//! is new throughout, and a clone that was built yesterday is older than what another left there today.
//! A note says with which contents, changed when, the folder was built. A clone that comes after another gives each
//! file with the same content its time back; every other file is new.
//! It does not look into what was built: cargo decides what to compile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::context::Context;
use crate::web::folder;

/// Where the sources of the workspace's packages are, and what they include from elsewhere.
const FOLDERS: [&str; 6] = ["app", "crates", "node-wasm", "public", "relay", "tests"];

/// Where cargo keeps what it knows of each build, below the target folder.
const FINGERPRINTS: [&str; 5] = [
    "debug",
    "release",
    "wasm32-unknown-unknown/debug",
    "wasm32-unknown-unknown/wasm-dev",
    "wasm32-unknown-unknown/wasm-release",
];

/// Says who built last, and from what.
const NOTE: &str = "built-from";

/// Makes this clone the one whose sources the target folder is the build of.
///
/// # Errors
/// When a source cannot be read or its time cannot be set.
pub(crate) fn run(context: &Context) -> Result<()> {
    let note = Note::read(&context.target);
    if note.as_ref().is_some_and(|note| note.root == context.root) {
        return Ok(());
    }
    // Built by somebody who wrote no note: then nothing is known of what is in there.
    let known = note
        .filter(|note| note.written >= last_build(&context.target))
        .map(|note| note.sources)
        .unwrap_or_default();
    restore(&context.root, &known, SystemTime::now())?;
    Note::write(&context.target, &context.root, &sources(&context.root)?)
}

/// Notes what the target folder was built from. To be called after the last build; where it is not, the next clone
/// compiles the workspace anew.
///
/// # Errors
/// When a source cannot be read, or the note cannot be written.
pub(crate) fn keep(context: &Context) -> Result<()> {
    match Note::read(&context.target) {
        // Another clone built meanwhile, so nobody knows what of it is whose.
        Some(note) if note.root != context.root => Ok(fs::remove_file(context.target.join(NOTE))?),
        _ => Note::write(&context.target, &context.root, &sources(&context.root)?),
    }
}

/// The content of a file and when it came there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    sha256: [u8; 32],
    changed: SystemTime,
}

/// By their paths in the repository.
type Sources = BTreeMap<PathBuf, Source>;

fn sources(root: &Path) -> Result<Sources> {
    let mut found = Sources::new();
    for folder in FOLDERS {
        for path in folder::files(&root.join(folder))? {
            let source = Source {
                sha256: Sha256::digest(fs::read(&path)?).into(),
                changed: fs::metadata(&path)?.modified()?,
            };
            found.insert(path.strip_prefix(root)?.to_path_buf(), source);
        }
    }
    Ok(found)
}

/// Gives each source the time that `known` has for its content, and `now` to every other.
fn restore(root: &Path, known: &Sources, now: SystemTime) -> Result<()> {
    for (path, source) in sources(root)? {
        let before = known.get(&path).filter(|known| known.sha256 == source.sha256);
        let time = before.map_or(now, |known| known.changed);
        let path = root.join(path);
        File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(time))
            .with_context(|| format!("cannot set the time of {}", path.display()))?;
    }
    Ok(())
}

/// When cargo last compiled something into that folder.
fn last_build(target: &Path) -> SystemTime {
    let builds = FINGERPRINTS
        .iter()
        .filter_map(|profile| fs::read_dir(target.join(profile).join(".fingerprint")).ok())
        .flatten()
        .filter_map(|entry| fs::read_dir(entry.ok()?.path()).ok())
        .flatten();
    builds
        .filter_map(|file| file.ok()?.metadata().ok()?.modified().ok())
        .max()
        .unwrap_or(UNIX_EPOCH)
}

/// What a target folder was built from, as a file in it: the clone, then a line for each source.
struct Note {
    root: PathBuf,
    sources: Sources,
    written: SystemTime,
}

impl Note {
    /// None where there is none, or none that can be read.
    fn read(target: &Path) -> Option<Self> {
        let path = target.join(NOTE);
        let written = fs::metadata(&path).ok()?.modified().ok()?;
        let text = fs::read_to_string(&path).ok()?;
        let mut lines = text.lines();
        Some(Self {
            root: lines.next()?.into(),
            sources: lines.map(source).collect::<Option<_>>()?,
            written,
        })
    }

    fn write(target: &Path, root: &Path, sources: &Sources) -> Result<()> {
        let mut text = format!("{}\n", root.display());
        for (path, source) in sources {
            let hash: String = source.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            let changed = source.changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            text += &format!("{hash} {} {}\n", changed.as_nanos(), path.display());
        }
        fs::create_dir_all(target)?;
        let path = target.join(NOTE);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A line of a note.
fn source(line: &str) -> Option<(PathBuf, Source)> {
    let (hash, rest) = line.split_once(' ')?;
    let (changed, path) = rest.split_once(' ')?;
    let mut sha256 = [0; 32];
    for (at, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hash.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    let changed = UNIX_EPOCH.checked_add(Duration::from_nanos(changed.parse().ok()?))?;
    Some((path.into(), Source { sha256, changed }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LIB: &str = "crates/one/src/lib.rs";

    fn clone_with(lib: &str) -> tempfile::TempDir {
        let clone = tempfile::tempdir().unwrap();
        for folder in FOLDERS {
            fs::create_dir_all(clone.path().join(folder)).unwrap();
        }
        fs::create_dir_all(clone.path().join("crates/one/src")).unwrap();
        fs::write(clone.path().join(LIB), lib).unwrap();
        clone
    }

    fn changed(clone: &tempfile::TempDir, path: &str) -> SystemTime {
        fs::metadata(clone.path().join(path)).unwrap().modified().unwrap()
    }

    #[test]
    fn what_is_the_same_in_another_clone_keeps_its_time_and_what_is_not_is_new() {
        let old = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        let now = SystemTime::now();
        let first = clone_with("//! A crate.");
        restore(first.path(), &Sources::new(), old).unwrap();
        let known = sources(first.path()).unwrap();

        let same = clone_with("//! A crate.");
        restore(same.path(), &known, now).unwrap();
        assert_eq!(changed(&same, LIB), old);

        let other = clone_with("//! Another crate.");
        restore(other.path(), &known, now).unwrap();
        assert_eq!(changed(&other, LIB), now);
        assert_eq!(
            fs::read_to_string(other.path().join(LIB)).unwrap(),
            "//! Another crate."
        );
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_a_damaged_one_not_at_all() {
        let clone = clone_with("//! A crate.");
        let target = tempfile::tempdir().unwrap();
        assert!(Note::read(target.path()).is_none());
        let written = sources(clone.path()).unwrap();
        Note::write(target.path(), clone.path(), &written).unwrap();
        let note = Note::read(target.path()).unwrap();
        assert_eq!((note.root.as_path(), note.sources), (clone.path(), written));
        fs::write(target.path().join(NOTE), "/somewhere\nno hash\n").unwrap();
        assert!(Note::read(target.path()).is_none());
    }

    #[test]
    fn a_build_after_the_note_is_seen() {
        let target = tempfile::tempdir().unwrap();
        assert_eq!(last_build(target.path()), UNIX_EPOCH);
        let package = target.path().join("debug/.fingerprint/one-0123");
        fs::create_dir_all(&package).unwrap();
        let before = SystemTime::now() - Duration::from_secs(5);
        fs::write(package.join("invoked.timestamp"), "").unwrap();
        assert!(last_build(target.path()) > before);
    }
}
