//! The Node packages of one folder, exactly as its lock file says: test runner, axe, wasm-opt.
//! It does not download browsers, and runs no package's install script.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::Tool;
use crate::context::Context;

/// What `npm ci` installs in a folder.
pub(crate) struct NodePackages {
    name: &'static str,
    folder: PathBuf,
}

impl NodePackages {
    pub(crate) fn new(name: &'static str, folder: PathBuf) -> Self {
        Self { name, folder }
    }

    /// A copy of the lock file, left behind by the last install: it says what is installed.
    fn stamp(&self) -> PathBuf {
        self.folder.join("node_modules/.installed-lock")
    }

    fn lock(&self) -> PathBuf {
        self.folder.join("package-lock.json")
    }
}

impl Tool for NodePackages {
    fn name(&self) -> &'static str {
        self.name
    }

    fn plan(&self) -> String {
        format!("npm ci in {}", self.folder.display())
    }

    fn check(&self, _: &Context) -> Result<Option<String>> {
        let lock = fs::read(self.lock()).with_context(|| format!("cannot read {}", self.lock().display()))?;
        let installed = fs::read(self.stamp()).unwrap_or_default();
        Ok((lock == installed).then(|| "as locked".to_owned()))
    }

    fn install(&self, context: &Context) -> Result<()> {
        let mut npm = context.command("npm");
        npm.args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
        ]);
        npm.folder(&self.folder).run()?;
        fs::copy(self.lock(), self.stamp())?;
        Ok(())
    }
}
