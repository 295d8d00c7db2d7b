//! `cargo xtask test`: every test there is, native and in the browser.
//! It does not look at style; `cargo xtask ci` does, and then runs the same suites.

use std::ffi::OsStr;
use std::thread;

use anyhow::{Context as _, Result};

use crate::beside::Beside;
use crate::command::Cmd;
use crate::context::Context;
use crate::relay::{self, Build};
use crate::report::{Counts, Steps};
use crate::tools::Purpose;
use crate::web::{self, Profile};
use crate::{setup, tools, verdicts};

/// Which suites to run.
pub(crate) struct Choice {
    pub(crate) native: bool,
    pub(crate) browser: bool,
    /// Arguments for Playwright.
    pub(crate) playwright: Vec<String>,
}

/// Set-up, then the chosen suites, then the sum.
///
/// # Errors
/// When a test fails or cannot be run.
pub(crate) fn run(context: &Context, choice: Choice) -> Result<()> {
    setup::run(context, Purpose::Testing)?;
    let mut steps = Steps::default();
    let result = all(context, &choice, &mut steps);
    steps.print();
    result
}

/// The chosen suites as steps.
///
/// # Errors
/// Those of the first step that fails.
pub(crate) fn all(context: &Context, choice: &Choice, steps: &mut Steps) -> Result<()> {
    if choice.native {
        steps.run("native tests", || native(context, &[]))?;
        steps.run("forged models on wasm32", || verdicts::compare(context))?;
    }
    if choice.browser {
        steps.run("web build", || {
            web::build(context, Profile::Release).map(|()| Counts::default())
        })?;
        // Whoever names specs wants those alone, not after all that runs before them in a whole run.
        if !choice.playwright.is_empty() {
            let named = [&["--no-deps".to_owned()], choice.playwright.as_slice()].concat();
            return steps.run("browser tests", || browser(context, &named));
        }
        let interop = Beside::start(context, "interop", interop(context)?)?;
        steps.run("browser tests", || browser(context, UNTIMED))?;
        steps.run("interop, the rest of it", || interop_counts(interop))?;
        // They read a clock: alone, after everything else.
        steps.run("browser tests, timed", || browser(context, TIMED))?;
    }
    Ok(())
}

/// All tests but those that read a clock, and those.
const UNTIMED: &[&str] = &["--grep-invert=@timed"];
const TIMED: &[&str] = &["--project=timed", "--no-deps"];

/// The native tests, of the whole workspace or of what `chosen` says, by nextest where it is installed.
///
/// # Errors
/// When they do not compile, or fail without a count.
pub(crate) fn native(context: &Context, chosen: &[&str]) -> Result<Counts> {
    let mut cargo = context.cargo();
    if context.command("cargo").args(["nextest", "--version"]).succeeds() {
        cargo.args([
            "nextest",
            "run",
            "--no-fail-fast",
            "--no-tests=pass",
            "--status-level=fail",
        ]);
        cargo.arg("--cargo-quiet");
        // Tests of the relay and of sessions mostly wait: for a clock, a process, an answer.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        cargo.arg(format!("--test-threads={}", 2 * cores));
    } else {
        cargo.args(["test", "--quiet", "--no-fail-fast"]);
    }
    let scope: &[&str] = if chosen.is_empty() {
        &["--workspace"]
    } else {
        chosen
    };
    verdict(&mut cargo.arg("--locked").args(scope).tee()?, "native tests")
}

/// The browser tests: the real relay, the real app, a real browser.
///
/// # Errors
/// When something cannot be built, there is no browser, or a test fails without a count.
fn browser<S: AsRef<OsStr>>(context: &Context, arguments: &[S]) -> Result<Counts> {
    let mut playwright = playwright(context, Build::Debug)?;
    playwright.arg("test").args(arguments);
    verdict(&mut playwright.tee()?, "browser tests")
}

/// Playwright with the programs that its tests start, built so.
///
/// # Errors
/// When something cannot be built, or there is no browser.
pub(crate) fn playwright(context: &Context, build: Build) -> Result<Cmd> {
    let chromium = tools::find_chromium(context).context("no Chromium: run `cargo xtask setup`")?;
    let relay = relay::build(context, build)?;
    let generate = relay::engine_example(context, "generate", build)?;
    let mut playwright = context.command(context.playwright().join("node_modules/.bin/playwright"));
    playwright
        .folder(&context.playwright())
        .env("CHROMIUM", chromium)
        .env("MANYHANDS_RELAY_BIN", relay)
        .env("MANYHANDS_GENERATE_BIN", generate)
        .env("MANYHANDS_RELAY_APP", context.dist());
    Ok(playwright)
}

/// Our WebRTC transport against another implementation of the same protocol, in the browser and in Node.js.
///
/// It mostly waits, and runs beside what does not.
///
/// # Errors
/// When there is no browser.
fn interop(context: &Context) -> Result<Cmd> {
    let chromium = tools::find_chromium(context).context("no Chromium: run `cargo xtask setup`")?;
    let mut node = tools::wasm_cargo(context, "node")?;
    // What Node.js 20 lacks and js-libp2p needs: see `shim.mjs`.
    node.args([
        "--experimental-websocket",
        "--no-warnings",
        "--import",
        "./shim.mjs",
        "run.mjs",
    ])
    .folder(&context.playwright().join("interop"))
    .env("CHROMIUM", chromium)
    .env("PROFILE", "wasm-release");
    Ok(node)
}

/// # Errors
/// When it ended without a sum.
fn interop_counts(interop: Beside) -> Result<Counts> {
    let (success, output) = interop.end()?;
    let counts = Counts::read_last_line(&output)
        .context("the interop checks could not be run to the end; see above")?;
    anyhow::ensure!(
        success || counts.failed > 0,
        "the interop checks failed without saying which"
    );
    Ok(counts)
}

/// A runner that fails without naming a failed test did not run properly.
fn verdict((success, output): &mut (bool, String), what: &str) -> Result<Counts> {
    let counts = Counts::read(output);
    anyhow::ensure!(
        *success || counts.failed > 0,
        "{what} could not be run to the end; see above"
    );
    Ok(counts)
}
