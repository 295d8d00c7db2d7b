//! The embed's loader: the newest version under the moving address, and the hash of each version for `integrity`.
//! It changes no published version: their hashes stand in other people's pages.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha384};

/// The loader must be small for those who did not ask for it; uncompressed, far below 5 KB when compressed.
const MAX_LOADER_BYTES: usize = 5_000;

/// Writes `v1.js` and `v1.json` beside the versions `v1.N.M.js`. Without an embed it does nothing.
///
/// # Errors
/// When there is no version, or one is too large.
pub(crate) fn publish(dist: &Path) -> Result<()> {
    let folder = dist.join("embed");
    if !folder.is_dir() {
        return Ok(());
    }
    let mut versions = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some(version) = version(&name) {
            versions.push((version, name, fs::read(&path)?));
        }
    }
    versions.sort();
    let (_, newest, loader) = versions
        .last()
        .with_context(|| format!("no v1.N.M.js in {}", folder.display()))?;
    if loader.len() > MAX_LOADER_BYTES {
        bail!(
            "{newest} has {} bytes, at most {MAX_LOADER_BYTES} are allowed",
            loader.len()
        );
    }
    fs::write(folder.join("v1.js"), loader)?;
    let list: Vec<_> = versions
        .iter()
        .map(|(_, name, bytes)| serde_json::json!({ "file": name, "integrity": integrity(bytes) }))
        .collect();
    let newest = serde_json::json!({ "newest": newest, "versions": list });
    fs::write(folder.join("v1.json"), format!("{newest:#}\n"))?;
    Ok(())
}

/// The value of an `integrity` attribute.
pub(super) fn integrity(bytes: &[u8]) -> String {
    format!("sha384-{}", STANDARD.encode(Sha384::digest(bytes)))
}

/// The numbers in `v1.N.M.js`.
fn version(name: &str) -> Option<(u32, u32)> {
    let (minor, patch) = name.strip_prefix("v1.")?.strip_suffix(".js")?.split_once('.')?;
    Some((minor.parse().ok()?, patch.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dist = tempfile::tempdir().unwrap();
        fs::create_dir(dist.path().join("embed")).unwrap();
        for (name, content) in files {
            fs::write(dist.path().join("embed").join(name), content).unwrap();
        }
        dist
    }

    #[test]
    fn the_moving_address_is_the_newest_version_and_every_version_has_its_hash() {
        let dist = folder(&[("v1.0.9.js", "old"), ("v1.0.10.js", "abc"), ("frame.js", "")]);
        publish(dist.path()).unwrap();
        let read = |name: &str| fs::read_to_string(dist.path().join("embed").join(name)).unwrap();
        assert_eq!(read("v1.js"), "abc");
        let list = read("v1.json");
        assert!(list.contains("\"newest\": \"v1.0.10.js\""), "{list}");
        // SHA-384 of "abc", as FIPS 180 gives it, in base64.
        let hash = "sha384-ywB1P0WjXou1oD1pmsZQBycsMqsO3tFjGotgWkP/W+2AhgcroefMI1i67KE0yCWn";
        assert!(list.contains(hash), "{list}");
    }

    #[test]
    fn a_loader_that_grew_or_is_missing_is_refused() {
        let big = "x".repeat(MAX_LOADER_BYTES + 1);
        assert!(publish(folder(&[("v1.0.0.js", &big)]).path()).is_err());
        assert!(publish(folder(&[("frame.js", "")]).path()).is_err());
        assert!(publish(tempfile::tempdir().unwrap().path()).is_ok());
    }
}
