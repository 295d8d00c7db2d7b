//! Builds the relay (with `dist/` inside) and the native programs that the browser tests compare with.
//! It does not build the web app, and does not start anything.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::context::Context;
use crate::web;

/// Tells the relay's build script which folder holds the app.
const APP: &str = "MANYHANDS_DIST";

/// Which of cargo's profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    Debug,
    Release,
}

impl Build {
    /// Of which packages cargo puts the features of the dependencies together. A debug build takes the whole
    /// workspace's and those that a test asks for, which makes cargo count the tests' own: then it uses what the tests
    /// have compiled. What ships has its own package's alone.
    fn arguments(self, package: &'static str) -> Vec<&'static str> {
        match self {
            Self::Debug => vec!["--workspace", "--test", "architecture"],
            Self::Release => vec!["--release", "--package", package],
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds the relay and gives its path. Released, it holds the app, whose web build must be there; otherwise it serves
/// the folder it is told to.
///
/// # Errors
/// When there is no web build, or cargo fails.
pub(crate) fn build(context: &Context, build: Build) -> Result<PathBuf> {
    let mut cargo = context.cargo();
    cargo
        .args(["build", "--locked", "--bin", "manyhands-relay"])
        .args(build.arguments("manyhands-relay"));
    if build == Build::Release && env::var_os(APP).is_none() {
        // Not this clone's `dist/`: another clone of the same sources then has nothing to compile.
        cargo.env(APP, web::shelved(context)?);
    }
    cargo.run()?;
    Ok(context.target.join(build.folder()).join("manyhands-relay"))
}

/// Compiles the relay as it ships, but without the app, which may not be built yet: what is left then is quick.
///
/// # Errors
/// When cargo fails.
pub(crate) fn build_parts(context: &Context) -> Result<()> {
    context
        .cargo()
        .args(["build", "--locked", "--bin", "manyhands-relay"])
        .args(Build::Release.arguments("manyhands-relay"))
        // A folder that is not there: an app half built would be looked through while it changes.
        .env(APP, context.target.join("no-app"))
        .run()
}

/// Builds one of the engine's examples and gives its path.
///
/// # Errors
/// When cargo fails.
pub(crate) fn engine_example(context: &Context, name: &str, build: Build) -> Result<PathBuf> {
    example(context, "engine", name, build)
}

/// Builds an example of one of our crates and gives its path.
///
/// # Errors
/// When cargo fails.
pub(crate) fn example(context: &Context, package: &'static str, name: &str, build: Build) -> Result<PathBuf> {
    let mut cargo = context.cargo();
    cargo
        .args(["build", "--locked", "--example", name])
        .args(build.arguments(package))
        .run()?;
    Ok(context.target.join(build.folder()).join("examples").join(name))
}
