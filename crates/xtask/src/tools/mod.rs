//! The tools this repository needs, one file each: how to see that one is there, and how to get it.
//! They do not call each other; the order of the list is the order they need.

mod cargo_tool;
mod chromium;
mod distribution;
mod node;
mod node_packages;
mod routers;
mod vulkan;
mod wasm_target;

use anyhow::Result;

use crate::context::Context;
use crate::lockfile;

pub(crate) use chromium::find as find_chromium;
pub(crate) use node_packages::NodePackages;
pub(crate) use wasm_target::wasm_cargo;

/// The trunk that builds with the compilers this repository supports (0.22 needs rustc 1.96.1).
const TRUNK_VERSION: &str = "0.21.14";

/// What the tools are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To build the app and the relay, as an operator does.
    Building,
    /// To test them too, in a browser and on a GPU.
    Testing,
}

/// Something that must be on the machine.
pub(crate) trait Tool {
    /// What people call it.
    fn name(&self) -> &'static str;
    /// What will be done to install it, as a phrase.
    fn plan(&self) -> String;
    /// What is there, in words, when it is good enough.
    ///
    /// # Errors
    /// When the question itself cannot be asked.
    fn check(&self, context: &Context) -> Result<Option<String>>;
    /// Brings it in place.
    ///
    /// # Errors
    /// When that fails; the message says what to do.
    fn install(&self, context: &Context) -> Result<()>;
}

/// Every tool for that purpose, each after those it needs.
///
/// # Errors
/// When Cargo.lock does not say which wasm-bindgen is needed.
pub(crate) fn all(context: &Context, purpose: Purpose) -> Result<Vec<Box<dyn Tool>>> {
    let bindgen = lockfile::version_of(context, "wasm-bindgen")?;
    let mut tools: Vec<Box<dyn Tool>> = vec![
        Box::new(wasm_target::WasmTarget),
        Box::new(cargo_tool::CargoTool::new(
            "wasm-bindgen",
            "wasm-bindgen-cli",
            bindgen,
        )),
        Box::new(cargo_tool::CargoTool::new(
            "trunk",
            "trunk",
            TRUNK_VERSION.to_owned(),
        )),
        Box::new(node::Node),
        // It brings wasm-opt too.
        Box::new(node_packages::NodePackages::new(
            "test runner",
            context.playwright(),
        )),
    ];
    if purpose == Purpose::Testing {
        tools.push(Box::new(node_packages::NodePackages::new(
            "interop peer",
            context.playwright().join("interop"),
        )));
        tools.push(Box::new(chromium::Chromium));
        tools.push(Box::new(vulkan::Vulkan));
        tools.push(Box::new(routers::Routers));
    }
    Ok(tools)
}
