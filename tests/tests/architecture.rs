//! The rules of the house, checked: who may depend on whom, and that every file says what it is.
//! The table below is the one place where they are written down for machines; `crates/README.md` explains them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A crate, which of ours it may use, and what it must never see: of crates under `crates/` not even through others,
/// of shells directly.
struct Rule {
    name: &'static str,
    ours: &'static [&'static str],
    never: &'static [&'static str],
}

/// What no crate that decides may see even through others.
const WORLD: [&str; 11] = [
    "web-sys",
    "gloo",
    "rexie",
    "leptos",
    "tokio",
    "async-std",
    "mio",
    "libp2p",
    "libp2p-swarm",
    "axum",
    "reqwest",
];
/// What none of them may use itself. (Through others it may look as if: features are united over the whole workspace,
/// so the cryptography seems to draw random numbers in a browser.)
const CHANCE: [&str; 4] = ["rand", "getrandom", "wasm-bindgen", "js-sys"];

const RULES: [Rule; 18] = [
    Rule {
        name: "identity",
        ours: &[],
        never: &["serde_json", "futures"],
    },
    Rule {
        name: "registry",
        ours: &["identity"],
        never: &["serde_json", "futures"],
    },
    Rule {
        name: "gguf",
        ours: &["identity"],
        never: &["candle-core", "wgpu", "futures"],
    },
    Rule {
        name: "protocol",
        ours: &["identity", "gguf"],
        never: &["candle-core", "wgpu", "futures"],
    },
    Rule {
        name: "node",
        ours: &["protocol", "registry", "identity", "gguf"],
        never: &["candle-core", "wgpu", "futures", "engine", "kernels"],
    },
    Rule {
        name: "jobs",
        ours: &[],
        never: &["candle-core", "wgpu", "futures"],
    },
    Rule {
        name: "kernels",
        ours: &[],
        never: &["candle-core", "tokio", "libp2p", "leptos"],
    },
    Rule {
        name: "engine",
        ours: &["kernels", "gguf"],
        never: &["tokio", "libp2p", "leptos"],
    },
    Rule {
        name: "train",
        ours: &["engine", "gguf"],
        never: &["tokio", "libp2p", "leptos", "wgpu"],
    },
    Rule {
        name: "webrtc-p2p",
        ours: &[],
        never: &["leptos"],
    },
    Rule {
        name: "webrtc-p2p-example",
        ours: &["webrtc-p2p"],
        never: &["leptos"],
    },
    Rule {
        name: "xtask",
        ours: &["gguf"],
        never: &["libp2p", "leptos", "candle-core", "wgpu"],
    },
    Rule {
        name: "node-wasm",
        ours: &[
            "node",
            "gguf",
            "protocol",
            "registry",
            "identity",
            "webrtc-p2p",
            "jobs",
        ],
        never: &["leptos", "candle-core", "wgpu"],
    },
    Rule {
        name: "compute",
        ours: &["engine", "kernels", "gguf", "jobs"],
        never: &["libp2p", "leptos"],
    },
    Rule {
        name: "sdk",
        ours: &["node-wasm"],
        never: &["leptos", "libp2p"],
    },
    Rule {
        name: "app",
        ours: &["node-wasm"],
        never: &["libp2p", "wgpu", "candle-core"],
    },
    Rule {
        name: "manyhands-relay",
        ours: &["node", "gguf", "protocol", "registry", "identity"],
        never: &["leptos", "wgpu", "candle-core"],
    },
    Rule {
        name: "tests",
        ours: &[
            "identity",
            "registry",
            "gguf",
            "protocol",
            "node",
            "jobs",
            "kernels",
            "engine",
            "webrtc-p2p",
        ],
        never: &["leptos", "axum"],
    },
];

/// Crates that decide and compute: they see no browser and no world even through others.
const PURE: [&str; 6] = ["identity", "registry", "gguf", "protocol", "node", "jobs"];

#[test]
fn every_crate_depends_only_on_what_the_table_allows() {
    let metadata = metadata();
    let members = members(&metadata);
    let rules: BTreeMap<&str, &Rule> = RULES.iter().map(|rule| (rule.name, rule)).collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = text(&package["name"]);
        if !members.contains(name) || package["source"].is_string() {
            continue;
        }
        let Some(rule) = rules.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = text(&dependency["name"]);
            if members.contains(to) && dependency["path"].is_string() && !rule.ours.contains(&to) {
                wrong.push(format!("{name} must not use {to}"));
            }
            let for_tests = text(&dependency["kind"]) == "dev";
            let chance = PURE.contains(&name) && CHANCE.contains(&to);
            if (rule.never.contains(&to) || chance) && !for_tests {
                wrong.push(format!("{name} must never see {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_decides_sees_neither_the_browser_nor_the_world_not_even_through_others() {
    let metadata = metadata();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (text(&p["id"]), text(&p["name"])))
        .collect();
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let normal = |dep: &&Value| {
            dep["dep_kinds"]
                .as_array()
                .unwrap()
                .iter()
                .any(|kind| kind["kind"].is_null())
        };
        let deps = node["deps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(normal)
            .map(|dep| text(&dep["pkg"]))
            .collect();
        edges.insert(text(&node["id"]), deps);
    }
    let mut wrong = Vec::new();
    for rule in RULES.iter().filter(|rule| PURE.contains(&rule.name)) {
        let Some((start, _)) = names
            .iter()
            .find(|(id, name)| **name == rule.name && id.contains("path+file"))
        else {
            continue;
        };
        let (mut seen, mut next) = (BTreeSet::new(), vec![*start]);
        while let Some(id) = next.pop() {
            if seen.insert(id) {
                next.extend(edges.get(id).into_iter().flatten());
            }
        }
        let seen: BTreeSet<&str> = seen.iter().map(|id| names[id]).collect();
        let never = rule.never.iter().chain(&WORLD);
        wrong.extend(
            never
                .filter(|never| seen.contains(**never))
                .map(|never| format!("{} sees {never}", rule.name)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_source_file_says_in_its_first_line_what_it_is() {
    let mut silent = Vec::new();
    for file in sources(&root()) {
        let source = std::fs::read_to_string(&file).unwrap();
        if !source.starts_with("//!") {
            silent.push(file.display().to_string());
        }
    }
    assert!(
        silent.is_empty(),
        "no `//!` in the first line of:\n{}",
        silent.join("\n")
    );
}

/// Clones share what is compiled: a path in it is that of the clone which happened to be built first.
#[test]
fn no_program_has_the_path_of_its_sources_in_it() {
    let baked = concat!("env!(\"CARGO_", "MANIFEST_DIR\")");
    let found: Vec<PathBuf> = sources(&root())
        .into_iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().contains(baked))
        .collect();
    assert!(found.is_empty(), "tests run in their package's folder: {found:?}");
}

fn root() -> PathBuf {
    std::fs::canonicalize("..").unwrap()
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn members(metadata: &Value) -> BTreeSet<&str> {
    let ids: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| ids.contains(text(&package["id"])))
        .map(|package| text(&package["name"]))
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// All `.rs` files of ours.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", "dist"].contains(&name.as_str()) && !name.starts_with('.') {
                found.extend(sources(&path));
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}
