//! A trained model as a GGUF file: weights in F32, F16 or Q8_0, vocabulary, chat template, who it is.
//! Does not decide what the file says about itself: the caller hands it over.

use std::path::Path;

use engine::Tokenizer;
use gguf::write::Writer;
use gguf::{Header, Strings, TensorType};
use half::f16;

use crate::bpe::{CONTROLS, Vocabulary};
use crate::shape::Shape;
use crate::{Model, TrainError};

/// How messages become a prompt: the last three alone, so that a long conversation stays within what was learnt.
pub const CHAT_TEMPLATE: &str = "{% for message in messages[-3:] %}\
{% if message.role == 'user' %}<|user|>{{ message.content | trim }}<|end|>\
{% elif message.role == 'assistant' %}<|assistant|>{{ message.content | trim }}<|end|>\
{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

/// Values of one Q8_0 block.
const BLOCK: usize = 32;

/// How matrices are written; norms are always F32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// As they were learnt.
    F32,
    /// Half of the size.
    F16,
    /// A quarter: a scale and 32 signed bytes per block.
    Q8,
}

/// What a file says about itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// `general.name`
    pub name: String,
    /// `general.license`, an SPDX expression.
    pub license: String,
    /// `general.description`
    pub description: String,
}

/// The whole file.
///
/// # Errors
/// What the writer says of names and sizes.
pub fn gguf(
    model: &Model,
    vocabulary: &Vocabulary,
    about: &About,
    precision: Precision,
) -> Result<Writer, TrainError> {
    let mut file = Writer::new();
    file.set("general.architecture", "llama")?
        .set("general.name", about.name.as_str())?
        .set("general.license", about.license.as_str())?
        .set("general.description", about.description.as_str())?;
    keys(&mut file, model.shape())?;
    vocabulary_keys(&mut file, vocabulary)?;
    file.set("tokenizer.chat_template", CHAT_TEMPLATE)?;
    for ((name, dims), values) in model.shape().tensors().into_iter().zip(model.values()?) {
        let ty = match (dims.len(), precision) {
            (1, _) | (_, Precision::F32) => TensorType::F32,
            (_, Precision::F16) => TensorType::F16,
            (_, Precision::Q8) => TensorType::Q8_0,
        };
        let dims: Vec<u64> = dims.iter().rev().map(|dim| *dim as u64).collect();
        file.tensor(&name, ty, &dims, encode(ty, &values))?;
    }
    Ok(file)
}

/// Writes a file so that a failure leaves what was there.
///
/// # Errors
/// [`TrainError::File`].
pub fn save(file: &Writer, path: &Path) -> Result<(), TrainError> {
    let next = path.with_extension("gguf.tmp");
    let write = || {
        let mut out = std::io::BufWriter::new(std::fs::File::create(&next)?);
        file.write(&mut out)?;
        out.into_inner().map_err(|error| error.into_error())?.sync_all()
    };
    write().map_err(TrainError::file(&next))?;
    std::fs::rename(&next, path).map_err(TrainError::file(path))
}

/// The engine's tokenizer for a vocabulary: training and answering cut text alike because this is the only one.
///
/// # Errors
/// What the reader says of the vocabulary.
pub fn tokenizer(vocabulary: &Vocabulary) -> Result<Tokenizer, TrainError> {
    let mut file = Writer::new();
    file.set("general.architecture", "llama")?;
    vocabulary_keys(&mut file, vocabulary)?;
    let bytes = file.to_bytes();
    let header = Header::read_vocabulary(bytes.as_slice(), bytes.len() as u64)?;
    Ok(Tokenizer::from_header(&header)?)
}

fn keys(file: &mut Writer, shape: &Shape) -> Result<(), TrainError> {
    let numbers = [
        ("llama.block_count", shape.n_layers),
        ("llama.context_length", shape.context),
        ("llama.embedding_length", shape.d_model),
        ("llama.feed_forward_length", shape.d_ffn),
        ("llama.attention.head_count", shape.n_heads),
        ("llama.attention.head_count_kv", shape.n_kv_heads),
        ("llama.rope.dimension_count", shape.head_dim()),
        ("llama.vocab_size", shape.vocab),
    ];
    for (name, number) in numbers {
        file.set(name, number)?;
    }
    file.set("llama.attention.layer_norm_rms_epsilon", shape.rms_eps)?
        .set("llama.rope.freq_base", shape.rope_base)?;
    Ok(())
}

fn vocabulary_keys(file: &mut Writer, vocabulary: &Vocabulary) -> Result<(), TrainError> {
    const NORMAL: i32 = 1;
    const CONTROL: i32 = 3;
    let plain = vocabulary.tokens.len() - CONTROLS.len();
    let mut types = vec![NORMAL; plain];
    types.resize(vocabulary.tokens.len(), CONTROL);
    let merges = vocabulary
        .merges
        .iter()
        .map(|(left, right)| format!("{left} {right}"));
    let [begin, _, _, end] = CONTROLS.map(|name| vocabulary.control(name));
    file.set("tokenizer.ggml.model", "gpt2")?
        .set("tokenizer.ggml.pre", "smollm")?
        .set(
            "tokenizer.ggml.tokens",
            vocabulary.tokens.iter().collect::<Strings>(),
        )?
        .set("tokenizer.ggml.token_type", types)?
        .set("tokenizer.ggml.merges", merges.collect::<Strings>())?
        .set("tokenizer.ggml.bos_token_id", begin)?
        .set("tokenizer.ggml.eos_token_id", end)?
        .set("tokenizer.ggml.add_bos_token", false)?;
    Ok(())
}

fn encode(ty: TensorType, values: &[f32]) -> Vec<u8> {
    match ty {
        TensorType::F16 => values
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes())
            .collect(),
        TensorType::Q8_0 => values.chunks(BLOCK).flat_map(q8_0).collect(),
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

/// One block: the scale as half a float, then 32 multiples of it.
fn q8_0(values: &[f32]) -> Vec<u8> {
    let peak = values.iter().fold(0_f32, |peak, value| peak.max(value.abs()));
    let scale = peak / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut bytes = f16::from_f32(scale).to_le_bytes().to_vec();
    bytes.extend(values.iter().map(|value| (value * inverse).round() as i8 as u8));
    bytes
}
