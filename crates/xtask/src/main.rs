//! `cargo xtask`: set-up, serve, test, CI and benchmarks, each in one command.
//! It does not build anything itself: it puts the right tools in place and calls them in the right order.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on the terminal"
)]

mod announce;
mod bench;
mod ci;
mod command;
mod context;
mod lockfile;
mod models;
mod relay;
mod report;
mod serve;
mod setup;
mod suites;
mod system;
mod tools;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::context::Context;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Everything that is done to this repository, in one command each."
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Bring every missing tool in place; does nothing when nothing is missing.
    Setup,
    /// Build the app and the relay, then run the relay with the app in it.
    Serve(serve::Options),
    /// Build the web app into dist/.
    BuildWeb {
        /// A debug build: quick to make, larger, not compressed.
        #[arg(long)]
        dev: bool,
    },
    /// What stands behind the relay in `serve`: adds plain words to its ready line.
    #[command(hide = true)]
    Announce {
        /// The command that prints an invite, where phones are to be invited.
        #[arg(last = true)]
        invite: Vec<String>,
    },
    /// What trunk calls after each build: make the folder fit for a strict content security policy.
    #[command(hide = true)]
    FinishDist { folder: PathBuf },
    /// Every test: native, simulated, wasm, browser.
    Test {
        /// Leave the browser tests out.
        #[arg(long)]
        no_browser: bool,
        /// Run the browser tests alone; what follows `--` goes to Playwright.
        #[arg(long, conflicts_with = "no_browser")]
        browser: bool,
        #[arg(last = true)]
        playwright: Vec<String>,
    },
    /// What CI runs, cheapest first.
    Ci,
    /// The benchmarks, as a table.
    Bench {
        /// Also write the figures to this file.
        #[arg(long)]
        json: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let context = Context::find()?;
    match task {
        Task::Setup => setup::run(&context),
        Task::Serve(options) => serve::run(&context, options),
        Task::BuildWeb { dev } => {
            setup::run(&context)?;
            web::build(&context, web::Profile::from_dev_flag(dev))
        }
        Task::Announce { invite } => serve::announce(&context, &invite),
        Task::FinishDist { folder } => web::finish(&folder, web::Profile::from_trunk()),
        Task::Test {
            no_browser,
            browser,
            playwright,
        } => suites::run(
            &context,
            suites::Choice {
                native: !browser,
                browser: !no_browser,
                playwright,
            },
        ),
        Task::Ci => ci::run(&context),
        Task::Bench { json } => bench::run(&context, json.as_deref()),
    }
}
