//! A program from crates.io in one exact version, installed into the user's cargo home.
//! It does not upgrade: another version counts as missing, and is replaced.

use anyhow::Result;

use super::Tool;
use crate::context::Context;

/// One program of one crate.
pub(crate) struct CargoTool {
    program: &'static str,
    package: &'static str,
    version: String,
}

impl CargoTool {
    pub(crate) fn new(program: &'static str, package: &'static str, version: String) -> Self {
        Self {
            program,
            package,
            version,
        }
    }
}

impl Tool for CargoTool {
    fn name(&self) -> &'static str {
        self.program
    }

    fn plan(&self) -> String {
        format!(
            "cargo install {} {} (one to four minutes)",
            self.package, self.version
        )
    }

    fn check(&self, context: &Context) -> Result<Option<String>> {
        let said = context
            .command(self.program)
            .arg("--version")
            .output()
            .unwrap_or_default();
        let found = said.split_whitespace().nth(1).unwrap_or_default();
        Ok((found == self.version).then(|| found.to_owned()))
    }

    fn install(&self, context: &Context) -> Result<()> {
        // --debug: these tools wait on other programs, so the minutes an optimised build takes are not won back.
        let mut cmd = context.cargo();
        cmd.args(["install", "--quiet", "--locked", "--debug", "--force"]);
        // Nobody steps through them.
        cmd.env("CARGO_PROFILE_DEV_DEBUG", "0");
        cmd.args([self.package, "--version", &self.version]).run()
    }
}
