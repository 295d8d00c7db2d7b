//! Benchmarks that run in the browser: `playwright/bench/NAME.bench.ts`, started here, its table read from its output.
//! It does not measure.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{Cell, Measured, Table, picture};
use crate::context::Context;
use crate::web::{self, Profile};
use crate::{relay, suites};

/// The line by which a benchmark hands over its table (`fixtures/figures.ts`).
const MARK: &str = "FIGURES ";

/// Release builds of everything, then the benchmark of that name.
///
/// # Errors
/// When something cannot be built, or the benchmark fails or reports nothing.
pub(super) fn measure(context: &Context, name: &str) -> Result<Measured> {
    run(context, name, &[]).map(Measured::Here)
}

/// Where the picture of the hops lies, in the repository: the README shows it.
const PICTURE: &str = "playwright/screens/hops.svg";

/// Tokens per second against hops, as a table and as a picture.
pub(super) fn hops(context: &Context) -> Result<Measured> {
    let table = run(context, "hops", &[])?;
    let svg = picture::bars(&table, 1, "Tokens per second, against the tabs that compute them");
    fs::write(context.root.join(PICTURE), svg).with_context(|| format!("cannot write {PICTURE}"))?;
    println!("drawn in {PICTURE}");
    Ok(Measured::Here(table))
}

/// A model that no tab holds, made for this run and gone after it.
pub(super) fn bigger(context: &Context) -> Result<Measured> {
    let synthetic = relay::example(context, "gguf", "synthetic", relay::Build::Release)?;
    let folder = context.target.join("bench");
    fs::create_dir_all(&folder)?;
    let model = folder.join("bigger.gguf");
    context
        .command(&synthetic)
        .args(["Q4_0"])
        .arg(&model)
        .arg("large")
        .run()?;
    let table = run(context, "bigger", &[("MANYHANDS_BIG_MODEL", &model)]);
    fs::remove_file(&model).with_context(|| format!("cannot remove {}", model.display()))?;
    table.map(Measured::Here)
}

fn run(context: &Context, name: &str, variables: &[(&str, &Path)]) -> Result<Table> {
    web::build(context, Profile::Release)?;
    let mut playwright = suites::playwright(context, relay::Build::Release)?;
    for (variable, value) in variables {
        playwright.env(variable, value);
    }
    playwright.args(["test", "--config", "bench.config.ts", &format!("{name}.bench.ts")]);
    let (success, output) = playwright.tee()?;
    ensure!(success, "the benchmark failed; see above");
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix(MARK))
        .context("the benchmark reported nothing")?;
    read(line)
}

#[derive(Deserialize)]
struct Report {
    columns: Vec<String>,
    rows: Vec<Vec<Reported>>,
    notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reported {
    Number { number: f64, decimals: usize },
    Text { text: String },
}

fn read(line: &str) -> Result<Table> {
    let report: Report = serde_json::from_str(line).context("the benchmark's report")?;
    let columns: Vec<&str> = report.columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&columns);
    for row in report.rows {
        table.row(row.into_iter().map(|cell| match cell {
            Reported::Number { number, decimals } => Cell::Number(number, decimals),
            Reported::Text { text } => Cell::Text(text),
        }));
    }
    for note in report.notes {
        table.note(note);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_report_becomes_a_table() {
        let line = r#"{"columns":["hops","tokens/s"],"rows":[[{"text":"two"},{"number":12.345,"decimals":1}]],"notes":["One machine."]}"#;
        let table = read(line).unwrap().to_string();
        assert!(
            table.contains("| two | 12.3 |") && table.ends_with("One machine.\n"),
            "{table}"
        );
        assert!(read("{}").is_err());
    }
}
