//! The Node packages of one folder, exactly as its lock file says: test runner, axe, wasm-opt.
//! They lie in the cache, once for each lock file, and the folder has a link to them: a fresh clone finds them there.
//! It does not download browsers, and runs no package's install script.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::Tool;
use crate::context::Context;

/// What npm reads.
const ASKED: [&str; 2] = ["package.json", "package-lock.json"];
/// A clone that stands at an older lock file keeps its packages while few others came since.
const KEPT: usize = 4;

/// What `npm ci` installs for a folder.
pub(crate) struct NodePackages {
    name: &'static str,
    folder: PathBuf,
}

impl NodePackages {
    pub(crate) fn new(name: &'static str, folder: PathBuf) -> Self {
        Self { name, folder }
    }

    /// Where the packages of this lock file lie.
    fn shelf(&self, context: &Context) -> Result<PathBuf> {
        let mut hash = Sha256::new();
        for name in ASKED {
            let path = self.folder.join(name);
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            hash.update(Sha256::digest(bytes));
        }
        let name: String = hash
            .finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(shelves(context).join(name))
    }

    fn link(&self) -> PathBuf {
        self.folder.join("node_modules")
    }
}

impl Tool for NodePackages {
    fn name(&self) -> &'static str {
        self.name
    }

    fn plan(&self) -> String {
        format!("npm ci for {}", self.folder.display())
    }

    fn check(&self, context: &Context) -> Result<Option<String>> {
        let packages = self.shelf(context)?.join("node_modules");
        if !packages.is_dir() {
            return Ok(None);
        }
        if fs::read_link(self.link()).is_ok_and(|to| to == packages) {
            return Ok(Some("as locked".to_owned()));
        }
        // Another clone had them installed.
        clear(&self.link())?;
        symlink(&packages, self.link())?;
        Ok(Some("as locked, found in the cache".to_owned()))
    }

    fn install(&self, context: &Context) -> Result<()> {
        let shelf = self.shelf(context)?;
        // Under its name only when it is whole.
        let begun = shelf.with_extension("part");
        clear(&begun)?;
        fs::create_dir_all(&begun)?;
        for name in ASKED {
            fs::copy(self.folder.join(name), begun.join(name))?;
        }
        let mut npm = context.command("npm");
        npm.args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
        ]);
        npm.folder(&begun).run()?;
        clear(&shelf)?;
        fs::rename(&begun, &shelf)?;
        forget_all_but(&shelves(context), KEPT)
    }
}

fn shelves(context: &Context) -> PathBuf {
    context.cache.join("node-packages")
}

/// Removes what is there: a link, not what it leads to.
fn clear(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return Ok(()),
    }
    .with_context(|| format!("cannot remove {}", path.display()))
}

/// Removes all but the newest of those folders.
fn forget_all_but(shelves: &Path, kept: usize) -> Result<()> {
    let mut found = Vec::new();
    for shelf in fs::read_dir(shelves)? {
        let shelf = shelf?;
        found.push((shelf.metadata()?.modified()?, shelf.path()));
    }
    found.sort();
    found
        .iter()
        .rev()
        .skip(kept)
        .try_for_each(|(_, shelf)| clear(shelf))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_link_goes_and_what_it_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (packages, link) = (folder.path().join("packages"), folder.path().join("link"));
        fs::create_dir(&packages).unwrap();
        symlink(&packages, &link).unwrap();
        clear(&link).unwrap();
        assert!(packages.is_dir() && fs::symlink_metadata(&link).is_err());
        clear(&packages).unwrap();
        clear(&packages).unwrap();
        assert!(!packages.exists());
    }

    #[test]
    fn the_newest_stay() {
        let shelves = tempfile::tempdir().unwrap();
        for (age, name) in ["new", "middle", "old"].into_iter().enumerate() {
            let shelf = shelves.path().join(name);
            fs::create_dir(&shelf).unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(60 * age as u64);
            fs::File::open(&shelf).unwrap().set_modified(time).unwrap();
        }
        forget_all_but(shelves.path(), 2).unwrap();
        let left: Vec<bool> = ["new", "middle", "old"]
            .map(|name| shelves.path().join(name).exists())
            .into();
        assert_eq!(left, [true, true, false]);
    }
}
