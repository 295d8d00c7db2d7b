//! A Rust that compiles for the browser: the default toolchain if it can, else the linked one.
//! It does not build a standard library; `distribution.rs` does, and only where rustup cannot download one.

use anyhow::{Context as _, Result, bail};

use super::{Tool, distribution};
use crate::command::Cmd;
use crate::context::{Context, LINKED_TOOLCHAIN};

/// The triple of the browser.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Which toolchain compiles for the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WasmToolchain {
    /// The one that `cargo` means anyway.
    Default,
    /// The distribution's, known to rustup as [`LINKED_TOOLCHAIN`].
    Linked,
}

/// The toolchain for everything that is built for the browser, or none yet.
pub(crate) fn wasm_toolchain(context: &Context) -> Option<WasmToolchain> {
    [WasmToolchain::Default, WasmToolchain::Linked]
        .into_iter()
        .find(|toolchain| compiles_for_wasm(context, *toolchain))
}

/// Cargo (or trunk, which calls cargo) with the toolchain that compiles for the browser.
///
/// # Errors
/// When there is none.
pub(crate) fn wasm_cargo(context: &Context, program: &str) -> Result<Cmd> {
    let toolchain =
        wasm_toolchain(context).context("no toolchain compiles for wasm: run `cargo xtask setup`")?;
    Ok(toolchain.command(context, program))
}

impl WasmToolchain {
    fn command(self, context: &Context, program: &str) -> Cmd {
        let mut cmd = context.command(program);
        if self == Self::Linked {
            cmd.env("RUSTUP_TOOLCHAIN", LINKED_TOOLCHAIN);
        }
        cmd
    }
}

/// Tried, not looked up: a standard library of another compiler lies in the same place and does not work.
fn compiles_for_wasm(context: &Context, toolchain: WasmToolchain) -> bool {
    let mut rustc = toolchain.command(context, "rustc");
    rustc.args([
        "--target",
        TARGET,
        "--crate-type=lib",
        "--crate-name=probe",
        "--emit=metadata",
        "-",
    ]);
    rustc.arg("--out-dir").arg(context.cache.join("probe")).succeeds()
}

/// The wasm target as a tool.
pub(crate) struct WasmTarget;

impl Tool for WasmTarget {
    fn name(&self) -> &'static str {
        "wasm target"
    }

    fn plan(&self) -> String {
        "rustup target add, else the distribution's toolchain with a standard library built for it".to_owned()
    }

    fn check(&self, context: &Context) -> Result<Option<String>> {
        let Some(toolchain) = wasm_toolchain(context) else {
            return Ok(None);
        };
        let version = toolchain.command(context, "rustc").arg("--version").output()?;
        let short = version.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
        Ok(Some(match toolchain {
            WasmToolchain::Default => format!("rustc {short}, default toolchain"),
            WasmToolchain::Linked => format!("rustc {short}, toolchain {LINKED_TOOLCHAIN}"),
        }))
    }

    fn install(&self, context: &Context) -> Result<()> {
        let rustup = context.command("rustup").args(["target", "add", TARGET]).output();
        let Err(no_rustup) = rustup else { return Ok(()) };
        println!("set-up:   rustup cannot: {no_rustup:#}");
        if let Err(no_distribution) = distribution::install(context) {
            bail!(
                "neither way to a Rust for wasm works. Either let rustup download it (`rustup target add {TARGET}`), \
                 or let Debian's rustc-web be installed: {no_distribution:#}"
            );
        }
        Ok(())
    }
}
