//! BENCHMARKS.md: a preface, then one block per section, each replaced alone when it is measured again.
//! It does not measure, and keeps every block that it does not know.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const PREFACE: &str = "# Benchmarks\n\nWritten by `cargo xtask bench`; each section says when, where and how it was \
                       measured. `cargo xtask bench NAME` measures one section again.\n";

/// The file as it is, and as it will be.
pub(crate) struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    /// # Errors
    /// When the file is there but cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => PREFACE.to_owned(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self {
            path: path.to_path_buf(),
            text,
        })
    }

    /// Puts `words` in place of the section's block, or behind all others.
    pub(crate) fn put(&mut self, name: &str, words: &str) {
        let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
        let block = format!("{begin}\n{}\n{end}", words.trim_end());
        let place = self.text.find(&begin).and_then(|start| {
            let stop = self.text[start..].find(&end)?;
            Some(start..start + stop + end.len())
        });
        match place {
            Some(range) => self.text.replace_range(range, &block),
            None => self.text = format!("{}\n\n{block}\n", self.text.trim_end()),
        }
    }

    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self) -> Result<()> {
        fs::write(&self.path, &self.text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_section_measured_again_takes_its_old_place_and_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut document = Document::read(&folder.path().join("BENCHMARKS.md")).unwrap();
        document.put("one", "first\n");
        document.put("two", "second");
        document.put("one", "again");
        let expected =
            format!("{PREFACE}\n<!-- one -->\nagain\n<!-- /one -->\n\n<!-- two -->\nsecond\n<!-- /two -->\n");
        assert_eq!(document.text, expected);
        document.write().unwrap();
        assert_eq!(Document::read(&document.path).unwrap().text, expected);
    }
}
