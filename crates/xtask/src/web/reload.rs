//! What makes an open page load itself again after each rebuild of `serve --dev`.
//! It is in no other build.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

/// Set for trunk by whoever watches; see [`wanted`].
pub(crate) const VARIABLE: &str = "MANYHANDS_RELOAD";

/// Asks for the number of the build, and starts anew with another. While a rebuild replaces the folder, or after the
/// relay has ended, there is no answer: that is no reason to lose what is on the screen.
const SCRIPT: &str = "\
let seen;
setInterval(async () => {
  const answer = await fetch('/reload.txt', { cache: 'no-store' }).catch(() => null);
  if (!answer?.ok) return;
  const build = await answer.text();
  seen ??= build;
  if (build !== seen) location.reload();
}, 1000);
";

/// Whether this build is one of those that are watched.
pub(crate) fn wanted() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Adds the script to the page and the number that it asks for.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn add(dist: &Path) -> Result<()> {
    let page = dist.join("index.html");
    let html = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let with_script = html.replacen(
        "</head>",
        "<script type=\"module\" src=\"/reload.js\"></script></head>",
        1,
    );
    fs::write(&page, with_script)?;
    fs::write(dist.join("reload.js"), SCRIPT)?;
    let build = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    Ok(fs::write(dist.join("reload.txt"), build.to_string())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_page_that_is_watched_asks_for_the_number_of_its_build() {
        let dist = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(dist.path().join(name)).unwrap();
        fs::write(
            dist.path().join("index.html"),
            "<html><head></head><body></body></html>",
        )
        .unwrap();
        add(dist.path()).unwrap();
        let first = read("reload.txt");
        assert!(read("index.html").contains("src=\"/reload.js\"></script></head>"));
        assert!(read("reload.js").contains("/reload.txt"));
        std::thread::sleep(std::time::Duration::from_millis(2));
        add(dist.path()).unwrap();
        assert_ne!(read("reload.txt"), first);
    }
}
