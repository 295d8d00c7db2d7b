//! `cargo xtask`: set-up, serve, test, CI and benchmarks, each in one command.
//! It does not build anything itself: it puts the right tools in place and calls them in the right order.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on the terminal"
)]

mod announce;
mod bench;
mod beside;
mod ci;
mod command;
mod context;
mod first_command;
mod lockfile;
mod models;
mod relay;
mod report;
mod serve;
mod setup;
mod suites;
mod system;
mod takeover;
mod tools;
mod verdicts;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::context::Context;
use crate::tools::Purpose;

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
    /// Compile what the relay is made of, without the app inside; `serve` does so beside the web build.
    #[command(hide = true)]
    BuildRelayParts,
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
    /// The benchmarks, as tables, kept in BENCHMARKS.md.
    Bench(bench::Options),
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
    let result = match task {
        Task::Setup => return setup::run(&context, Purpose::Testing),
        Task::Serve(options) => return serve::run(&context, options),
        // Those that this program starts itself, in the midst of a build.
        Task::BuildRelayParts => return relay::build_parts(&context),
        Task::Announce { invite } => return serve::announce(&context, &invite),
        Task::FinishDist { folder } => return web::finish(&folder, web::Profile::from_trunk()),

        Task::BuildWeb { dev } => setup::run(&context, Purpose::Building)
            .and_then(|()| web::build(&context, web::Profile::from_dev_flag(dev))),
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
        Task::Bench(options) => bench::run(&context, &options),
    };
    built(&context);
    result
}

/// To be called when nothing more is built. That it does not work is no failure: another clone compiles more then.
fn built(context: &Context) {
    if let Err(error) = takeover::keep(context) {
        eprintln!("note: another clone will compile everything anew: {error:#}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    /// Pages that tell people what to type.
    const PAGES: [&str; 3] = ["README.md", "CONTRIBUTING.md", "deploy/README.md"];

    #[test]
    fn every_command_that_the_pages_name_is_one_that_this_program_takes() {
        let root = Path::new("../..");
        let mut seen = 0;
        for page in PAGES {
            let text = std::fs::read_to_string(root.join(page)).unwrap();
            for command in text
                .split(['`', '\n'])
                .filter(|part| part.starts_with("cargo xtask "))
            {
                let command = command.split(['#', '&']).next().unwrap();
                let words = command.split_whitespace().skip(1);
                if let Err(error) = Arguments::try_parse_from(words) {
                    panic!("{page}: {command}: {error}");
                }
                seen += 1;
            }
        }
        assert!(seen >= 5, "only {seen} commands found");
    }
}
