//! The welcome model, which is part of the program: somebody who names no model has one to talk to.
//! It is not among the models of `model list`, and gives way to the first that is added.

use std::fs;

use super::{ModelError, Published};
use crate::store::Store;

/// The file that `crates/train` made.
const GGUF: &[u8] = include_bytes!("../../../public/models/welcome.gguf");
/// Its name in the data folder, outside the subfolder of models.
const NAME: &str = "welcome.gguf";

/// Writes the file where the data folder lacks it, or has that of another version, and describes it.
pub(super) fn published(store: &Store) -> Result<Published, ModelError> {
    let path = store.path(NAME);
    if fs::read(&path).ok().as_deref() != Some(GGUF) {
        store.write(NAME, GGUF)?;
    }
    Published::read(store, &path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_welcome_model_is_sound_says_what_it_is_and_is_written_once() {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(data.path()).unwrap();
        let model = published(&store).unwrap();
        assert_eq!(model.layers, 8);
        assert!(model.bytes <= 8 << 20, "{}", model.bytes);
        assert_eq!(model.license.as_deref(), Some("MIT OR Apache-2.0"));
        assert!(
            model
                .description
                .as_deref()
                .is_some_and(|text| text.contains("not an assistant"))
        );
        let written = || fs::metadata(store.path(NAME)).unwrap().modified().unwrap();
        let before = written();
        published(&store).unwrap();
        assert_eq!(written(), before);
        fs::write(store.path(NAME), "of another version").unwrap();
        assert_eq!(published(&store).unwrap().sha256, model.sha256);
    }
}
