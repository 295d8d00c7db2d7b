//! Bytes of weights per second on the GPU beside a copy in the same run, as the examples of the kernels and of the
//! engine measure them: each quantised product, and whole tokens of a model of 1.2 billion parameters.
//! It does not judge them, and does not choose the adapter.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Cell, Measured, Table};
use crate::command::Cmd;
use crate::context::Context;
use crate::relay::{self, Build};

/// Rows of the matrices measured, each of 4,096 columns.
const ROWS: [&str; 2] = ["4096", "14336"];

pub(super) fn measure(context: &Context) -> Result<Measured> {
    let bandwidth = relay::example(context, "kernels", "bandwidth", Build::Release)?;
    let mut table = Table::new(&["what", "GB/s of weights", "copy, GB/s", "share"]);
    for rows in ROWS {
        let mut cmd = context.command(&bandwidth);
        let Some(found) = run(cmd.args(["--rows", rows]))? else {
            return Ok(Measured::LeftOut("there is no gpu, nor a software one"));
        };
        for row in found.rows {
            let what = format!("{}, {} x {}", text(&row, "format"), row["rows"], row["cols"]);
            table.row(cells(what, &row, "product_gb_per_s")?);
        }
    }
    let decode = relay::engine_example(context, "decode", Build::Release)?;
    let found = run(&mut context.command(&decode))?.context("the adapter is gone")?;
    for row in found.rows {
        let what = format!("whole tokens, 1.2 B in {}", text(&row, "format"));
        table.row(cells(what, &row, "weights_gb_per_s")?);
        table.note(format!(
            "Whole tokens: {} a second of {} MiB each, in {} dispatches.",
            row["tokens_per_s"], row["mib_per_token"], row["dispatches"]
        ));
    }
    table.note(format!(
        "On {}. The copy counts every byte twice, read and written; buffers rotate over 512 MiB.",
        found.adapter
    ));
    Ok(Measured::Here(table))
}

/// What an example found.
struct Found {
    /// What computed, in its own words.
    adapter: String,
    rows: Vec<Value>,
}

/// Runs an example; nothing where it finds no adapter.
fn run(cmd: &mut Cmd) -> Result<Option<Found>> {
    let output = cmd
        .inner()
        .output()
        .with_context(|| format!("cannot start {cmd}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // The driver may have complained before.
    let Some(adapter) = said.lines().rfind(|line| line.starts_with("Adapter")) else {
        return Ok(None);
    };
    ensure!(
        output.status.success(),
        "{cmd} failed ({}): {said}",
        output.status
    );
    let rows = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("{cmd} says {line}")))
        .collect::<Result<_>>()?;
    Ok(Some(Found {
        adapter: adapter.to_owned(),
        rows,
    }))
}

fn cells(what: String, row: &Value, speed: &str) -> Result<[Cell; 4]> {
    let value = |key: &str| {
        let value = row[key].as_f64().with_context(|| format!("{what}: no {key}"))?;
        anyhow::Ok(Cell::Number(value, 2))
    };
    let (speed, copy, share) = (value(speed)?, value("copy_gb_per_s")?, value("share")?);
    Ok([what.into(), speed, copy, share])
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}
