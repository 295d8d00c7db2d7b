//! `cargo xtask setup`: every tool is asked whether it is there, and installed where it is not.
//! It does not know how any of them is installed; each tool does.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::report::seconds;
use crate::takeover;
use crate::tools::{self, Purpose};

/// Brings every missing tool for that purpose in place and says what it did and how long it took.
///
/// # Errors
/// The first tool that cannot be installed, with what to do about it.
pub(crate) fn run(context: &Context, purpose: Purpose) -> Result<()> {
    let start = Instant::now();
    takeover::run(context)?;
    let mut installed = 0;
    for tool in tools::all(context, purpose)? {
        let name = tool.name();
        let checked = Instant::now();
        if let Some(found) = tool.check(context)? {
            println!("set-up: {name:<14} {found} ({})", seconds(checked.elapsed()));
            continue;
        }
        println!("set-up: {name:<14} missing: {}", tool.plan());
        let begun = Instant::now();
        tool.install(context)
            .with_context(|| format!("cannot install {name}"))?;
        let found = tool
            .check(context)?
            .with_context(|| format!("{name} was installed but is not found"))?;
        println!(
            "set-up: {name:<14} {found}, installed in {}",
            seconds(begun.elapsed())
        );
        installed += 1;
    }
    match installed {
        0 => println!(
            "set-up: complete, nothing was missing ({})",
            seconds(start.elapsed())
        ),
        count => println!(
            "set-up: complete, {count} installed ({})",
            seconds(start.elapsed())
        ),
    }
    Ok(())
}
