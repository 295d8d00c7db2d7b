//! Reads the published vectors; shared by the tests that check and that attack them.
//! It does not judge them.
#![allow(clippy::unwrap_used, dead_code)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use identity::Record;
use minicbor::{Decode, Encode};

/// A record kind that only the vectors use.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Note(#[n(0)] pub(crate) String);

impl Record for Note {
    const CONTEXT: &'static str = "vector-note/1";
}

/// One file: `field: value` per line, `#` for comments.
pub(crate) struct Vector {
    pub(crate) name: String,
    fields: BTreeMap<String, String>,
}

impl Vector {
    pub(crate) fn get(&self, field: &str) -> &str {
        self.fields
            .get(field)
            .unwrap_or_else(|| panic!("{}: no field {field}", self.name))
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        hex::decode(self.get(field)).unwrap_or_else(|e| panic!("{}: {field}: {e}", self.name))
    }
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from("vectors")
}

/// Every vector, sorted by name.
pub(crate) fn all() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let fields = lines.map(|line| line.split_once(':').unwrap_or_else(|| panic!("{path:?}: {line}")));
            Vector {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                fields: fields.map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect(),
            }
        })
        .collect();
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    vectors
}
