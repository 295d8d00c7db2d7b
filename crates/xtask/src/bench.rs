//! `cargo xtask bench`: what can be measured on this machine, as one table and as JSON.
//! It does not compare with other projects; the figures name the machine they were taken on.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::context::Context;
use crate::relay::{self, Build};
use crate::web::{self, Profile, Sizes};
use crate::{models, setup};

/// The models beside the repository that are measured.
const MODELS: [&str; 3] = [
    "stories260K-f32.gguf",
    "stories260K-q8_0.gguf",
    "stories260K-q4_0.gguf",
];
/// Long enough that the first, slower tokens do not show, short enough for the models' context of 512.
const TOKENS: &str = "256";
/// Read at once, so that the prompt's speed is that of a prompt and not of a token.
const PROMPT: &str = "Once upon a time there was a little girl who lived in a house near the sea. Every day she went \
                      to the beach to look for shells, and every day the sea had brought new ones. One day she found";

struct Figure {
    what: String,
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

/// Native generation on the CPU, as the engine's own example measures it.
fn engine(context: &Context) -> Result<Vec<Figure>> {
    let present: Vec<_> = MODELS
        .iter()
        .filter_map(|name| Some((name, models::shared(context, name)?)))
        .collect();
    if present.is_empty() {
        println!("bench: no models beside the repository: the engine is not measured");
        return Ok(Vec::new());
    }
    let generate = relay::engine_example(context, "generate", Build::Release)?;
    let mut figures = Vec::new();
    for (name, model) in present {
        let mut cmd = context.command(&generate);
        cmd.arg("--model")
            .arg(&model)
            .args(["--prompt", PROMPT, "-n", TOKENS, "--backend", "cpu"]);
        let output = cmd.args(["--ids", "--ignore-eos", "--time"]).inner().output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let speed: Value = said
            .lines()
            .find_map(|line| serde_json::from_str(line).ok())
            .with_context(|| format!("{cmd} measured nothing: {said}"))?;
        for (key, what) in [
            ("prompt_tokens_per_s", "prompt"),
            ("decode_tokens_per_s", "generation"),
        ] {
            let value = speed[key]
                .as_f64()
                .with_context(|| format!("{cmd} does not say {key}"))?;
            figures.push(Figure {
                what: format!("{name}, native, CPU: {what}"),
                value,
                unit: "tokens/s",
            });
        }
    }
    Ok(figures)
}

fn web_sizes(context: &Context) -> Result<Vec<Figure>> {
    web::build(context, Profile::Release)?;
    let sizes = Sizes::measure(&context.dist())?;
    let kib = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1024.0;
    Ok(vec![
        Figure {
            what: "web: first load (brotli)".to_owned(),
            value: kib(sizes.first_load),
            unit: "KiB",
        },
        Figure {
            what: "web: compute worker (brotli)".to_owned(),
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
