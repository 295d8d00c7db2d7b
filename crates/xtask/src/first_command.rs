//! The README's first command, as a newcomer types it: it must end in a relay that serves the app and a model.
//! It does not look at the page; the browser tests do.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::context::Context;

/// Runs `cargo xtask serve` on a free port with a data folder of its own, asks it for the page and the swarm, and stops it.
///
/// # Errors
/// When it does not come up, does not serve what it should, or does not end well.
pub(crate) fn run(context: &Context) -> Result<()> {
    let data = context.target.join("first-command");
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    let mut serve = context.command(env::current_exe().context("the path of this program")?);
    serve
        .args([
            "serve",
            "--",
            "--listen",
            "127.0.0.1:0",
            "--metrics",
            "off",
            "--data",
        ])
        .arg(&data);
    serve.inner().stdout(Stdio::piped());
    let mut running = Running(serve.spawn()?);
    let mut lines = BufReader::new(running.0.stdout.take().context("no standard output")?).lines();
    let address = loop {
        let line = lines.next().context("serve ended before it was ready")??;
        println!("{line}");
        if let Some(address) = ready(&line) {
            break address;
        }
    };
    // What it says from here on must not fill the pipe.
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("{line}")));

    let page = get(&address, "/")?;
    ensure!(
        page.contains("<title>Manyhands</title>"),
        "/ is not the app: {page}"
    );
    let swarm: Value = serde_json::from_str(&get(&address, "/api/v1/swarm")?)?;
    let model = swarm["models"][0]["id"].as_str().context("no model is served")?;
    println!("serve: {address} serves the app and the model {model}");

    let told = Command::new("kill").arg(running.0.id().to_string()).status()?;
    let ended = running.0.wait()?;
    ensure!(
        told.success() && ended.success(),
        "serve did not end well: {ended}"
    );
    drop(rest.join());
    Ok(std::fs::remove_dir_all(&data)?)
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

/// `host:port` of the ready line.
fn ready(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    let url = value.get("ready")?.get("url")?.as_str()?;
    Some(url.trim_end_matches('/').strip_prefix("http://")?.to_owned())
}

/// The body of a plain GET.
fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without a head")?;
    ensure!(
        head.starts_with("HTTP/1.1 200"),
        "{path}: {}",
        head.lines().next().unwrap_or_default()
    );
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::ready;

    #[test]
    fn the_address_is_that_of_the_ready_line() {
        assert_eq!(
            ready(r#"{"ready":{"url":"http://localhost:8787/"}}"#).as_deref(),
            Some("localhost:8787")
        );
        assert_eq!(ready("serve: building"), None);
        assert_eq!(ready(r#"{"other":1}"#), None);
    }
}
