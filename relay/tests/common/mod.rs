//! What the relay's tests share: the real program on loopback, plain HTTP, a small model.
//! It asserts nothing.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

pub mod http;
pub mod model;
pub mod peer;

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A command of the relay's program on the data folder `data`, deaf to this machine's settings.
pub fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-relay"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MANYHANDS_RELAY_") {
            command.env_remove(name);
        }
    }
    command
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a finished command said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A relay that serves.
pub struct Relay {
    child: Child,
    pub ready: Value,
    log: Arc<Mutex<String>>,
}

impl Relay {
    /// Starts a relay with `arguments`, on free ports where they name none, and waits until it is ready.
    pub fn start(data: &Path, arguments: &[&str]) -> Relay {
        let mut command = program(data);
        command.args(["serve", "--metrics", "0"]);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command.args(arguments).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let mut err = String::new();
            let _ = child.kill();
            let _ = child.stderr.take().unwrap().read_to_string(&mut err);
            panic!("not ready: {line:?}, {err}");
        };
        // A full pipe must not stop the relay.
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = log.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Relay {
            child,
            ready: ready["ready"].clone(),
            log,
        }
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Where its web server listens.
    pub fn http(&self) -> SocketAddr {
        let url = self.ready["url"].as_str().unwrap();
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Its address for libp2p over WebSocket, with its peer id.
    pub fn ws(&self) -> String {
        self.p2p("/ws/")
    }

    /// Its address for libp2p over plain TCP.
    pub fn tcp(&self) -> String {
        let addrs = self.ready["p2p"].as_array().unwrap();
        let plain = |addr: &&str| addr.contains("/tcp/") && !addr.contains("/ws/");
        addrs
            .iter()
            .filter_map(Value::as_str)
            .find(plain)
            .unwrap()
            .to_owned()
    }

    /// The address that contains `part`.
    pub fn p2p(&self, part: &str) -> String {
        self.ready["p2p"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .find(|addr| addr.contains(part))
            .unwrap()
            .to_owned()
    }

    /// GET as JSON.
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&http::get(self.http(), path).body).unwrap()
    }

    /// A figure of the metrics page; zero where a labelled one has not appeared yet.
    pub fn metric(&self, name: &str) -> u64 {
        let url = self.ready["metrics"].as_str().unwrap();
        let addr = url.trim_start_matches("http://").trim_end_matches("/metrics");
        let text = String::from_utf8(http::get(addr.parse().unwrap(), "/metrics").body).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")))
            .map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until `check` holds.
    pub fn until(&self, what: &str, check: impl Fn(&Relay) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !check(self) {
            assert!(Instant::now() < deadline, "never happened: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Tells it to stop.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after 15 s");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
