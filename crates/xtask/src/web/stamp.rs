//! What the last web build was made from, so that a build of the same is not made again: trunk binds, optimises and
//! compresses anew each time, a minute on a small machine.
//! It does not decide what cargo compiles; cargo does, when trunk runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::start_script::fnv1a;
use super::{Profile, folder};
use crate::context::Context;

/// Everything that the page and the worker are made of; what these import is pinned by Cargo.lock.
const SOURCES: [&str; 10] = [
    // Which wasm-opt.
    "playwright/package-lock.json",
    "index.html",
    "Trunk.toml",
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
    "public",
    "app",
    "node-wasm",
    "crates",
];

/// The sources and the result of a build, as one line.
pub(crate) struct Stamp {
    sources: u64,
    profile: Profile,
}

impl Stamp {
    /// Reads all sources; `toolchain` is whatever else the result depends on.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub(crate) fn of_sources(context: &Context, profile: Profile, toolchain: &str) -> Result<Self> {
        let mut hash = fnv1a(toolchain.as_bytes());
        for source in SOURCES {
            let path = context.root.join(source);
            for file in if path.is_dir() {
                folder::files(&path)?
            } else {
                vec![path]
            } {
                if is_for_tests(file.strip_prefix(&context.root).unwrap_or(&file)) {
                    continue;
                }
                let name = name_below(&context.root, &file);
                hash = fnv1a(
                    &[
                        hash.to_le_bytes(),
                        name.to_le_bytes(),
                        fnv1a(&fs::read(&file)?).to_le_bytes(),
                    ]
                    .concat(),
                );
            }
        }
        Ok(Self {
            sources: hash,
            profile,
        })
    }

    /// What a finished build says that it was made from.
    pub(crate) fn of_build(dist: &Path) -> Option<Self> {
        let kept = fs::read_to_string(file(dist)).ok()?;
        let mut words = kept.split(' ');
        let (word, sources) = (words.next()?, words.next()?);
        let mut profiles = [Profile::Release, Profile::Dev].into_iter();
        let profile = profiles.find(|profile| format!("{profile:?}") == word)?;
        let sources = u64::from_str_radix(sources, 16).ok()?;
        let stamp = Self { sources, profile };
        stamp.is_kept(dist).then_some(stamp)
    }

    pub(crate) fn is_to_ship(&self) -> bool {
        self.profile == Profile::Release
    }

    #[cfg(test)]
    pub(super) fn new(sources: u64, profile: Profile) -> Self {
        Self { sources, profile }
    }

    /// Whether `dist` is, file by file, what a build of these sources left there.
    pub(crate) fn is_kept(&self, dist: &Path) -> bool {
        let kept = fs::read_to_string(file(dist)).unwrap_or_default();
        self.line(dist).is_ok_and(|line| line == kept)
    }

    /// Notes that `dist` is the build of these sources.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub(crate) fn keep(&self, dist: &Path) -> Result<()> {
        Ok(fs::write(file(dist), self.line(dist)?)?)
    }

    /// What to call a build of these sources.
    pub(crate) fn name(&self) -> String {
        format!("{:?}-{:016x}", self.profile, self.sources)
    }

    fn line(&self, dist: &Path) -> Result<String> {
        let mut built = 0;
        for path in folder::files(dist)?.iter().filter(|path| **path != file(dist)) {
            let name = name_below(dist, path);
            built = fnv1a(
                &[
                    u64::to_le_bytes(built),
                    name.to_le_bytes(),
                    fs::metadata(path)?.len().to_le_bytes(),
                ]
                .concat(),
            );
        }
        Ok(format!("{:?} {:016x} {built:016x}", self.profile, self.sources))
    }
}

/// What no build for the browser reads.
fn is_for_tests(path: &Path) -> bool {
    const FOLDERS: [&str; 3] = ["tests", "fuzz", "adr"];
    path.components()
        .any(|part| FOLDERS.iter().any(|name| part.as_os_str() == *name))
}

/// Where a file lies does not matter, only what it is called there: another clone makes the same build.
fn name_below(folder: &Path, file: &Path) -> u64 {
    fnv1a(
        file.strip_prefix(folder)
            .unwrap_or(file)
            .to_string_lossy()
            .as_bytes(),
    )
}

/// Beside the files it speaks of, under a name that the relay does not serve.
fn file(dist: &Path) -> PathBuf {
    dist.join(".stamp")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_build_is_kept_until_its_sources_its_profile_or_its_files_change() {
        let dist = tempfile::tempdir().unwrap();
        fs::write(dist.path().join("index.html"), "page").unwrap();
        let stamp = Stamp::new;
        assert!(!stamp(1, Profile::Release).is_kept(dist.path()));
        stamp(1, Profile::Release).keep(dist.path()).unwrap();
        assert!(stamp(1, Profile::Release).is_kept(dist.path()));
        assert!(!stamp(2, Profile::Release).is_kept(dist.path()));
        assert!(!stamp(1, Profile::Dev).is_kept(dist.path()));
        let said = Stamp::of_build(dist.path()).unwrap();
        assert_eq!(said.name(), stamp(1, Profile::Release).name());
        assert!(said.is_to_ship());
        fs::write(dist.path().join("more.js"), "").unwrap();
        assert!(!stamp(1, Profile::Release).is_kept(dist.path()));
        assert!(Stamp::of_build(dist.path()).is_none());
    }

    #[test]
    fn a_test_is_no_source_and_what_tests_look_at_is_one() {
        assert!(is_for_tests(Path::new("crates/engine/tests/memory.rs")));
        assert!(is_for_tests(Path::new("crates/gguf/fuzz/corpus/header/1")));
        assert!(!is_for_tests(Path::new("crates/engine/src/latest/tests.rs")));
    }

    #[test]
    fn no_folder_at_all_is_not_a_build() {
        assert!(!Stamp::new(1, Profile::Dev).is_kept(Path::new("no such folder")));
    }
}
