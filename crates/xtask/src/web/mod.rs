//! The web build: trunk, then what makes its output fit for a strict content security policy and a slow line.
//! It does not serve anything; the relay does.

mod budget;
mod compress;
mod embed;
pub(crate) mod folder;
mod reload;
mod shelf;
mod stamp;
mod start_script;
mod styles;
mod wasm_imports;
mod worker;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::tools;

pub(crate) use budget::Sizes;
use shelf::Shelf;
use stamp::Stamp;

/// How much work goes into the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What people get: optimised, compressed, measured against the budget.
    Release,
    /// What a developer looks at a second after saving.
    Dev,
}

impl Profile {
    pub(crate) fn from_dev_flag(dev: bool) -> Self {
        if dev { Self::Dev } else { Self::Release }
    }

    /// What trunk tells its hooks.
    pub(crate) fn from_trunk() -> Self {
        Self::from_dev_flag(env::var("TRUNK_PROFILE").is_ok_and(|profile| profile == "debug"))
    }

    /// trunk's arguments: the cargo profiles are in the root Cargo.toml.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Release => &["--release", "--cargo-profile", "wasm-release"],
            Self::Dev => &["--cargo-profile", "wasm-dev"],
        }
    }
}

/// Builds `dist/`, unless it is the build of the same sources already, or one was made in another clone.
///
/// # Errors
/// When a compiler, trunk or a check of [`finish`] fails.
pub(crate) fn build(context: &Context, profile: Profile) -> Result<()> {
    build_beside(context, profile, || Ok(())).map(drop)
}

/// As [`build`]. Where it takes minutes, `meanwhile` is called once they begin, and what it gave is given back.
///
/// # Errors
/// As [`build`], and those of `meanwhile`.
pub(crate) fn build_beside<T>(
    context: &Context,
    profile: Profile,
    meanwhile: impl FnOnce() -> Result<T>,
) -> Result<Option<T>> {
    let compiler = tools::wasm_cargo(context, "rustc")?.arg("--version").output()?;
    let (stamp, dist) = (Stamp::of_sources(context, profile, &compiler)?, context.dist());
    let shelf = shelf(context);
    if stamp.is_kept(&dist) {
        println!("web: dist/ is the build of these sources");
        return Ok(None);
    }
    if shelf.take(&stamp, &dist)? {
        println!("web: dist/ is the build of these sources, made before");
        return Ok(None);
    }
    let beside = meanwhile()?;
    trunk(context, "build", profile)?.run()?;
    stamp.keep(&dist)?;
    shelf.put(&stamp, &dist)?;
    Ok(Some(beside))
}

/// Where the finished build that `dist/` is lies for all clones of the same sources: whatever has it inside is the same
/// in each.
///
/// # Errors
/// When `dist/` is no finished build to ship, or cannot be kept.
pub(crate) fn shelved(context: &Context) -> Result<PathBuf> {
    let dist = context.dist();
    let stamp = Stamp::of_build(&dist).filter(|stamp| stamp.is_to_ship());
    let stamp = stamp.with_context(|| format!("{} is no finished web build", dist.display()))?;
    shelf(context).keep(&stamp, &dist)
}

fn shelf(context: &Context) -> Shelf {
    Shelf::new(context.target.join("web"))
}

/// trunk, rebuilding whenever a source changes; open pages reload themselves then.
///
/// # Errors
/// When no toolchain compiles for wasm.
pub(crate) fn watch(context: &Context) -> Result<crate::command::Cmd> {
    let mut watch = trunk(context, "watch", Profile::Dev)?;
    watch.env(reload::VARIABLE, "1");
    Ok(watch)
}

/// trunk, with this program as the hook that finishes each build.
///
/// # Errors
/// When no toolchain compiles for wasm.
fn trunk(context: &Context, verb: &str, profile: Profile) -> Result<crate::command::Cmd> {
    let mut trunk = tools::wasm_cargo(context, "trunk")?;
    trunk.arg(verb).args(profile.arguments());
    trunk.env(
        "MANYHANDS_XTASK",
        env::current_exe().context("the path of this program")?,
    );
    // trunk reads NO_COLOR as a flag that must be `true` or `false`; other tools mean any value by it.
    trunk.env_remove("NO_COLOR");
    Ok(trunk)
}

/// Makes a folder that trunk wrote fit to be served, and checks it.
///
/// # Errors
/// When a wasm file would not load in a browser, or the first load is over its budget.
pub(crate) fn finish(dist: &Path, profile: Profile) -> Result<()> {
    let page = dist.join("index.html");
    let html = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let split = start_script::split(&html);
    for (name, script) in &split.scripts {
        fs::write(dist.join(name), script)?;
    }
    fs::write(&page, styles::join(dist, &split.html)?)?;
    if reload::wanted() {
        reload::add(dist)?;
    }
    worker::rename(dist)?;
    embed::publish(dist)?;
    for file in folder::files(dist)? {
        if file.extension().is_some_and(|end| end == "wasm") {
            wasm_imports::check(&file)?;
        }
    }
    if profile == Profile::Release {
        compress::all(dist)?;
        let sizes = Sizes::measure(dist)?;
        println!("{sizes}");
        sizes.check()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_finished_folder_has_no_inline_script_and_a_compressed_twin_of_each_asset() {
        let dist = tempfile::tempdir().unwrap();
        let page =
            r#"<!DOCTYPE html><html><head></head><body><script type="module">go();</script></body></html>"#;
        fs::write(dist.path().join("index.html"), page).unwrap();
        fs::write(dist.path().join("style.css"), "body{margin:0}".repeat(100)).unwrap();
        finish(dist.path(), Profile::Release).unwrap();
        let names: Vec<String> = folder::files(dist.path())
            .unwrap()
            .iter()
            .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert!(
            names
                .iter()
                .any(|name| name.starts_with("start-") && name.ends_with(".js")),
            "{names:?}"
        );
        assert!(names.contains(&"style.css.br".to_owned()), "{names:?}");
        assert!(
            !fs::read_to_string(dist.path().join("index.html"))
                .unwrap()
                .contains("go();")
        );
    }
}
