//! A command that runs beside others, its output kept until somebody waits for it.
//! It does not know what the command is; two that build into the same folder wait for each other by cargo's locks.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Child;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};

use crate::command::Cmd;
use crate::context::Context;
use crate::report::seconds;

/// A running command. Dropped, it ends, with all that it started.
pub(crate) struct Beside {
    name: String,
    child: Child,
    log: PathBuf,
    begun: SystemTime,
}

impl Beside {
    /// Starts `cargo xtask TASK`.
    ///
    /// # Errors
    /// When it does not start, or there is no place for its output.
    pub(crate) fn task(context: &Context, task: &str) -> Result<Self> {
        let mut cmd = context.command(env::current_exe().context("the path of this program")?);
        cmd.arg(task);
        Self::start(context, task, cmd)
    }

    /// Starts a command, whose output goes to a file of that name.
    ///
    /// # Errors
    /// When it does not start, or there is no place for its output.
    pub(crate) fn start(context: &Context, name: &str, mut cmd: Cmd) -> Result<Self> {
        fs::create_dir_all(&context.target)?;
        // Another clone may run the same, and the folder is shared.
        let log = context.target.join(format!("{name}-{}.log", std::process::id()));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // A group of its own, so that compilers and linkers end with it.
        cmd.inner()
            .process_group(0)
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(Self {
            name: name.to_owned(),
            child: cmd.spawn()?,
            log,
            begun: SystemTime::now(),
        })
    }

    /// Waits for its end and shows what it said.
    ///
    /// # Errors
    /// When it failed.
    pub(crate) fn wait(self) -> Result<()> {
        let name = self.name.clone();
        let (success, _) = self.end()?;
        ensure!(success, "{name} failed; see above");
        Ok(())
    }

    /// Waits for its end, shows what it said, and gives that and whether it succeeded.
    ///
    /// # Errors
    /// When nobody can wait for it.
    pub(crate) fn end(mut self) -> Result<(bool, String)> {
        let status = self.child.wait()?;
        // Its last word, which may have been long ago: nobody waited for it then.
        let end = fs::metadata(&self.log).and_then(|log| log.modified())?;
        let said = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        println!("{}", said.trim_end());
        println!(
            "{}: {} in all, beside the steps before ({status})",
            self.name,
            seconds(end.duration_since(self.begun).unwrap_or_default())
        );
        Ok((status.success(), said))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = format!("-{}", self.child.id());
            // Gone a moment before: then there is nothing left to end.
            drop(
                std::process::Command::new("kill")
                    .args(["-TERM", "--", &group])
                    .status(),
            );
            drop(self.child.wait());
        }
        // What it said was shown, or nobody wants it.
        drop(fs::remove_file(&self.log));
    }
}
