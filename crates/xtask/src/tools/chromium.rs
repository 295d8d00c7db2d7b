//! A Chromium or Chrome for the browser tests: the one in `CHROMIUM`, else the system's.
//! It does not use Playwright's own downloads, which many machines cannot reach.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use super::Tool;
use crate::context::Context;
use crate::system;

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];
const ON_MACOS: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/// The browser to test with.
pub(crate) fn find(context: &Context) -> Option<PathBuf> {
    let chosen = env::var_os("CHROMIUM").map(PathBuf::from);
    let macos = Some(PathBuf::from(ON_MACOS));
    [chosen, system::which(context, &NAMES), macos]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
}

/// The browser as a tool.
pub(crate) struct Chromium;

impl Tool for Chromium {
    fn name(&self) -> &'static str {
        "chromium"
    }

    fn plan(&self) -> String {
        "apt-get install chromium".to_owned()
    }

    fn check(&self, context: &Context) -> Result<Option<String>> {
        Ok(find(context).map(|path| path.display().to_string()))
    }

    fn install(&self, context: &Context) -> Result<()> {
        system::apt_install(context, &["chromium"])
    }
}
