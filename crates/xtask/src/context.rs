//! Where things are: the repository, the cache, the target folder, and the environment that child processes get.
//! It does not run anything.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::Cmd;

/// The toolchain that the set-up links when the default one cannot compile for wasm.
pub(crate) const LINKED_TOOLCHAIN: &str = "manyhands-wasm";

/// Paths that every task needs.
pub(crate) struct Context {
    /// The repository.
    pub(crate) root: PathBuf,
    /// What survives a clone: tools that are not cargo's.
    pub(crate) cache: PathBuf,
    /// Where child cargo processes build. Outside the clone, so that a second clone reuses compiled dependencies.
    pub(crate) target: PathBuf,
    cargo_home: PathBuf,
}

impl Context {
    /// Reads the environment.
    ///
    /// # Errors
    /// Outside the repository, or when there is no home folder to put the cache in.
    pub(crate) fn find() -> Result<Self> {
        // Not the path that this program was compiled in: another clone may have left it where it was found.
        let root = env::current_dir()?
            .ancestors()
            .find(|folder| folder.join("crates/xtask/Cargo.toml").is_file())
            .context("this is not in the repository: go there first")?
            .to_path_buf();
        let home = env::home_dir().context("no home folder: set HOME")?;
        let cache = absolute_variable("XDG_CACHE_HOME")
            .unwrap_or_else(|| home.join(".cache"))
            .join("manyhands");
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(set) => root.join(set),
            None => cache.join("target"),
        };
        let cargo_home = absolute_variable("CARGO_HOME").unwrap_or_else(|| home.join(".cargo"));
        Ok(Self {
            root,
            cache,
            target,
            cargo_home,
        })
    }

    /// Where Node.js goes when the system has none that is new enough.
    pub(crate) fn node_folder(&self) -> PathBuf {
        self.cache.join("node")
    }

    /// The package of the browser tests, which also brings wasm-opt.
    pub(crate) fn playwright(&self) -> PathBuf {
        self.root.join("playwright")
    }

    /// The built web app.
    pub(crate) fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// Any program, in the repository, with the tools that the set-up installed on its path.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Cmd {
        let mut cmd = Cmd::new(program, &self.root);
        cmd.env("PATH", self.path()).env("CARGO_TARGET_DIR", &self.target);
        // What `cargo run` told this process about itself would reach build scripts and make them run again.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if is_about_this_run(&name) {
                cmd.env_remove(&*name);
            }
        }
        cmd
    }

    /// Native cargo: the toolchain that the caller chose.
    pub(crate) fn cargo(&self) -> Cmd {
        self.command("cargo")
    }

    /// The path with the tools of the set-up, first found first.
    pub(crate) fn path(&self) -> OsString {
        let own = [
            self.playwright().join("node_modules/.bin"),
            self.cargo_home.join("bin"),
        ];
        let system = env::var_os("PATH").unwrap_or_default();
        // Node.js of the set-up comes before the system's: it is only there when the system's is too old.
        let all = own
            .into_iter()
            .chain([self.node_folder().join("bin")])
            .chain(env::split_paths(&system));
        env::join_paths(all).unwrap_or(system)
    }
}

fn absolute_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

fn is_about_this_run(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    const NAMES: [&str; 4] = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "LD_LIBRARY_PATH",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::is_about_this_run;

    #[test]
    fn what_cargo_says_about_this_run_is_not_handed_on_but_settings_are() {
        for (name, own) in [
            ("CARGO_PKG_NAME", true),
            ("CARGO_MANIFEST_DIR", true),
            ("CARGO", true),
            ("CARGO_HOME", false),
            ("CARGO_TARGET_DIR", false),
            ("CARGO_NET_OFFLINE", false),
            ("CARGO_PROFILE_DEV_DEBUG", false),
        ] {
            assert_eq!(is_about_this_run(name), own, "{name}");
        }
    }
}
