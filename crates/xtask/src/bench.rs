//! `cargo xtask bench`: what can be measured on this machine, as one table and as JSON.
//! It does not compare with other projects; the figures name the machine they were taken on.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::context::Context;
use crate::relay::{self, Build};
use crate::web::{self, Profile, Sizes};
use crate::{models, setup};

/// Tokens per measurement: long enough that starting the program does not show.
const TOKENS: u32 = 256;

struct Figure {
    what: &'static str,
    value: f64,
    unit: &'static str,
}

/// Measures, prints, and writes the JSON where asked to.
///
/// # Errors
/// When something cannot be built or run, or the file cannot be written.
pub(crate) fn run(context: &Context, json: Option<&Path>) -> Result<()> {
    setup::run(context)?;
    let mut figures = engine(context)?;
    figures.extend(web_sizes(context)?);
    println!("\n{:<44} {:>14}  unit", "figure", "value");
    for Figure { what, value, unit } in &figures {
        println!("{what:<44} {value:>14.1}  {unit}");
    }
    if let Some(path) = json {
        let rows: Vec<Value> = figures
            .iter()
            .map(|row| json!({"what": row.what, "value": row.value, "unit": row.unit}))
            .collect();
        let text = serde_json::to_string_pretty(&json!({"machine": machine(), "figures": rows}))?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        println!("\nwritten to {}", path.display());
    }
    Ok(())
}

/// Native generation on the CPU: the difference of a long and a short run, so that loading does not count.
fn engine(context: &Context) -> Result<Vec<Figure>> {
    let Some(model) = models::shared(context, "stories260K-f32.gguf") else {
        println!("bench: no test model at ../shared/models: the engine is not measured");
        return Ok(Vec::new());
    };
    let generate = relay::engine_example(context, "generate", Build::Release)?;
    let timed = |tokens: u32| -> Result<f64> {
        let mut cmd = context.command(&generate);
        cmd.arg("--model")
            .arg(&model)
            .args(["--tokens", "1", "--backend", "cpu", "--ignore-eos", "--ids"]);
        let start = Instant::now();
        cmd.args(["-n", &tokens.to_string()]).output()?;
        Ok(start.elapsed().as_secs_f64())
    };
    timed(1)?;
    let (load, whole) = (timed(1)?, timed(TOKENS + 1)?);
    let per_second = f64::from(TOKENS) / (whole - load).max(f64::EPSILON);
    Ok(vec![
        Figure {
            what: "stories260K-f32, CPU, native: first token",
            value: load * 1e3,
            unit: "ms",
        },
        Figure {
            what: "stories260K-f32, CPU, native: generation",
            value: per_second,
            unit: "tokens/s",
        },
    ])
}

fn web_sizes(context: &Context) -> Result<Vec<Figure>> {
    web::build(context, Profile::Release)?;
    let sizes = Sizes::measure(&context.dist())?;
    let kib = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1024.0;
    Ok(vec![
        Figure {
            what: "web: first load (brotli)",
            value: kib(sizes.first_load),
            unit: "KiB",
        },
        Figure {
            what: "web: compute worker (brotli)",
            value: kib(sizes.compute),
            unit: "KiB",
        },
    ])
}

/// What the figures depend on.
fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split(": ").nth(1));
    json!({"os": std::env::consts::OS, "arch": std::env::consts::ARCH, "cores": cores, "cpu": model})
}
