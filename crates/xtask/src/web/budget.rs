//! What a first visit transfers, measured on the compressed files, and the limit it must keep.
//! It does not count what is loaded later: the compute worker, models, other pages' assets.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{compress, folder};

/// What a phone on a slow line (1 MB/s) gets in a second and a half.
const MAX_FIRST_LOAD_BYTES: u64 = 1_500_000;

/// The compute worker: big, and fetched only when somebody runs or lends a model.
const LAZY_PREFIX: &str = "compute";

/// Bytes as transferred.
#[derive(Debug)]
pub(crate) struct Sizes {
    /// The page and everything it needs to show itself.
    pub(crate) first_load: u64,
    /// The compute worker.
    pub(crate) compute: u64,
    /// The files of the first load, largest first.
    files: Vec<(String, u64)>,
}

impl Sizes {
    /// Measures a finished release build.
    ///
    /// # Errors
    /// When a file cannot be read, or the page loads the compute worker at once.
    pub(crate) fn measure(dist: &Path) -> Result<Self> {
        let all = folder::files(dist)?;
        let first = reachable(dist, &all)?;
        let mut files = Vec::new();
        for file in &first {
            files.push((name(dist, file), transferred(file)?));
        }
        if let Some((eager, _)) = files.iter().find(|(name, _)| is_compute(name)) {
            bail!("{eager} is loaded with the page: the compute worker must be lazy");
        }
        files.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let mut compute = 0;
        for file in all
            .iter()
            .filter(|file| is_compute(&name(dist, file)) && !is_twin(file))
        {
            compute += transferred(file)?;
        }
        Ok(Self {
            first_load: files.iter().map(|(_, bytes)| bytes).sum(),
            compute,
            files,
        })
    }

    /// # Errors
    /// When the first load is over its limit.
    pub(crate) fn check(&self) -> Result<()> {
        if self.first_load > MAX_FIRST_LOAD_BYTES {
            bail!(
                "the first load transfers {} bytes, over the budget of {MAX_FIRST_LOAD_BYTES}",
                self.first_load
            );
        }
        Ok(())
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, bytes) in &self.files {
            writeln!(f, "web: {bytes:>9} bytes  {name}")?;
        }
        writeln!(
            f,
            "web: {:>9} bytes  first load, of at most {MAX_FIRST_LOAD_BYTES} (brotli)",
            self.first_load
        )?;
        write!(
            f,
            "web: {:>9} bytes  compute worker, loaded when it is needed (brotli)",
            self.compute
        )
    }
}

/// The page, and every file whose name occurs in it or in a script or style that it reaches. A script may name the
/// compute worker, since it starts it later; the page may not, since it would load it at once.
fn reachable(dist: &Path, all: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![dist.join("index.html")];
    while let Some(file) = open.pop() {
        let ends_in = |ends: &[&str]| {
            file.extension()
                .is_some_and(|end| ends.iter().any(|text| end == *text))
        };
        let text = if ends_in(&["html", "js", "css"]) {
            fs::read_to_string(&file)?
        } else {
            String::new()
        };
        for other in all
            .iter()
            .filter(|other| !is_twin(other) && !found.contains(*other) && **other != file)
        {
            let other_name = name(dist, other);
            if text.contains(&other_name) && (ends_in(&["html"]) || !is_compute(&other_name)) {
                open.push(other.clone());
            }
        }
        found.insert(file);
    }
    Ok(found)
}

fn transferred(file: &Path) -> Result<u64> {
    let twin = compress::twin(file);
    Ok(fs::metadata(if twin.exists() { &twin } else { file })?.len())
}

fn is_twin(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "br")
}

fn is_compute(name: &str) -> bool {
    name.rsplit('/')
        .next()
        .is_some_and(|file| file.starts_with(LAZY_PREFIX) && !file.ends_with(".br"))
}

fn name(dist: &Path, file: &Path) -> String {
    file.strip_prefix(dist)
        .unwrap_or(file)
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(dist: &Path, files: &[(&str, &str)]) {
        for (name, content) in files {
            fs::write(dist.join(name), content).unwrap();
        }
    }

    #[test]
    fn the_first_load_is_what_the_page_reaches_and_nothing_else() {
        let dist = tempfile::tempdir().unwrap();
        write(
            dist.path(),
            &[
                ("index.html", "<script src=/start-1.js></script>"),
                ("start-1.js", "import '/app-1.js'; new Worker('/compute.js')"),
                ("app-1.js", "fetch('app-1_bg.wasm')"),
                ("app-1_bg.wasm", "12345678"),
                ("app-1_bg.wasm.br", "1234"),
                ("compute.js", "worker"),
                ("compute_bg.wasm", "123456789"),
                ("other.svg", "a picture of another page"),
            ],
        );
        let sizes = Sizes::measure(dist.path()).unwrap();
        assert_eq!(sizes.first_load, 33 + 45 + 22 + 4);
        assert_eq!(sizes.compute, 6 + 9);
    }

    #[test]
    fn a_page_that_loads_the_compute_worker_at_once_is_refused() {
        let dist = tempfile::tempdir().unwrap();
        write(
            dist.path(),
            &[
                ("index.html", "<link href=compute_bg.wasm>"),
                ("compute_bg.wasm", "1"),
            ],
        );
        assert!(
            Sizes::measure(dist.path())
                .unwrap_err()
                .to_string()
                .contains("must be lazy")
        );
    }

    #[test]
    fn a_first_load_over_the_budget_is_refused() {
        let dist = tempfile::tempdir().unwrap();
        let big = "x".repeat(usize::try_from(MAX_FIRST_LOAD_BYTES).unwrap());
        write(dist.path(), &[("index.html", "big.js"), ("big.js", &big)]);
        assert!(Sizes::measure(dist.path()).unwrap().check().is_err());
    }
}
