//! Continues a text with a GGUF model, whole or cut into stages, on one thread of this machine.
//! Does not chat: the prompt is raw text, without a template.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)] // a shell

mod support;

use std::io::Write;
use std::rc::Rc;
use std::time::Instant;

use engine::{BackendKind, Choice, Decoder, Gpu, Input, Output, Sampling, Shard, Tokenizer, Want, WireType};
use gguf::{Header, LayerRange, Stage};
use support::{Failure, FileWeights, block_on};

const USAGE: &str =
    "usage: generate --model FILE [--prompt TEXT | --tokens 1,403,…] [--backend cpu|gpu] [--split 2,4]
    [--wire f32|f16|q8] [-n 32] [--ids] [--logits] [--temperature 0] [--top-k 0] [--top-p 1] [--min-p 0]
    [--repeat-penalty 1] [--seed 1] [--ignore-eos] [--forced IDS.json] [--time]";

struct Options {
    model: String,
    prompt: Option<String>,
    tokens: Option<Vec<u32>>,
    backend: BackendKind,
    split: Vec<u32>,
    wire: WireType,
    count: u32,
    ids: bool,
    logits: bool,
    ignore_eos: bool,
    forced: Option<String>,
    time: bool,
    sampling: Sampling,
}

fn main() -> Result<(), Failure> {
    let options = parse(std::env::args().skip(1))?;
    let (header, mut weights) = FileWeights::open(&options.model)?;
    let tokenizer = Tokenizer::from_header(&header)?;
    let prompt = prompt(&options, &tokenizer)?;
    let config = header.config()?;
    let mut stages = Vec::new();
    let gpu = match options.backend {
        BackendKind::Cpu => None,
        BackendKind::Gpu => Some(Rc::new(block_on(Gpu::open(Choice::Any))?)),
    };
    if let (true, Some(gpu)) = (options.time, &gpu) {
        eprintln!("{:?}", gpu.adapter());
    }
    for stage in cut(&options.split, config.n_layers)? {
        stages.push(match &gpu {
            Some(gpu) => block_on(Shard::load_on(&header, stage, &mut weights, Rc::clone(gpu)))?,
            None => block_on(Shard::load(&header, stage, &mut weights, options.backend))?,
        });
    }
    let mut chain = Chain {
        stages,
        wire: options.wire,
    };
    match &options.forced {
        Some(file) => forced(&options, &mut chain, &prompt, file),
        None => generate(&options, &mut chain, &header, &tokenizer, prompt),
    }
}

fn generate(
    options: &Options,
    chain: &mut Chain,
    header: &Header,
    tokenizer: &Tokenizer,
    prompt: Vec<u32>,
) -> Result<(), Failure> {
    let config = header.config()?;
    // The last token is not fed back, so it needs no position.
    let count = (u64::from(config.context) + 1)
        .saturating_sub(prompt.len() as u64)
        .min(options.count.into());
    chain.open((prompt.len() as u64 + count).saturating_sub(1))?;
    // A text that begins with the prompt's end has no leading space of its own to keep.
    let from_nothing = prompt.iter().all(|id| tokenizer.is_control(*id));
    let mut decoder = if from_nothing {
        Decoder::at_start()
    } else {
        Decoder::continuing()
    };
    let (mut tokens, mut new, mut position) = (prompt.clone(), prompt.clone(), 0);
    let mut printed = Vec::new();
    let started = Instant::now();
    let mut first_token_s = 0.0;
    let mut out = std::io::stdout().lock();
    for step in 0..count {
        let logits = chain.logits(position, &new, &[new.len() as u32 - 1])?;
        position += new.len() as u32;
        let token = options.sampling.choose(&logits, position, &tokens)?;
        if step == 0 {
            first_token_s = started.elapsed().as_secs_f64();
        }
        if options.logits {
            let (ids, values) = best(&logits, 5);
            writeln!(
                out,
                "{}",
                serde_json::json!({"step": step, "token": token, "ids": ids, "logits": values})
            )?;
        }
        if tokenizer.is_end(token) && !options.ignore_eos {
            break;
        }
        tokens.push(token);
        printed.push(token);
        new = vec![token];
        if !options.ids && !options.logits {
            write!(out, "{}", decoder.push(tokenizer, token))?;
            out.flush()?;
        }
    }
    if options.ids {
        let ids: Vec<String> = printed.iter().map(u32::to_string).collect();
        writeln!(out, "{}", ids.join(","))?;
    } else if !options.logits {
        writeln!(out, "{}", decoder.finish())?;
    }
    if options.time {
        let decode_s = started.elapsed().as_secs_f64() - first_token_s;
        let rate = |tokens: usize, seconds: f64| tokens as f64 / seconds.max(1e-9);
        let mut speed = serde_json::json!({
            "prompt_tokens": prompt.len(),
            "prompt_tokens_per_s": rate(prompt.len(), first_token_s),
            "decode_tokens_per_s": rate(printed.len().saturating_sub(1), decode_s),
        });
        if options.backend == BackendKind::Gpu {
            let costs = chain.stages.iter().map(Shard::gpu_cost);
            let dispatches: u32 = costs.map(|cost| cost.layer_dispatches).sum();
            speed["dispatches_per_layer"] = (f64::from(dispatches) / f64::from(config.n_layers)).into();
            speed["kernels"] = chain.stages.iter().map(Shard::kernel_variants).collect();
        }
        eprintln!("{speed}");
    }
    Ok(())
}

/// Feeds the ids of a list one after the other and counts how often the likeliest token is the next.
fn forced(options: &Options, chain: &mut Chain, prompt: &[u32], file: &str) -> Result<(), Failure> {
    let ids: Vec<u32> = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    chain.open((prompt.len() + ids.len()) as u64)?;
    let (mut new, mut position, mut agreed) = (prompt.to_vec(), 0, 0);
    for (step, id) in ids.iter().enumerate() {
        let logits = chain.logits(position, &new, &[new.len() as u32 - 1])?;
        position += new.len() as u32;
        let (best, values) = best(&logits, 5);
        agreed += usize::from(best[0] == *id);
        if options.logits {
            println!(
                "{}",
                serde_json::json!({"step": step, "token": id, "ids": best, "logits": values})
            );
        }
        new = vec![*id];
    }
    let agreement = agreed as f64 / ids.len().max(1) as f64;
    println!(
        "{}",
        serde_json::json!({"agreement": agreement, "agreed": agreed, "of": ids.len()})
    );
    Ok(())
}

/// The stages of one model, each handing its hidden states to the next.
struct Chain {
    stages: Vec<Shard>,
    wire: WireType,
}

impl Chain {
    fn open(&mut self, positions: u64) -> Result<(), Failure> {
        let positions = u32::try_from(positions)?.max(1);
        for stage in &mut self.stages {
            stage.open(0, positions)?;
        }
        Ok(())
    }

    fn logits(&mut self, first: u32, tokens: &[u32], rows: &[u32]) -> Result<Vec<f32>, Failure> {
        let mut hidden: Option<Vec<u8>> = None;
        let last = self.stages.len() - 1;
        for (index, stage) in self.stages.iter_mut().enumerate() {
            let input = match &hidden {
                None => Input::Tokens(tokens),
                Some(bytes) => Input::Hidden {
                    wire: self.wire,
                    bytes,
                },
            };
            let want = if index == last {
                Want::Logits(rows)
            } else {
                Want::Hidden(self.wire)
            };
            match block_on(stage.step(0, first, input, want))? {
                Output::Hidden(bytes) => hidden = Some(bytes),
                Output::Logits(logits) => return Ok(logits),
                other => return Err(format!("a stage answered {other:?}").into()),
            }
        }
        Err("the last stage gave no logits".into())
    }
}

fn prompt(options: &Options, tokenizer: &Tokenizer) -> Result<Vec<u32>, Failure> {
    let mut ids = match (&options.tokens, &options.prompt) {
        (Some(ids), _) => ids.clone(),
        (None, prompt) => tokenizer.encode(prompt.as_deref().unwrap_or_default(), true),
    };
    if ids.is_empty() {
        ids.extend(tokenizer.bos());
    }
    if ids.is_empty() {
        Err("the prompt is empty and the model has no BOS".into())
    } else {
        Ok(ids)
    }
}

fn cut(split: &[u32], n_layers: u32) -> Result<Vec<Stage>, Failure> {
    let mut bounds = vec![0];
    bounds.extend(split);
    bounds.push(n_layers);
    let range = |pair: &[u32]| Ok(Stage::of(LayerRange::new(pair[0], pair[1])?, n_layers));
    bounds.windows(2).map(range).collect()
}

fn best(logits: &[f32], count: usize) -> (Vec<u32>, Vec<f32>) {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
    order.truncate(count);
    let values = order.iter().map(|id| logits[*id as usize]).collect();
    (order, values)
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options {
        model: String::new(),
        prompt: None,
        tokens: None,
        backend: BackendKind::Cpu,
        split: Vec::new(),
        wire: WireType::F32,
        count: 32,
        ids: false,
        logits: false,
        ignore_eos: false,
        forced: None,
        time: false,
        sampling: Sampling {
            seed: 1,
            ..Sampling::default()
        },
    };
    while let Some(flag) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{flag} needs a value\n{USAGE}"))
        };
        match flag.as_str() {
            "--model" => options.model = value()?,
            "--prompt" => options.prompt = Some(value()?),
            "--tokens" => options.tokens = Some(numbers(&value()?)?),
            "--split" => options.split = numbers(&value()?)?,
            "-n" => options.count = value()?.parse()?,
            "--ids" => options.ids = true,
            "--logits" => options.logits = true,
            "--ignore-eos" => options.ignore_eos = true,
            "--time" => options.time = true,
            "--forced" => options.forced = Some(value()?),
            "--temperature" => options.sampling.temperature = value()?.parse()?,
            "--top-k" => options.sampling.top_k = value()?.parse()?,
            "--top-p" => options.sampling.top_p = value()?.parse()?,
            "--min-p" => options.sampling.min_p = value()?.parse()?,
            "--repeat-penalty" => options.sampling.repeat_penalty = value()?.parse()?,
            "--seed" => options.sampling.seed = value()?.parse()?,
            "--backend" => {
                options.backend = match value()?.as_str() {
                    "cpu" => BackendKind::Cpu,
                    "gpu" => BackendKind::Gpu,
                    other => return Err(format!("backend {other} is neither cpu nor gpu").into()),
                }
            }
            "--wire" => {
                options.wire = match value()?.as_str() {
                    "f32" => WireType::F32,
                    "f16" => WireType::F16,
                    "q8" => WireType::Q8,
                    other => return Err(format!("wire {other} is none of f32, f16, q8").into()),
                }
            }
            "--help" | "-h" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            other => return Err(format!("unknown option {other}\n{USAGE}").into()),
        }
    }
    if options.model.is_empty() {
        Err(format!("--model is missing\n{USAGE}").into())
    } else {
        Ok(options)
    }
}

fn numbers(list: &str) -> Result<Vec<u32>, Failure> {
    let numbers = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    numbers
        .map(|item| item.parse().map_err(|_| format!("{item} is no number").into()))
        .collect()
}
