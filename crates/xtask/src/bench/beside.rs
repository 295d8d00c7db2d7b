//! The engine beside others, on the same seeded models: wllama in one Chromium, llama.cpp natively.
//! It keeps no model: each is made for the run, the same bytes every time.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Cell, Measured, Table};
use crate::command::Cmd;
use crate::context::Context;
use crate::relay::{self, Build};
use crate::tools::{self, NodePackages, Tool as _};
use crate::web::{self, Profile};

/// What people download: the old formats, and the one that most files are in.
const TYPES: [&str; 3] = ["Q4_0", "Q8_0", "Q4_K"];
/// Turns of each; the median is reported.
const ROUNDS: usize = 5;
/// What the prompt of the native comparison has, and what is generated after it.
const PROMPT_TOKENS: usize = 256;
const ANSWER_TOKENS: &str = "64";

/// Our compute worker beside wllama, one thread each.
pub(super) fn wllama(context: &Context) -> Result<Measured> {
    let folder = context.playwright().join("beside");
    let packages = NodePackages::new("packages of the comparison", folder.clone());
    if packages.check(context)?.is_none() {
        packages.install(context)?;
    }
    let chromium = tools::find_chromium(context).context("no Chromium: run `cargo xtask setup`")?;
    web::build(context, Profile::Release)?;
    let relay = relay::build(context, Build::Debug)?;
    let mut node = context.command("node");
    node.folder(&folder).args(["run.mjs", &ROUNDS.to_string()]);
    node.env("CHROMIUM", chromium)
        .env("MANYHANDS_RELAY_BIN", relay)
        .env("MANYHANDS_RELAY_APP", context.dist());
    for (ty, model) in models(context)? {
        node.arg(format!("{ty}={}", model.display()));
    }
    let (success, output) = node.tee()?;
    ensure!(success, "the comparison could not be run to the end; see above");
    let rows: Vec<Value> = output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    ensure!(
        rows.len() == TYPES.len(),
        "{} of {} models were measured",
        rows.len(),
        TYPES.len()
    );
    let mut table = compare("wllama", &rows)?;
    table.note(
        "One thread each in one headless Chromium. Ours is measured from the page through the worker and back, wllama \
         3.8.1 by its own clock.",
    );
    Ok(Measured::Here(table))
}

/// Our engine beside llama.cpp, through its Python package, where there is one.
pub(super) fn llama_cpp(context: &Context) -> Result<Measured> {
    let python = std::env::var_os("MANYHANDS_PYTHON").unwrap_or_else(|| "python3".into());
    if !context
        .command(&python)
        .args(["-c", "import llama_cpp"])
        .succeeds()
    {
        return Ok(Measured::LeftOut(
            "no llama-cpp-python: `pip install llama-cpp-python`, or name the Python that has it in MANYHANDS_PYTHON",
        ));
    }
    let generate = relay::engine_example(context, "generate", Build::Release)?;
    let ids: Vec<String> = (0..PROMPT_TOKENS)
        .map(|i| (300 + i * 7919 % 3500).to_string())
        .collect();
    let prompt = ids.join(",");
    let script = context.playwright().join("beside/beside_llama_cpp.py");
    let mut rows = Vec::new();
    for (ty, model) in models(context)? {
        let mut ours = context.command(&generate);
        ours.arg("--model")
            .arg(&model)
            .args(["--tokens", &prompt, "-n", ANSWER_TOKENS]);
        ours.args(["--backend", "cpu", "--ids", "--ignore-eos", "--time"]);
        let mut theirs = context.command(&python);
        theirs.arg(&script).arg(&model).args([&prompt, ANSWER_TOKENS]);
        let before = load();
        let mut runs = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            runs[0].push(speeds(&mut ours)?);
            runs[1].push(speeds(&mut theirs)?);
        }
        let [ours, theirs] = runs.map(median);
        rows.push(
            json!({"model": ty, "ours": ours, "llama.cpp": theirs, "load": before, "loadAfter": load()}),
        );
    }
    let mut table = compare("llama.cpp", &rows)?;
    table.note("One thread each, in processes of their own. llama.cpp as its package builds it for this machine; ours uses SSE2 alone.");
    Ok(Measured::Here(table))
}

fn compare(other: &str, rows: &[Value]) -> Result<Table> {
    let theirs_column = format!("{other}, tokens/s");
    let mut table = Table::new(&["model", "", "ours, tokens/s", &theirs_column, "ratio", "load"]);
    for row in rows {
        let name = row["model"].as_str().unwrap_or_default();
        let number = |value: &Value| {
            value
                .as_f64()
                .with_context(|| format!("{name} was measured in part: {row}"))
        };
        let load = format!(
            "{:.1} to {:.1}",
            number(&row["load"])?,
            number(&row["loadAfter"])?
        );
        for what in ["decode", "prefill"] {
            let (ours, theirs) = (number(&row["ours"][what])?, number(&row[other][what])?);
            table.row([
                name.into(),
                what.into(),
                Cell::Number(ours, 1),
                Cell::Number(theirs, 1),
                Cell::Number(ours / theirs, 2),
                load.clone().into(),
            ]);
        }
    }
    table.note(format!(
        "The seeded model has 79 M parameters: width 768, 12 layers. Prefill of {PROMPT_TOKENS} tokens, decoding of \
         {ANSWER_TOKENS}; both take turns, medians of {ROUNDS} rounds. On a busy machine, which the load shows, the ratio \
         holds better than either speed."
    ));
    Ok(table)
}

/// The two speeds that a program prints as one line of JSON, on whichever stream.
fn speeds(program: &mut Cmd) -> Result<[f64; 2]> {
    let output = program.inner().output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let mut objects = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let speed = objects
        .rfind(Value::is_object)
        .with_context(|| format!("{program} measured nothing: {said}"))?;
    let read = |key: &str| {
        speed[key]
            .as_f64()
            .with_context(|| format!("{program} does not say {key}"))
    };
    Ok([read("prompt_tokens_per_s")?, read("decode_tokens_per_s")?])
}

fn median(runs: Vec<[f64; 2]>) -> Value {
    let of = |which: usize| {
        let mut values: Vec<f64> = runs.iter().map(|run| run[which]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    json!({"prefill": of(0), "decode": of(1)})
}

/// The seeded models, made anew.
fn models(context: &Context) -> Result<Vec<(&'static str, PathBuf)>> {
    let folder = context.target.join("bench");
    fs::create_dir_all(&folder)?;
    context
        .cargo()
        .args(["build", "--locked", "--package", "gguf", "--example", "synthetic"])
        .run()?;
    let synthetic = context.target.join("debug/examples/synthetic");
    let make = |ty: &'static str| {
        let model = folder.join(format!("{ty}.gguf"));
        context.command(&synthetic).arg(ty).arg(&model).run()?;
        Ok((ty, model))
    };
    TYPES.into_iter().map(make).collect()
}

/// The load of the last minute.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_model_has_its_ratios_and_a_figure_that_is_missing_is_an_error() {
        let speeds = |decode: f64| json!({"decode": decode, "prefill": 100.0});
        let row = json!({"model": "Q4_0", "ours": speeds(50.0), "wllama": speeds(20.0), "load": 1.0, "loadAfter": 2.0});
        let table = compare("wllama", std::slice::from_ref(&row)).unwrap().to_string();
        assert!(
            table.contains("2.50") && table.contains("1.00") && table.contains("1.0 to 2.0"),
            "{table}"
        );
        assert!(compare("llama.cpp", &[row]).is_err());
        assert_eq!(
            median(vec![[1.0, 9.0], [3.0, 7.0], [2.0, 8.0]]),
            json!({"prefill": 2.0, "decode": 8.0})
        );
    }
}
