//! Bytes per second of each quantised product on the GPU beside a copy in the same run, as the kernels' own
//! example measures it.
//! It does not measure whole models.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Cell, Measured, Table};
use crate::context::Context;
use crate::relay::{self, Build};

/// Rows of the matrices measured, each of 4,096 columns.
const ROWS: [&str; 2] = ["4096", "14336"];

pub(super) fn measure(context: &Context) -> Result<Measured> {
    let bandwidth = relay::example(context, "kernels", "bandwidth", Build::Release)?;
    let mut table = Table::new(&["product", "GB/s of weights", "copy, GB/s", "share"]);
    let mut adapter = String::new();
    for rows in ROWS {
        let mut cmd = context.command(&bandwidth);
        let output = cmd.args(["--rows", rows]).inner().output()?;
        if !output.status.success() {
            return Ok(Measured::LeftOut("there is no gpu, nor a software one"));
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        adapter = said.lines().last().unwrap_or_default().to_owned();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let row: Value = serde_json::from_str(line).with_context(|| format!("{cmd} says {line}"))?;
            let value = |key: &str, decimals| {
                let value = row[key]
                    .as_f64()
                    .with_context(|| format!("{cmd} does not say {key}"))?;
                anyhow::Ok(Cell::Number(value, decimals))
            };
            let format = row["format"].as_str().unwrap_or_default();
            table.row([
                format!("{format}, {} x {}", row["rows"], row["cols"]).into(),
                value("product_gb_per_s", 2)?,
                value("copy_gb_per_s", 2)?,
                value("share", 2)?,
            ]);
        }
    }
    table.note(format!(
        "On {adapter}. The copy counts every byte twice, read and written; buffers rotate over 512 MiB."
    ));
    Ok(Measured::Here(table))
}
