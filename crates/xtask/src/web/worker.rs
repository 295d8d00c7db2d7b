//! Gives the worker's files names that hold their hash, as trunk does for the page's: they may then be cached for ever.
//! It leaves the worker's loader under its own name: that is the address the page starts it by.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::start_script::fnv1a;

const NAME: &str = "compute";

/// Renames the script and the wasm of the compute worker, and what refers to them. Without a worker it does nothing.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn rename(dist: &Path) -> Result<()> {
    let loader = dist.join(format!("{NAME}_loader.js"));
    if !loader.exists() {
        return Ok(());
    }
    let (script, wasm) = (format!("{NAME}.js"), format!("{NAME}_bg.wasm"));
    let read = |name: &str| fs::read(dist.join(name)).with_context(|| format!("the worker needs {name}"));
    let glue = String::from_utf8(read(&script)?).with_context(|| format!("{script} is not text"))?;
    let hash = fnv1a(&[read(&wasm)?.as_slice(), glue.as_bytes()].concat());
    let (new_script, new_wasm) = (
        format!("{NAME}-{hash:016x}.js"),
        format!("{NAME}-{hash:016x}_bg.wasm"),
    );

    fs::write(dist.join(&new_script), glue.replace(&wasm, &new_wasm))?;
    fs::remove_file(dist.join(&script))?;
    fs::rename(dist.join(&wasm), dist.join(&new_wasm))?;
    fs::write(
        &loader,
        fs::read_to_string(&loader)?.replace(&script, &new_script),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn built(wasm: &str) -> (tempfile::TempDir, String) {
        let dist = tempfile::tempdir().unwrap();
        for (name, content) in [
            (
                "compute_loader.js",
                "import init from './compute.js';await init();",
            ),
            ("compute.js", "new URL('compute_bg.wasm', import.meta.url)"),
            ("compute_bg.wasm", wasm),
        ] {
            fs::write(dist.path().join(name), content).unwrap();
        }
        rename(dist.path()).unwrap();
        let loader = fs::read_to_string(dist.path().join("compute_loader.js")).unwrap();
        let script = loader
            .split("'./")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap()
            .to_owned();
        (dist, script)
    }

    #[test]
    fn the_loader_finds_the_script_and_the_script_its_wasm() {
        let (dist, script) = built("one");
        assert!(script.starts_with("compute-"), "{script}");
        let glue = fs::read_to_string(dist.path().join(&script)).unwrap();
        let wasm = glue.split('\'').nth(1).unwrap();
        assert_eq!(fs::read_to_string(dist.path().join(wasm)).unwrap(), "one");
        assert!(!dist.path().join("compute.js").exists() && !dist.path().join("compute_bg.wasm").exists());
    }

    #[test]
    fn another_wasm_gets_another_name() {
        assert_ne!(built("one").1, built("two").1);
        assert_eq!(built("one").1, built("one").1);
    }

    #[test]
    fn a_page_without_a_worker_is_left_as_it_is() {
        let dist = tempfile::tempdir().unwrap();
        rename(dist.path()).unwrap();
        assert_eq!(fs::read_dir(dist.path()).unwrap().count(), 0);
    }
}
