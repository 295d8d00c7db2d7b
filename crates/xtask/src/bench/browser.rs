//! Benchmarks that run in the browser: `playwright/bench/NAME.bench.ts`, started here, its table read from its output.
//! It does not measure.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{Cell, Measured, Table};
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
    web::build(context, Profile::Release)?;
    let mut playwright = suites::playwright(context, relay::Build::Release)?;
    playwright.args(["test", "--config", "bench.config.ts", &format!("{name}.bench.ts")]);
    let (success, output) = playwright.tee()?;
    ensure!(success, "the benchmark failed; see above");
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix(MARK))
        .context("the benchmark reported nothing")?;
    Ok(Measured::Here(read(line)?))
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
