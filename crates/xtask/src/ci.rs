//! `cargo xtask ci`: everything a change must pass, cheapest first, ending in a table of times.
//! It does not publish or change anything; the tree must be as clean after it as before.

use anyhow::{Result, ensure};

use crate::beside::Beside;
use crate::context::Context;
use crate::report::{Counts, Steps};
use crate::suites::{self, Choice};
use crate::tools::Purpose;
use crate::{first_command, setup, tools};

/// What is compiled for the browser. Only the named ones are looked at, not what they depend on.
const BROWSER_PACKAGES: [&str; 5] = ["app", "node-wasm", "compute", "sdk", "webrtc-p2p"];

/// Runs every step and prints the table, also when a step failed.
///
/// # Errors
/// Those of the first step that fails.
pub(crate) fn run(context: &Context) -> Result<()> {
    let mut steps = Steps::default();
    let result = all(context, &mut steps);
    steps.print();
    result
}

fn all(context: &Context, steps: &mut Steps) -> Result<()> {
    let before = uncommitted(context)?;
    step(steps, "set-up", || setup::run(context, Purpose::Testing))?;
    // Its end is one long link on one core, which the steps that use all cores do not wait for.
    let web = Beside::task(context, "build-web")?;
    step(steps, "format", || {
        context.cargo().args(["fmt", "--all", "--check"]).run()
    })?;
    step(steps, "clippy, native", || {
        context
            .cargo()
            .args(["clippy", "--locked", "--workspace", "--all-targets"])
            .args(DENY)
            .run()
    })?;
    step(steps, "clippy, wasm", || {
        let mut cargo = tools::wasm_cargo(context, "cargo")?;
        cargo.args(["clippy", "--locked", "--target", "wasm32-unknown-unknown"]);
        cargo
            .args(BROWSER_PACKAGES.iter().flat_map(|package| ["--package", package]))
            .args(DENY)
            .run()
    })?;
    dependencies(context, steps)?;
    steps.run("rules of the house", || {
        // Of the whole workspace, as the native tests are: another choice of packages compiles dependencies anew.
        suites::native(context, &["--workspace", "--test", "architecture"])
    })?;
    step(steps, "types of the browser tests", || {
        let tsc = context.playwright().join("node_modules/.bin/tsc");
        context
            .command(tsc)
            .args(["--noEmit", "--project", "."])
            .folder(&context.playwright())
            .run()
    })?;
    let suites = |native| Choice {
        native,
        browser: !native,
        playwright: Vec::new(),
    };
    suites::all(context, &suites(true), steps)?;
    step(steps, "web build, the rest of it", || web.wait())?;
    suites::all(context, &suites(false), steps)?;
    step(steps, "the first command", || first_command::run(context))?;
    step(steps, "tree clean", || {
        let after = uncommitted(context)?;
        ensure!(after == before, "this run changed the tree:\n{after}");
        Ok(())
    })
}

/// What the dependencies may be. What is known against them stands in a database that not every machine reaches.
fn dependencies(context: &Context, steps: &mut Steps) -> Result<()> {
    const LICENCES: &str = "licences and sources";
    const ADVISORIES: &str = "advisories";
    let deny = |arguments: &[&str]| {
        let mut cargo = context.cargo();
        cargo.args(["deny", "--all-features", "--config", ".deny.toml"]);
        cargo.args(arguments);
        cargo
    };
    if !deny(&["--version"]).succeeds() {
        steps.left_out(LICENCES, "cargo-deny is not installed");
        steps.left_out(ADVISORIES, "cargo-deny is not installed");
        return Ok(());
    }
    step(steps, LICENCES, || {
        deny(&["check", "bans", "licenses", "sources"]).run()
    })?;
    if !deny(&["fetch", "db"]).succeeds() {
        steps.left_out(ADVISORIES, "their database cannot be reached");
        return Ok(());
    }
    step(steps, ADVISORIES, || deny(&["check", "advisories"]).run())
}

const DENY: [&str; 3] = ["--", "-D", "warnings"];

fn step(steps: &mut Steps, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    steps.run(name, || work().map(|()| Counts::default()))
}

fn uncommitted(context: &Context) -> Result<String> {
    context.command("git").args(["status", "--porcelain"]).output()
}
