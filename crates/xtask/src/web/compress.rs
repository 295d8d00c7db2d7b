//! Brotli twins (`name.br`) of everything that gets smaller by it, made once at build time.
//! It does not choose what is sent; the relay does, by the request's `Accept-Encoding`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow};

use super::folder;

/// Images and fonts are compressed already, models are served by range, and twins have no twins.
const COMPRESSIBLE: [&str; 9] = [
    "html",
    "js",
    "css",
    "wasm",
    "svg",
    "json",
    "webmanifest",
    "txt",
    "map",
];
/// The best there is: done once, saved on every load.
const QUALITY: i32 = 11;
/// 16 MiB, the largest window that every browser accepts; wasm repeats itself over long distances.
const WINDOW_BITS: i32 = 24;

/// Compresses every file of `dist` that gains by it, on all cores.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn all(dist: &Path) -> Result<()> {
    let mut files = folder::files(dist)?;
    files.retain(|file| {
        let end = file
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        COMPRESSIBLE.contains(&end.as_str())
    });
    // Largest first, so that no core is left with the longest job at the end.
    files.sort_by_key(|file| std::cmp::Reverse(fs::metadata(file).map_or(0, |data| data.len())));
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let work = || {
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                one(file)?;
            }
            Ok(())
        };
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().map_err(|_| anyhow!("compression panicked"))?)
    })
}

/// Where the compressed form of `file` lies.
pub(crate) fn twin(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".br");
    PathBuf::from(name)
}

fn one(file: &Path) -> Result<()> {
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let packed = brotli(&content)?;
    if packed.len() < content.len() {
        fs::write(twin(file), packed).with_context(|| format!("cannot write next to {}", file.display()))?;
    }
    Ok(())
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: QUALITY,
        lgwin: WINDOW_BITS,
        size_hint: content.len(),
        ..Default::default()
    };
    let mut packed = Vec::new();
    brotli::CompressorWriter::with_params(&mut packed, 1 << 16, &params).write_all(content)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_twin_unpacks_to_the_same_bytes() {
        let content = b"the same words again and again, ".repeat(500);
        let packed = brotli(&content).unwrap();
        assert!(packed.len() < content.len() / 20, "{}", packed.len());
        let mut unpacked = Vec::new();
        brotli::Decompressor::new(packed.as_slice(), 4096)
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, content);
    }

    #[test]
    fn what_would_grow_or_is_packed_already_has_no_twin() {
        let dist = tempfile::tempdir().unwrap();
        fs::write(dist.path().join("tiny.js"), "x").unwrap();
        fs::write(dist.path().join("picture.png"), vec![0; 5000]).unwrap();
        all(dist.path()).unwrap();
        assert_eq!(folder::files(dist.path()).unwrap().len(), 2);
    }
}
