//! What the README tells a newcomer to type: each must end in a relay that serves the app and a model.
//! It does not look at the page; the browser tests do. `cargo xtask ci` runs it.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::context::Context;

/// A way to serve, as the README has it.
struct Serve {
    typed: &'static str,
    /// Options before `--`.
    own: &'static [&'static str],
    /// Whether a model is named; else the welcome model is there.
    model: bool,
}

/// As long as the name that it replaces.
const OWN: &str = "A model of my own";

const SERVES: [Serve; 3] = [
    Serve {
        typed: "cargo xtask serve",
        own: &[],
        model: false,
    },
    Serve {
        typed: "cargo xtask serve -- --model FILE.gguf",
        own: &[],
        model: true,
    },
    Serve {
        typed: "cargo xtask serve --lan",
        own: &["--lan"],
        model: false,
    },
];

/// Runs each of them on a free port with a data folder of its own, asks it for the page and the swarm, and stops it.
///
/// # Errors
/// When one does not come up, does not serve what it should, or does not end well.
pub(crate) fn run(context: &Context) -> Result<()> {
    let data = context.target.join("first-command");
    for serve in &SERVES {
        remove(&data)?;
        serve.run(context, &data)?;
    }
    remove(&data)
}

impl Serve {
    fn run(&self, context: &Context, data: &Path) -> Result<()> {
        println!("{}", self.typed);
        let mut serve = context.command(env::current_exe().context("the path of this program")?);
        serve.arg("serve").args(self.own).arg("--");
        serve
            .args(["--listen", "127.0.0.1:0", "--metrics", "off", "--data"])
            .arg(data);
        if self.model {
            serve.arg("--model").arg(own_model(context)?);
        }
        serve.inner().stdout(Stdio::piped());
        let mut running = Running(serve.spawn()?);
        let mut lines = BufReader::new(running.0.stdout.take().context("no standard output")?).lines();
        let url = loop {
            let line = lines.next().context("serve ended before it was ready")??;
            println!("{line}");
            if let Some(url) = ready(&line) {
                break url;
            }
        };
        // What it says from here on must not fill the pipe.
        let rest =
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("{line}")));

        let page = get(context, &url, "/")?;
        ensure!(
            page.contains("<title>Manyhands</title>"),
            "/ is not the app: {page}"
        );
        let swarm: Value = serde_json::from_str(&get(context, &url, "/api/v1/swarm")?)?;
        let model = swarm["models"][0]["name"]
            .as_str()
            .context("no model is served")?;
        ensure!((model == OWN) == self.model, "the wrong model is served: {model}");
        println!("serve: {url} serves the app and the model {model}");

        let told = Command::new("kill").arg(running.0.id().to_string()).status()?;
        let ended = running.0.wait()?;
        ensure!(
            told.success() && ended.success(),
            "serve did not end well: {ended}"
        );
        drop(rest.join());
        Ok(())
    }
}

/// What somebody else may have: the welcome model under another name, which makes it another model.
fn own_model(context: &Context) -> Result<PathBuf> {
    let mut bytes = std::fs::read(context.root.join("public/models/welcome.gguf"))?;
    let name = b"Manyhands Welcome";
    let at = bytes
        .windows(name.len())
        .position(|part| part == name)
        .context("the welcome model has another name")?;
    bytes[at..at + name.len()].copy_from_slice(OWN.as_bytes());
    let file = context.target.join("first-command.gguf");
    std::fs::write(&file, bytes)?;
    Ok(file)
}

fn remove(data: &Path) -> Result<()> {
    if data.exists() {
        std::fs::remove_dir_all(data)?;
    }
    Ok(())
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }
}

/// The address of the ready line.
fn ready(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    let url = value.get("ready")?.get("url")?.as_str()?;
    Some(url.trim_end_matches('/').to_owned())
}

/// What a browser gets there. A certificate that the relay made for itself is believed, as a person would after asking.
fn get(context: &Context, url: &str, path: &str) -> Result<String> {
    const FETCH: &str = "const answer = await fetch(process.argv[1], { signal: AbortSignal.timeout(20000) });\
                         if (answer.status !== 200) throw new Error(`${answer.url}: ${answer.status}`);\
                         process.stdout.write(await answer.text());";
    context
        .command("node")
        .env("NODE_TLS_REJECT_UNAUTHORIZED", "0")
        .args([
            "--no-warnings",
            "--input-type=module",
            "--eval",
            FETCH,
            &format!("{url}{path}"),
        ])
        .output()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Typed in the README and run by CI in another way: CI is the second, and its tests are the first.
    const RUN_BY_CI: [&str; 3] = ["cargo xtask test", "cargo xtask ci", "cargo xtask setup"];

    #[test]
    fn the_address_is_that_of_the_ready_line() {
        assert_eq!(
            ready(r#"{"ready":{"url":"https://localhost:8787/"}}"#).as_deref(),
            Some("https://localhost:8787")
        );
        assert_eq!(ready("serve: building"), None);
        assert_eq!(ready(r#"{"other":1}"#), None);
    }

    #[test]
    fn every_command_of_the_readme_is_run_and_every_one_that_is_run_is_there() {
        let readme = std::fs::read_to_string("../../README.md").unwrap();
        let typed: Vec<&str> = readme
            .split("```sh")
            .skip(1)
            .filter_map(|fence| fence.split("```").next())
            .flat_map(str::lines)
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        assert!(typed.len() >= 4, "{typed:?}");
        for command in &typed {
            let run = SERVES.iter().any(|serve| serve.typed == *command) || RUN_BY_CI.contains(command);
            assert!(run, "the README has `{command}`, which nothing runs");
        }
        for Serve { typed: command, .. } in &SERVES {
            assert!(
                typed.contains(command),
                "`{command}` is run but not in the README"
            );
        }
        let inline = readme
            .split('`')
            .filter(|part| part.starts_with("cargo "))
            .map(str::trim);
        for command in inline {
            let known = RUN_BY_CI.contains(&command) || SERVES.iter().any(|serve| serve.typed == command);
            assert!(
                known || command == "cargo xtask bench",
                "the README has `{command}`, which nothing runs"
            );
        }
    }
}
