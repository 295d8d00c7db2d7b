//! The models of tests and measurements: those beside the repository.
//! It does not read them; the relay and the engine do.

use std::env;
use std::path::PathBuf;

use crate::context::Context;

/// A model for tests and measurements, where the folder with them exists.
pub(crate) fn shared(context: &Context, name: &str) -> Option<PathBuf> {
    let shared =
        env::var_os("MANYHANDS_SHARED").map_or_else(|| context.root.join("../shared"), PathBuf::from);
    Some(shared.join("models").join(name)).filter(|path| path.is_file())
}
