//! Two clones share one target folder, where cargo tells old from new by the time of a change alone: the sources of a
//! clone that was built yesterday look older than what another clone left there today, and would not be compiled.
//! It does not look at what changed: whoever builds after another clone compiles the workspace's own packages anew.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::web::folder;

/// Where the workspace's packages are.
const MEMBERS: [&str; 5] = ["app", "crates", "node-wasm", "relay", "tests"];

/// Says who built last.
const NOTE: &str = "built-from";

/// Makes this clone the one whose sources the target folder is the build of.
///
/// # Errors
/// When the note cannot be written, or a source's time cannot be set.
pub(crate) fn run(context: &Context) -> Result<()> {
    let note = context.target.join(NOTE);
    let root = context.root.to_string_lossy();
    if fs::read_to_string(&note).is_ok_and(|last| last == root) {
        return Ok(());
    }
    for member in MEMBERS {
        renew(&context.root.join(member))?;
    }
    fs::create_dir_all(&context.target)?;
    fs::write(&note, root.as_bytes()).with_context(|| format!("cannot write {}", note.display()))
}

/// Sets the time of every file there to now.
fn renew(folder: &Path) -> Result<()> {
    let now = SystemTime::now();
    for path in folder::files(folder)? {
        File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(now))
            .with_context(|| format!("cannot set the time of {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sources_look_new_and_keep_what_is_in_them() {
        let clone = tempfile::tempdir().unwrap();
        let path = clone.path().join("lib.rs");
        fs::write(&path, "//! A crate.").unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        renew(clone.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "//! A crate.");
        let age = fs::metadata(&path)
            .unwrap()
            .modified()
            .unwrap()
            .elapsed()
            .unwrap();
        assert!(age.as_secs() < 60, "{age:?}");
    }
}
