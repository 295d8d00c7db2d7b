//! What Cargo.lock says about one package.
//! It does not resolve anything and reads no other file.

use std::fs;

use anyhow::{Context as _, Result};

use crate::context::Context;

/// The locked version of `package`.
///
/// # Errors
/// When Cargo.lock cannot be read or holds no such package.
pub(crate) fn version_of(context: &Context, package: &str) -> Result<String> {
    let path = context.root.join("Cargo.lock");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    find(&text, package).with_context(|| format!("{} holds no package {package}", path.display()))
}

/// Cargo writes the lock file one key per line, `version` right after `name`.
fn find(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    lines.find(|line| *line == name)?;
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::find;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.58\"\n\n\
                        [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.108\"\nsource = \"registry\"\n";

    #[test]
    fn the_version_is_that_of_the_exact_name() {
        assert_eq!(find(LOCK, "wasm-bindgen").as_deref(), Some("0.2.108"));
        assert_eq!(find(LOCK, "wasm-bindgen-futures").as_deref(), Some("0.4.58"));
    }

    #[test]
    fn an_unknown_package_has_no_version() {
        assert_eq!(find(LOCK, "wasm"), None);
    }
}
