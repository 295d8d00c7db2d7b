//! System packages and programs: what the machine has, and how it gets what is missing.
//! It never changes anything without being root; then it says the command to run instead.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::context::Context;

/// The first of `names` that is a file on the path that child processes get.
pub(crate) fn which(context: &Context, names: &[&str]) -> Option<PathBuf> {
    let path = context.path();
    names.iter().find_map(|name| {
        env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    })
}

/// Installs Debian packages.
///
/// # Errors
/// When there is no apt-get, when this is not root (the message is the command to run), or when apt-get fails.
pub(crate) fn apt_install(context: &Context, packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if which(context, &["apt-get"]).is_none() {
        bail!("this system has no apt-get: install what matches the Debian packages {list}, then try again");
    }
    if !is_root(context) {
        bail!(
            "this needs root; run: sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}"
        );
    }
    let install = || {
        let mut cmd = context.command("apt-get");
        cmd.args(["install", "-y", "-q", "--no-install-recommends"])
            .args(packages);
        cmd.env("DEBIAN_FRONTEND", "noninteractive").output()
    };
    // The package lists of a fresh machine are missing or stale: only then are they worth the seconds.
    if install().is_err() {
        context.command("apt-get").args(["update", "-q"]).output()?;
        install()?;
    }
    Ok(())
}

/// Whether system folders can be written.
pub(crate) fn is_root(context: &Context) -> bool {
    context
        .command("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.trim() == "0")
}
