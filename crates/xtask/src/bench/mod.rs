//! `cargo xtask bench`: what can be measured on this machine, printed, kept in BENCHMARKS.md, and as JSON.
//! It does not judge the figures; nothing fails because a machine is slow.

mod beside;
mod browser;
mod document;
mod engine;
mod gpu;
mod picture;
mod relay;
mod table;
mod web;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::setup;
use crate::tools::Purpose;
use document::Document;
use table::{Cell, Table};

/// One part of BENCHMARKS.md: measured alone or with all others.
struct Section {
    /// What it is called on the command line.
    name: &'static str,
    title: &'static str,
    measure: fn(&Context) -> Result<Measured>,
}

enum Measured {
    Here(Table),
    /// This machine lacks something: the section stays as it was.
    LeftOut(&'static str),
}

/// In the order in which they stand in the document.
const SECTIONS: &[Section] = &[
    Section {
        name: "engine",
        title: "Tokens per second, natively on the CPU",
        measure: engine::measure,
    },
    Section {
        name: "wllama",
        title: "The compute worker beside wllama, in Chromium",
        measure: beside::wllama,
    },
    Section {
        name: "llama-cpp",
        title: "The engine beside llama.cpp, natively",
        measure: beside::llama_cpp,
    },
    Section {
        name: "gpu",
        title: "Products and whole tokens on the GPU against a copy",
        measure: gpu::measure,
    },
    Section {
        name: "web",
        title: "What a browser loads",
        measure: web::measure,
    },
    Section {
        name: "relay",
        title: "What peers cost the relay",
        measure: relay::measure,
    },
    Section {
        name: "hops",
        title: "Tokens per second against hops, in the browser",
        measure: browser::hops,
    },
    Section {
        name: "start",
        title: "From opening the page to the first word",
        measure: |context| browser::measure(context, "start"),
    },
    Section {
        name: "network",
        title: "What the way between devices costs a token",
        measure: |context| browser::measure(context, "network"),
    },
    Section {
        name: "kills",
        title: "A tab dies in the middle of an answer",
        measure: |context| browser::measure(context, "kills"),
    },
    Section {
        name: "bigger",
        title: "A model bigger than a tab",
        measure: browser::bigger,
    },
];

#[derive(Args)]
pub(crate) struct Options {
    /// The sections to measure; all where none is named.
    sections: Vec<String>,
    /// Also write the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Measures the chosen sections, prints each and puts it in its place in BENCHMARKS.md.
///
/// # Errors
/// When there is no such section, something cannot be built or run, or a file cannot be written.
pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    let chosen = choose(&options.sections)?;
    setup::run(context, Purpose::Testing)?;
    let mut document = Document::read(&context.root.join("BENCHMARKS.md"))?;
    let machine = Machine::look(context)?;
    let mut measured = Vec::new();
    for section in chosen {
        println!("\n== {}", section.title);
        match (section.measure)(context).with_context(|| format!("cannot measure {}", section.name))? {
            Measured::Here(table) => {
                println!("\n{table}");
                let words = format!(
                    "## {}\n\n{}, {}: `cargo xtask bench {}`\n\n{table}",
                    section.title, machine.date, machine.name, section.name
                );
                document.put(section.name, &words);
                // At once: a later section that fails must not cost what was measured.
                document.write()?;
                measured.push((section.name, table));
            }
            Measured::LeftOut(reason) => println!("left out: {reason}"),
        }
    }
    options
        .json
        .as_deref()
        .map_or(Ok(()), |path| write_json(path, &machine, &measured))
}

fn choose(names: &[String]) -> Result<Vec<&'static Section>> {
    if names.is_empty() {
        return Ok(SECTIONS.iter().collect());
    }
    names
        .iter()
        .map(
            |name| match SECTIONS.iter().find(|section| section.name == name) {
                Some(section) => Ok(section),
                None => {
                    let known: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
                    bail!("there is no section {name}: {}", known.join(", "))
                }
            },
        )
        .collect()
}

fn write_json(path: &Path, machine: &Machine, measured: &[(&str, Table)]) -> Result<()> {
    let sections: serde_json::Map<_, _> = measured
        .iter()
        .map(|(name, table)| ((*name).to_owned(), table.json()))
        .collect();
    let all = json!({"machine": machine.name, "date": machine.date, "sections": sections});
    fs::write(path, serde_json::to_string_pretty(&all)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// What the figures depend on.
struct Machine {
    name: String,
    date: String,
}

impl Machine {
    fn look(context: &Context) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpuinfo
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split(": ").nth(1))
            .unwrap_or("unknown processor");
        let name = format!(
            "{cpu}, {cores} cores, {} {}",
            std::env::consts::OS,
            std::env::consts::ARCH
        );
        let date = context
            .command("date")
            .args(["-u", "+%F"])
            .output()?
            .trim()
            .to_owned();
        Ok(Self { name, date })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sections_are_chosen_by_name_and_an_unknown_one_is_named_with_the_known() {
        assert_eq!(choose(&[]).unwrap().len(), SECTIONS.len());
        assert_eq!(choose(&["web".to_owned()]).unwrap()[0].name, "web");
        let error = choose(&["nothing".to_owned()])
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(error.contains("nothing") && error.contains("engine"), "{error}");
    }
}
