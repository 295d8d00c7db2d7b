//! Native generation on the CPU, as the engine's own example measures it.
//! It does not compare with other engines.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Cell, Measured, Table};
use crate::context::Context;
use crate::models;
use crate::relay::{self, Build};

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

pub(super) fn measure(context: &Context) -> Result<Measured> {
    let present: Vec<_> = MODELS
        .iter()
        .filter_map(|name| Some((*name, models::shared(context, name)?)))
        .collect();
    if present.is_empty() {
        return Ok(Measured::LeftOut("there are no models beside the repository"));
    }
    let generate = relay::engine_example(context, "generate", Build::Release)?;
    let mut table = Table::new(&["model", "prompt, tokens/s", "generation, tokens/s"]);
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
        let value = |key: &str| {
            let value = speed[key]
                .as_f64()
                .with_context(|| format!("{cmd} does not say {key}"))?;
            anyhow::Ok(Cell::Number(value, 0))
        };
        table.row([
            name.into(),
            value("prompt_tokens_per_s")?,
            value("decode_tokens_per_s")?,
        ]);
    }
    Ok(Measured::Here(table))
}
