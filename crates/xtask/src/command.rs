//! A child process with its name in every error, closed standard input, and output that is shown, kept or both.
//! It knows nothing about what is run.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// A process to be.
pub(crate) struct Cmd {
    inner: Command,
}

impl Cmd {
    pub(crate) fn new(program: impl Into<OsString>, folder: &Path) -> Self {
        let mut inner = Command::new(program.into());
        inner.current_dir(folder).stdin(Stdio::null());
        Self { inner }
    }

    pub(crate) fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.inner.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.inner.args(args);
        self
    }

    pub(crate) fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.inner.env(name, value);
        self
    }

    pub(crate) fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.inner.env_remove(name);
        self
    }

    /// The process itself, for what only std can do.
    pub(crate) fn inner(&mut self) -> &mut Command {
        &mut self.inner
    }

    pub(crate) fn folder(&mut self, folder: &Path) -> &mut Self {
        self.inner.current_dir(folder);
        self
    }

    /// Runs with its output on the terminal.
    ///
    /// # Errors
    /// When it does not start or does not succeed.
    pub(crate) fn run(&mut self) -> Result<()> {
        let status = self
            .inner
            .status()
            .with_context(|| format!("cannot start {self}"))?;
        if !status.success() {
            bail!("{self} failed ({status})");
        }
        Ok(())
    }

    /// Runs and gives its standard output; what it says on standard error goes into the error.
    ///
    /// # Errors
    /// When it does not start or does not succeed.
    pub(crate) fn output(&mut self) -> Result<String> {
        let output = self
            .inner
            .output()
            .with_context(|| format!("cannot start {self}"))?;
        if !output.status.success() {
            bail!(
                "{self} failed ({}): {}",
                output.status,
                reason(&String::from_utf8_lossy(&output.stderr))
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether it starts and succeeds; its output is dropped.
    pub(crate) fn succeeds(&mut self) -> bool {
        self.inner
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Runs, shows both outputs line by line, and gives the lines and whether it succeeded.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn tee(&mut self) -> Result<(bool, String)> {
        self.inner.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self
            .inner
            .spawn()
            .with_context(|| format!("cannot start {self}"))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let text = std::thread::scope(|scope| {
            let out = scope.spawn(|| show(out, |line| println!("{line}")));
            let mut text = show(err, |line| eprintln!("{line}"));
            // Last, so that the sum a runner ends with is the last line of the whole.
            text.push_str(&out.join().unwrap_or_default());
            text
        });
        let status = child.wait().with_context(|| format!("cannot wait for {self}"))?;
        Ok((status.success(), text))
    }

    /// Starts it and leaves it running, its output on the terminal.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn spawn(&mut self) -> Result<Child> {
        self.inner.spawn().with_context(|| format!("cannot start {self}"))
    }
}

impl std::fmt::Display for Cmd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}", self.inner.get_program().to_string_lossy())?;
        for arg in self.inner.get_args() {
            write!(f, " {}", arg.to_string_lossy())?;
        }
        f.write_str("`")
    }
}

/// The line that says what went wrong: the first that calls itself an error, else the last.
fn reason(said: &str) -> &str {
    let is_error = |line: &&str| line.to_lowercase().starts_with("error");
    said.lines()
        .map(str::trim)
        .find(is_error)
        .or_else(|| said.trim().lines().last())
        .unwrap_or("no reason given")
        .trim()
}

fn show(stream: Option<impl Read>, print: impl Fn(&str)) -> String {
    let mut text = String::new();
    let Some(stream) = stream else { return text };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Bytes, not `lines()`: one bad character must not end the reading and block the child.
    while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        let shown = String::from_utf8_lossy(&line);
        print(shown.trim_end_matches(['\n', '\r']));
        text.push_str(&shown);
        line.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(script: &str) -> Cmd {
        let mut cmd = Cmd::new("sh", Path::new("."));
        cmd.args(["-c", script]);
        cmd
    }

    #[test]
    fn a_failure_names_the_command_and_its_last_words() {
        let error = shell("echo first >&2; echo last words >&2; exit 3")
            .output()
            .unwrap_err()
            .to_string();
        assert!(error.contains("sh -c"), "{error}");
        assert!(error.ends_with("last words"), "{error}");
    }

    #[test]
    fn the_reason_is_the_line_that_says_error_even_before_a_backtrace() {
        assert_eq!(
            reason("info: trying\nerror: no network\n 1: frame\n"),
            "error: no network"
        );
        assert_eq!(reason("\n"), "no reason given");
    }

    #[test]
    fn tee_keeps_both_streams_and_the_verdict() {
        let (success, text) = shell("echo out; echo err >&2; exit 1").tee().unwrap();
        assert!(!success);
        assert_eq!(text, "err\nout\n");
    }

    #[test]
    fn standard_input_is_closed_so_that_nothing_waits_for_an_answer() {
        assert_eq!(shell("cat; echo done").output().unwrap(), "done\n");
    }

    #[test]
    fn a_missing_program_is_an_error_with_its_name() {
        let error = Cmd::new("no-such-program", Path::new("."))
            .run()
            .unwrap_err()
            .to_string();
        assert!(error.contains("no-such-program"), "{error}");
    }
}
