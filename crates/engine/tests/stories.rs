//! The shared 260 K model end to end: its golden story, every cut, every batch, every wire.
//! Does nothing, and says so, where the shared models are not there.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../examples/support/mod.rs"]
mod support;

use engine::{BackendKind, EngineError, Input, Output, Sampling, Shard, Tokenizer, Want, WireType};
use gguf::{Header, LayerRange, Stage};
use support::{FileWeights, block_on, shared};

const CPU: BackendKind = BackendKind::Cpu;

/// The stages of a model cut before the given layers, with session 0 open in each.
struct Chain(Vec<Shard>);

impl Chain {
    fn load(model: &str, cuts: &[u32]) -> Option<Chain> {
        let (header, mut weights) =
            FileWeights::open(&shared(&format!("models/stories260K-{model}.gguf"))?).unwrap();
        let bounds = [&[0], cuts, &[5]].concat();
        let mut load = |pair: &[u32]| {
            let stage = Stage::of(LayerRange::new(pair[0], pair[1]).unwrap(), 5);
            let mut shard = block_on(Shard::load(&header, stage, &mut weights, CPU)).unwrap();
            shard.open(0, 512).unwrap();
            shard
        };
        Some(Chain(bounds.windows(2).map(&mut load).collect()))
    }

    fn step(&mut self, wire: WireType, first: u32, tokens: &[u32], want: Want<'_>) -> Output {
        let (last, before) = self.0.split_last_mut().unwrap();
        let mut bytes = Vec::new();
        for (index, stage) in before.iter_mut().enumerate() {
            let input = if index == 0 {
                Input::Tokens(tokens)
            } else {
                Input::Hidden { wire, bytes: &bytes }
            };
            let Output::Hidden(out) = block_on(stage.step(0, first, input, Want::Hidden(wire))).unwrap()
            else {
                panic!()
            };
            bytes = out;
        }
        let input = if before.is_empty() {
            Input::Tokens(tokens)
        } else {
            Input::Hidden { wire, bytes: &bytes }
        };
        block_on(last.step(0, first, input, want)).unwrap()
    }

    /// Logits of every position, computed in chunks.
    fn logits(&mut self, wire: WireType, first: u32, tokens: &[u32], chunk: usize) -> Vec<f32> {
        let mut logits = Vec::new();
        for (index, tokens) in tokens.chunks(chunk).enumerate() {
            let rows: Vec<u32> = (0..tokens.len() as u32).collect();
            let first = first + (index * chunk) as u32;
            let Output::Logits(more) = self.step(wire, first, tokens, Want::Logits(&rows)) else {
                panic!()
            };
            logits.extend(more);
        }
        logits
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn best(logits: &[f32]) -> u32 {
    Sampling::default().choose(logits, 0, &[]).unwrap()
}

fn golden() -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(shared("models/stories260K-golden.json")?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn golden_ids() -> Option<Vec<u32>> {
    let ids = golden()?["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect();
    Some(ids)
}

/// BOS and a story long enough for every chunk size.
fn story(tokenizer: &Tokenizer) -> Option<Vec<u32>> {
    let text = golden()?["text"].as_str().unwrap().to_owned();
    let mut ids = tokenizer.encode(&text, true);
    ids.extend_from_within(1..);
    ids.truncate(300);
    Some(ids)
}

fn story_of_shared_model() -> Option<Vec<u32>> {
    let (header, _) = FileWeights::open(&shared("models/stories260K-f32.gguf")?).unwrap();
    story(&Tokenizer::from_header(&header).unwrap())
}

#[test]
fn the_golden_story_comes_out_word_for_word() {
    let (Some(mut chain), Some(golden)) = (Chain::load("f32", &[]), golden()) else {
        return;
    };
    let (header, _) = FileWeights::open(&shared("models/stories260K-f32.gguf").unwrap()).unwrap();
    let tokenizer = Tokenizer::from_header(&header).unwrap();
    let wanted = golden["text"].as_str().unwrap();
    let mut tokens = vec![1];
    while tokenizer.decode(&tokens).len() < wanted.trim_end().len() {
        let position = tokens.len() as u32 - 1;
        let logits = chain.logits(WireType::F32, position, &tokens[position as usize..], 1);
        if position == 0 {
            for (id, logit) in golden["step0_top5"]["ids"]
                .as_array()
                .unwrap()
                .iter()
                .zip(golden["step0_top5"]["logits"].as_array().unwrap())
            {
                let found = f64::from(logits[id.as_u64().unwrap() as usize]);
                assert!(
                    (found - logit.as_f64().unwrap()).abs() < 1e-3,
                    "{id}: {found} instead of {logit}"
                );
            }
        }
        tokens.push(best(&logits));
    }
    assert_eq!(tokens[1..33], golden_ids().unwrap());
    assert_eq!(tokenizer.decode(&tokens), wanted.trim_end());
}

#[test]
fn quantised_files_agree_with_the_story_nearly_always() {
    let Some(ids) = golden_ids() else { return };
    for (model, least) in [("q8_0", 30), ("q4_0", 26)] {
        let mut chain = Chain::load(model, &[]).unwrap();
        let tokens = [&[1], &ids[..31]].concat();
        let logits = chain.logits(WireType::F32, 0, &tokens, 32);
        let agreed = logits
            .chunks(512)
            .zip(&ids)
            .filter(|(logits, id)| best(logits) == **id)
            .count();
        eprintln!(
            "{model}: {agreed} of {} tokens agree with f32 under forced decoding",
            ids.len()
        );
        assert!(agreed >= least, "{model}: {agreed}");
    }
}

#[test]
fn every_cut_gives_the_bits_of_the_whole() {
    let Some(tokens) = story_of_shared_model() else {
        return;
    };
    for model in ["f32", "q8_0", "q4_0"] {
        let whole = bits(
            &Chain::load(model, &[])
                .unwrap()
                .logits(WireType::F32, 0, &tokens, 64),
        );
        for mask in 1..16u32 {
            let cuts: Vec<u32> = (1..5).filter(|layer| mask & (1 << (layer - 1)) != 0).collect();
            let sharded = Chain::load(model, &cuts)
                .unwrap()
                .logits(WireType::F32, 0, &tokens, 64);
            assert!(bits(&sharded) == whole, "{model} cut before {cuts:?}");
        }
    }
}

#[test]
fn narrow_wires_cost_what_they_say() {
    let Some(tokens) = story_of_shared_model() else {
        return;
    };
    for model in ["f32", "q8_0", "q4_0"] {
        let whole = Chain::load(model, &[])
            .unwrap()
            .logits(WireType::F32, 0, &tokens, 64);
        for (wire, most) in [(WireType::F16, 1e-3), (WireType::Q8, 1e-2)] {
            for mask in 1..16u32 {
                let cuts: Vec<u32> = (1..5).filter(|layer| mask & (1 << (layer - 1)) != 0).collect();
                let found = Chain::load(model, &cuts).unwrap().logits(wire, 0, &tokens, 64);
                let error: f64 = found
                    .iter()
                    .zip(&whole)
                    .map(|(a, b)| f64::from(a - b).powi(2))
                    .sum();
                let nmse = error / whole.iter().map(|b| f64::from(*b).powi(2)).sum::<f64>();
                let agreed = found
                    .chunks(512)
                    .zip(whole.chunks(512))
                    .filter(|(a, b)| best(a) == best(b))
                    .count();
                let share = agreed as f64 / tokens.len() as f64;
                eprintln!(
                    "{model} over {wire:?}, cut before {cuts:?}: agreement {share:.3}, NMSE {nmse:.1e}"
                );
                assert!(
                    nmse < most && share > 0.9,
                    "{model} {wire:?} {cuts:?}: {share} {nmse}"
                );
            }
        }
    }
}

#[test]
fn a_position_has_the_same_bits_alone_in_any_chunk_and_after_truncation() {
    let Some(tokens) = story_of_shared_model() else {
        return;
    };
    for model in ["f32", "q8_0", "q4_0"] {
        let mut chain = Chain::load(model, &[]).unwrap();
        let alone = bits(&chain.logits(WireType::F32, 0, &tokens, 1));
        for chunk in [2, 7, 64, 256] {
            let found = Chain::load(model, &[])
                .unwrap()
                .logits(WireType::F32, 0, &tokens, chunk);
            assert!(bits(&found) == alone, "{model} in chunks of {chunk}");
        }
        // Rejected speculation: something else was there, the same positions come again.
        chain.logits(WireType::F32, 200, &[7; 40], 40);
        let again = chain.logits(WireType::F32, 150, &tokens[150..], 13);
        assert!(bits(&again) == alone[150 * 512..], "{model} after truncation");
        chain.0[0].truncate(0, 3).unwrap();
        assert_eq!(chain.0[0].length(0).unwrap(), 3);
        let again = chain.logits(WireType::F32, 3, &tokens[3..], 64);
        assert!(
            bits(&again) == alone[3 * 512..],
            "{model} after an explicit truncation"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_tokens_on_any_cut_and_in_one_step_or_many() {
    let Some(tokens) = story_of_shared_model() else {
        return;
    };
    let sampling = Sampling {
        temperature: 0.9,
        top_k: 40,
        top_p: 0.95,
        min_p: 0.02,
        repeat_penalty: 1.1,
        seed: 42,
    };
    let sample = |chain: &mut Chain, first: u32, tokens: &[u32], rows: &[u32], history: &[u32]| {
        let want = Want::Sample {
            rows,
            sampling: &sampling,
            history,
        };
        let Output::Tokens(tokens) = chain.step(WireType::F32, first, tokens, want) else {
            panic!()
        };
        tokens
    };
    let mut streams = Vec::new();
    for cuts in [&[][..], &[2], &[1, 3, 4]] {
        let mut chain = Chain::load("q8_0", cuts).unwrap();
        let mut stream = tokens[..10].to_vec();
        stream.extend(sample(&mut chain, 0, &tokens[..10], &[9], &tokens[..10]));
        while stream.len() < 60 {
            let position = stream.len() as u32 - 1;
            let next = sample(&mut chain, position, &stream[position as usize..], &[0], &stream);
            stream.extend(next);
        }
        // All of it again in one step, as verified speculation: the same token after each position.
        let rows: Vec<u32> = (9..59).collect();
        assert_eq!(
            sample(&mut chain, 0, &stream[..59], &rows, &stream[..59]),
            stream[10..60]
        );
        streams.push(stream);
    }
    assert!(streams.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn wrong_steps_are_refused_by_name_and_change_nothing() {
    let Some(mut chain) = Chain::load("f32", &[2]) else {
        return;
    };
    let tokens = [1, 403, 407];
    let Output::Logits(before) = chain.step(WireType::F32, 0, &tokens, Want::Logits(&[2])) else {
        panic!()
    };
    let (first, last) = chain.0.split_at_mut(1);
    let (first, last) = (&mut first[0], &mut last[0]);
    let rows = vec![0u8; WireType::F32.row_bytes(64)];
    let hidden = Input::Hidden {
        wire: WireType::F32,
        bytes: &rows,
    };
    let check = |shard: &mut Shard, session, position, input: Input<'_>, want: Want<'_>, expect: &str| {
        let error = block_on(shard.step(session, position, input, want))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{error} instead of {expect}");
    };
    check(
        first,
        9,
        0,
        Input::Tokens(&[1]),
        Want::Nothing,
        "session 9 is not open",
    );
    check(
        first,
        0,
        0,
        Input::Tokens(&[]),
        Want::Nothing,
        "at least one position",
    );
    check(
        first,
        0,
        0,
        Input::Tokens(&[1, 512]),
        Want::Nothing,
        "token id 512 is outside the vocabulary of 512",
    );
    check(
        first,
        0,
        4,
        Input::Tokens(&[1]),
        Want::Nothing,
        "starts at position 4, but the cache ends at 3",
    );
    check(
        first,
        0,
        3,
        Input::Tokens(&[1; 510]),
        Want::Nothing,
        "positions 3..513 are beyond the cache of 512",
    );
    check(
        first,
        0,
        u32::MAX,
        Input::Tokens(&[1]),
        Want::Nothing,
        "cache ends at 3",
    );
    check(first, 0, 3, hidden, Want::Nothing, "it embeds tokens");
    check(
        first,
        0,
        3,
        Input::Tokens(&[1]),
        Want::Logits(&[0]),
        "lacks the head",
    );
    check(last, 0, 3, Input::Tokens(&[1]), Want::Nothing, "embed tokens");
    check(last, 0, 3, hidden, Want::Hidden(WireType::F16), "has the head");
    check(
        last,
        0,
        3,
        hidden,
        Want::Logits(&[1]),
        "row 1 is asked for in a step of 1 rows",
    );
    let torn = Input::Hidden {
        wire: WireType::F16,
        bytes: &rows[1..],
    };
    check(last, 0, 3, torn, Want::Nothing, "no whole rows");
    let mut poisoned = vec![0u8; WireType::F32.row_bytes(64) * 100];
    poisoned[99 * 256..99 * 256 + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    check(
        last,
        0,
        0,
        Input::Hidden {
            wire: WireType::F32,
            bytes: &poisoned,
        },
        Want::Nothing,
        "value 0 of row 99",
    );
    let hot = Sampling {
        temperature: f32::NAN,
        ..Sampling::default()
    };
    let want = Want::Sample {
        rows: &[0],
        sampling: &hot,
        history: &[],
    };
    check(last, 0, 3, hidden, want, "temperature");
    assert_eq!((first.length(0).unwrap(), last.length(0).unwrap()), (3, 3));
    let Output::Logits(after) = chain.step(WireType::F32, 2, &tokens[2..], Want::Logits(&[0])) else {
        panic!()
    };
    assert_eq!(bits(&after), bits(&before));
}

#[test]
fn sessions_are_bounded_apart_and_reusable() {
    let Some(mut chain) = Chain::load("f32", &[]) else {
        return;
    };
    let shard = &mut chain.0[0];
    let refused = |result: Result<(), EngineError>, expect: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    refused(shard.open(0, 8), "open already");
    refused(shard.open(1, 513), "513 positions asked for, at most 512");
    refused(shard.open(1, 0), "0 positions");
    for session in 1..engine::MAX_SESSIONS as u64 {
        shard.open(session, 4).unwrap();
    }
    refused(shard.open(99, 4), "64 sessions are open");
    let mut logits = |session, token| {
        block_on(shard.step(session, 0, Input::Tokens(&[1, token]), Want::Logits(&[1]))).unwrap()
    };
    let (a, b) = (logits(1, 403), logits(2, 7));
    assert_ne!(a, b);
    assert_eq!(logits(3, 403), a, "sessions do not see each other");
    shard.close(1);
    shard.close(1);
    shard.open(99, 4).unwrap();
    assert_eq!(shard.length(99).unwrap(), 0);
}

#[test]
fn stages_outside_the_model_and_damaged_sources_are_refused() {
    let Some(path) = shared("models/stories260K-f32.gguf") else {
        return;
    };
    let bytes = std::fs::read(&path).unwrap();
    let header = Header::read(bytes.as_slice(), bytes.len() as u64).unwrap();
    let load = |first, end, embed, head, mut source: &[u8]| {
        let stage = Stage {
            embed,
            layers: LayerRange::new(first, end).unwrap(),
            head,
        };
        block_on(Shard::load(&header, stage, &mut source, CPU))
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(load(1, 3, false, false, &bytes), "");
    assert!(load(0, 6, true, true, &bytes).contains("layers 0..6 does not fit a model of 5 layers"));
    assert!(load(1, 5, true, true, &bytes).contains("embedding + head + layers 1..5"));
    assert!(load(0, 4, true, true, &bytes).contains("head"));
    assert!(load(4, 5, false, true, &bytes[..bytes.len() - 9]).contains("end before it"));
    let mut damaged = bytes.clone();
    let norm = header.tensor("blk.4.ffn_norm.weight").unwrap().offset_bytes as usize;
    damaged[norm + 8..norm + 12].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let error = load(4, 5, false, true, &damaged);
    assert!(
        error.contains("blk.4.ffn_norm.weight: block 2 of the weights is not finite"),
        "{error}"
    );
    assert_eq!(
        load(0, 4, true, false, &damaged),
        "",
        "another stage never sees it"
    );
}
