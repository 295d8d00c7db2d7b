//! The bytes of a first visit, of the compute worker and of the welcome model, from a release build.
//! It does not enforce the budget; the web build does.

use std::fs;

use anyhow::{Context as _, Result};

use super::{Cell, Measured, Table};
use crate::context::Context;
use crate::web::{self, Profile, Sizes};

pub(super) fn measure(context: &Context) -> Result<Measured> {
    web::build(context, Profile::Release)?;
    let sizes = Sizes::measure(&context.dist())?;
    let mut table = Table::new(&["what", "KiB, brotli"]);
    for (what, bytes) in [
        ("first load: the page, the app and the node", sizes.first_load),
        ("compute worker, when a model runs", sizes.compute),
    ] {
        table.row([what.into(), Cell::Number(kib(bytes), 1)]);
    }
    let model = context.root.join("public/models/welcome.gguf");
    let bytes = fs::metadata(&model).with_context(|| format!("cannot look at {}", model.display()))?;
    table.row([
        "welcome model, as it is".into(),
        Cell::Number(kib(bytes.len()), 1),
    ]);
    Ok(Measured::Here(table))
}

fn kib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1024.0
}
