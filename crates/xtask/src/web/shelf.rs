//! Web builds that were made before, by what they were made from: a fresh clone of the same sources takes the finished
//! folder instead of nine minutes of one core.
//! It does not hold what was built from sources long gone: the newest few stay.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};

use super::folder;
use super::stamp::Stamp;

/// Enough for two branches and what they were a moment ago; a build is about 10 MB.
const BUILDS: usize = 4;

/// The folder beside cargo's own results where they lie.
pub(super) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Makes `dist` the build of these sources, if one is here and whole.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn take(&self, stamp: &Stamp, dist: &Path) -> Result<bool> {
        let build = self.folder.join(stamp.name());
        if !stamp.is_kept(&build) {
            return Ok(false);
        }
        remove(dist)?;
        copy(&build, dist)?;
        Ok(true)
    }

    /// Where a build of these sources lies; what `dist` is, if it was not kept yet.
    ///
    /// # Errors
    /// When `dist` is something else, or a file cannot be written.
    pub(super) fn keep(&self, stamp: &Stamp, dist: &Path) -> Result<PathBuf> {
        let build = self.folder.join(stamp.name());
        if !stamp.is_kept(&build) {
            ensure!(
                stamp.is_kept(dist),
                "{} is not the web build of these sources",
                dist.display()
            );
            self.put(stamp, dist)?;
        }
        Ok(build)
    }

    /// Keeps `dist`, and lets go of the oldest.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn put(&self, stamp: &Stamp, dist: &Path) -> Result<()> {
        let build = self.folder.join(stamp.name());
        // Whole or not at all: another clone may be looking.
        let coming = self.folder.join(format!("coming-{}", std::process::id()));
        remove(&coming)?;
        copy(dist, &coming)?;
        remove(&build)?;
        fs::rename(&coming, &build)?;
        let mut builds = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let made = fs::metadata(&path)?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            builds.push((made, path));
        }
        builds.sort();
        let old = builds.len().saturating_sub(BUILDS);
        builds.iter().take(old).try_for_each(|(_, path)| remove(path))
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in folder::files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        let parent = target.parent().context("a file without a folder")?;
        fs::create_dir_all(parent)?;
        fs::copy(&file, &target).with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Profile;
    use super::*;

    fn stamp(sources: u64) -> Stamp {
        Stamp::new(sources, Profile::Release)
    }

    fn built(root: &Path, page: &str, stamp: &Stamp) -> PathBuf {
        let dist = root.join("dist");
        remove(&dist).unwrap();
        fs::create_dir_all(dist.join("deep")).unwrap();
        fs::write(dist.join("deep/index.html"), page).unwrap();
        stamp.keep(&dist).unwrap();
        dist
    }

    #[test]
    fn another_clone_takes_the_build_of_the_same_sources_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(root.path().join("web"));
        let dist = built(root.path(), "page", &stamp(1));
        shelf.put(&stamp(1), &dist).unwrap();
        let other = root.path().join("other/dist");
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join("stale.js"), "").unwrap();
        assert!(!shelf.take(&stamp(2), &other).unwrap());
        assert!(shelf.take(&stamp(1), &other).unwrap());
        assert_eq!(fs::read_to_string(other.join("deep/index.html")).unwrap(), "page");
        assert!(!other.join("stale.js").exists());
        assert!(stamp(1).is_kept(&other));
    }

    #[test]
    fn what_is_asked_for_by_its_place_is_there_and_whole() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(root.path().join("web"));
        let dist = built(root.path(), "page", &stamp(1));
        assert!(shelf.keep(&stamp(2), &dist).is_err(), "of other sources");
        let kept = shelf.keep(&stamp(1), &dist).unwrap();
        fs::remove_file(kept.join("deep/index.html")).unwrap();
        assert_eq!(shelf.keep(&stamp(1), &dist).unwrap(), kept);
        assert!(stamp(1).is_kept(&kept));
        remove(&dist).unwrap();
        assert_eq!(shelf.keep(&stamp(1), &dist).unwrap(), kept, "made before");
    }

    #[test]
    fn a_build_that_was_damaged_on_the_shelf_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(root.path().join("web"));
        let dist = built(root.path(), "page", &stamp(1));
        shelf.put(&stamp(1), &dist).unwrap();
        fs::remove_file(
            root.path()
                .join("web")
                .join(stamp(1).name())
                .join("deep/index.html"),
        )
        .unwrap();
        assert!(!shelf.take(&stamp(1), &dist).unwrap());
    }

    #[test]
    fn only_the_newest_stay() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(root.path().join("web"));
        for sources in 0..BUILDS as u64 + 2 {
            let dist = built(root.path(), "page", &stamp(sources));
            shelf.put(&stamp(sources), &dist).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(fs::read_dir(root.path().join("web")).unwrap().count(), BUILDS);
        let dist = root.path().join("dist");
        assert!(!shelf.take(&stamp(0), &dist).unwrap());
        assert!(shelf.take(&stamp(BUILDS as u64 + 1), &dist).unwrap());
    }
}
