//! The catalogue: models of the world outside that this engine runs, where they are, how large, under which license.
//! Whoever signed it is checked before (see `state`); nothing here fetches.

use serde::Deserialize;

use crate::source::Source;

/// Entries that are read: it is a choice, not a search engine.
pub const MAX_ENTRIES: usize = 64;
/// A longer file is no catalogue of ours.
pub const MAX_CATALOGUE_BYTES: usize = 256 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    pub version: u32,
    /// The day it was signed, as ISO 8601 writes it.
    pub date: String,
    pub models: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    /// `hf:owner/repo/file.gguf` or an address.
    pub source: String,
    /// Millions of parameters.
    pub parameters_m: u32,
    /// As its publisher says, about.
    pub bytes: u64,
    pub license: String,
    /// What it was made for, in its publisher's words.
    pub languages: String,
    /// The model's id where whoever signed has read the file; absent, it is fixed at the first download.
    #[serde(default)]
    pub model: Option<String>,
}

/// Reads a catalogue whose signature was checked.
pub fn read(json: &[u8]) -> Result<Catalogue, String> {
    if json.len() > MAX_CATALOGUE_BYTES {
        return Err(format!("the catalogue has {} bytes", json.len()));
    }
    let mut catalogue: Catalogue = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    if catalogue.version != 1 {
        return Err(format!("catalogue version {}", catalogue.version));
    }
    if catalogue.models.len() > MAX_ENTRIES {
        return Err(format!("the catalogue has {} models", catalogue.models.len()));
    }
    catalogue
        .models
        .retain(|entry| Source::parse(&entry.source).is_ok());
    Ok(catalogue)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OURS: &[u8] = include_bytes!("../../public/catalogue.json");

    #[test]
    fn the_catalogue_that_ships_reads_whole() {
        let catalogue = read(OURS).unwrap();
        let written: serde_json::Value = serde_json::from_slice(OURS).unwrap();
        assert_eq!(
            catalogue.models.len(),
            written["models"].as_array().unwrap().len()
        );
        assert!((6..=8).contains(&catalogue.models.len()));
        for entry in &catalogue.models {
            assert!(
                !entry.license.is_empty() && entry.bytes > 10_000_000,
                "{}",
                entry.name
            );
            assert!(
                entry.model.is_none(),
                "{}: an id needs the file that it names",
                entry.name
            );
        }
    }

    #[test]
    fn what_is_no_catalogue_is_refused() {
        assert!(read(b"").is_err());
        assert!(read(b"{\"version\":2,\"date\":\"\",\"models\":[]}").is_err());
        assert!(read(b"{\"version\":1,\"date\":\"\",\"models\":[],\"more\":1}").is_err());
        assert!(read(&vec![b' '; MAX_CATALOGUE_BYTES + 1]).is_err());
        let entry = "{\"name\":\"x\",\"source\":\"hf:o/r/m.gguf\",\"parameters_m\":1,\"bytes\":1,\"license\":\"\",\"languages\":\"\"}";
        let many = vec![entry; MAX_ENTRIES + 1].join(",");
        assert!(read(format!("{{\"version\":1,\"date\":\"\",\"models\":[{many}]}}").as_bytes()).is_err());
    }

    #[test]
    fn an_entry_whose_source_is_no_model_is_left_out() {
        let json = "{\"version\":1,\"date\":\"\",\"models\":[{\"name\":\"x\",\"source\":\"javascript:alert(1)\",\"parameters_m\":1,\"bytes\":1,\"license\":\"\",\"languages\":\"\"}]}";
        assert!(read(json.as_bytes()).unwrap().models.is_empty());
    }
}
