//! Small models for tests and benchmarks: any size, any supported type, the same seed the same file.
//! Not for people: they are sound and they run, but they have learnt nothing.

mod blocks;

use crate::config::Architecture;
use crate::error::GgufError;
use crate::strings::Strings;
use crate::tensor_type::TensorType;
use crate::write::Writer;

/// Control tokens and byte tokens, which come before the words.
const FIXED_TOKENS: u32 = 3 + 256;

/// What to make. Change the fields of [`Model::tiny`].
#[derive(Clone, Debug)]
pub struct Model {
    /// The family: it decides on biases and norms.
    pub architecture: Architecture,
    /// Layers.
    pub n_layers: u32,
    /// Width of the hidden state; a multiple of the type's block and of `n_heads`.
    pub d_model: u32,
    /// Width of the feed-forward network; a multiple of the type's block.
    pub d_ffn: u32,
    /// Query heads.
    pub n_heads: u32,
    /// Key and value heads.
    pub n_kv_heads: u32,
    /// Tokens; at least 300, for bytes, letters and some words.
    pub vocab: u32,
    /// Positions.
    pub context: u32,
    /// The type of every matrix; norms and biases are F32.
    pub ty: TensorType,
    /// Whether the embedding is the head, too.
    pub tied_head: bool,
    /// What the weights are drawn from.
    pub seed: u64,
}

/// SplitMix64 (Steele, Lea, Flood 2014): the generator behind every synthetic model.
#[derive(Clone, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator that gives the same numbers for the same seed.
    pub fn new(seed: u64) -> SplitMix {
        SplitMix(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// Uniform in -1..1.
    pub fn signed(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 / (1_u64 << 23) as f32) - 1.0
    }
}

impl Model {
    /// Two layers of 64, four heads over two, 320 tokens, F32.
    pub fn tiny() -> Model {
        Model {
            architecture: Architecture::Llama,
            n_layers: 2,
            d_model: 64,
            d_ffn: 128,
            n_heads: 4,
            n_kv_heads: 2,
            vocab: 320,
            context: 128,
            ty: TensorType::F32,
            tied_head: true,
            seed: 1,
        }
    }

    /// 79 million parameters: what one tab holds easily.
    pub fn small() -> Model {
        Model {
            n_layers: 12,
            d_model: 768,
            d_ffn: 2_048,
            n_heads: 12,
            n_kv_heads: 4,
            vocab: 4_096,
            context: 1_024,
            seed: 79,
            ..Model::tiny()
        }
    }

    /// 1.2 billion parameters: what is meant to be shared, with an embedding and a head of 128 MiB and more each.
    pub fn large() -> Model {
        Model {
            n_layers: 15,
            d_model: 2_048,
            d_ffn: 5_632,
            n_heads: 32,
            n_kv_heads: 8,
            vocab: 128_256,
            context: 512,
            tied_head: false,
            seed: 1_247,
            ..Model::tiny()
        }
    }

    /// The file.
    ///
    /// # Errors
    /// What the writer says of sizes that do not divide into blocks.
    pub fn to_bytes(&self) -> Result<Vec<u8>, GgufError> {
        Ok(self.writer()?.to_bytes())
    }

    /// The file before it is written, so that a test can add to it.
    ///
    /// # Errors
    /// As [`Model::to_bytes`].
    pub fn writer(&self) -> Result<Writer, GgufError> {
        let mut file = Writer::new();
        self.keys(&mut file)?;
        self.tokens(&mut file)?;
        self.tensors(&mut file)?;
        Ok(file)
    }

    fn keys(&self, file: &mut Writer) -> Result<(), GgufError> {
        let prefix = self.architecture.name();
        file.set("general.architecture", prefix)?
            .set("general.name", "synthetic")?;
        let numbers = [
            ("block_count", self.n_layers),
            ("context_length", self.context),
            ("embedding_length", self.d_model),
            ("feed_forward_length", self.d_ffn),
            ("attention.head_count", self.n_heads),
            ("attention.head_count_kv", self.n_kv_heads),
            ("vocab_size", self.vocab),
        ];
        for (name, number) in numbers {
            file.set(&format!("{prefix}.{name}"), number)?;
        }
        file.set(&format!("{prefix}.attention.layer_norm_rms_epsilon"), 1e-5_f32)?;
        file.set(&format!("{prefix}.rope.freq_base"), 10_000_f32)?;
        Ok(())
    }

    /// A vocabulary in SentencePiece's manner: control tokens, bytes, letters, words.
    fn tokens(&self, file: &mut Writer) -> Result<(), GgufError> {
        let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).into();
        tokens.extend((0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>")));
        let mut types = vec![2, 3, 3];
        types.resize(FIXED_TOKENS as usize, 6);
        tokens.push("▁".to_owned());
        tokens.extend(('a'..='z').map(String::from));
        let mut number = 0_u32;
        while tokens.len() < self.vocab as usize {
            tokens.push(word(number));
            number += 1;
        }
        tokens.truncate(self.vocab as usize);
        types.resize(tokens.len(), 1);
        let first = FIXED_TOKENS as usize;
        let scores: Vec<f32> = (0..tokens.len())
            .map(|id| if id < first { 0.0 } else { -((id - first) as f32) })
            .collect();
        file.set("tokenizer.ggml.model", "llama")?
            .set("tokenizer.ggml.tokens", tokens.iter().collect::<Strings>())?
            .set("tokenizer.ggml.scores", scores)?
            .set("tokenizer.ggml.token_type", types)?
            .set("tokenizer.ggml.bos_token_id", 1_u32)?
            .set("tokenizer.ggml.eos_token_id", 2_u32)?
            .set("tokenizer.ggml.unknown_token_id", 0_u32)?
            .set("tokenizer.ggml.add_bos_token", true)?;
        Ok(())
    }

    fn tensors(&self, file: &mut Writer) -> Result<(), GgufError> {
        let [model, ffn, vocab] = [self.d_model, self.d_ffn, self.vocab].map(u64::from);
        let head = model / u64::from(self.n_heads.max(1));
        let [query, key] = [self.n_heads, self.n_kv_heads].map(|heads| u64::from(heads) * head);
        let mut random = SplitMix::new(self.seed);
        // Weights of variance 1 / columns keep the hidden state's size from layer to layer.
        let mut matrix = |file: &mut Writer, name: &str, dims: [u64; 2]| -> Result<(), GgufError> {
            let deviation = 1.0 / (dims[0].max(1) as f32).sqrt();
            let bytes = blocks::random(self.ty, dims[0].saturating_mul(dims[1]), deviation, &mut random);
            file.tensor(name, self.ty, &dims, bytes).map(drop)
        };
        let mut noise = SplitMix::new(!self.seed);
        let mut vector = |file: &mut Writer, name: &str, len: u64, around: f32| -> Result<(), GgufError> {
            let bytes = (0..len)
                .flat_map(|_| (around + 0.05 * noise.signed()).to_le_bytes())
                .collect();
            file.tensor(name, TensorType::F32, &[len], bytes).map(drop)
        };
        matrix(file, "token_embd.weight", [model, vocab])?;
        for layer in 0..self.n_layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            vector(file, &name("attn_norm.weight"), model, 1.0)?;
            for (part, width) in [("attn_q", query), ("attn_k", key), ("attn_v", key)] {
                matrix(file, &name(&format!("{part}.weight")), [model, width])?;
                if self.architecture == Architecture::Qwen2 {
                    vector(file, &name(&format!("{part}.bias")), width, 0.0)?;
                }
            }
            if self.architecture == Architecture::Qwen3 {
                vector(file, &name("attn_q_norm.weight"), head, 1.0)?;
                vector(file, &name("attn_k_norm.weight"), head, 1.0)?;
            }
            matrix(file, &name("attn_output.weight"), [query, model])?;
            vector(file, &name("ffn_norm.weight"), model, 1.0)?;
            matrix(file, &name("ffn_gate.weight"), [model, ffn])?;
            matrix(file, &name("ffn_up.weight"), [model, ffn])?;
            matrix(file, &name("ffn_down.weight"), [ffn, model])?;
        }
        vector(file, "output_norm.weight", model, 1.0)?;
        if !self.tied_head {
            matrix(file, "output.weight", [model, vocab])?;
        }
        Ok(())
    }
}

/// The `number`-th word: syllables behind SentencePiece's mark for a space, all different.
fn word(number: u32) -> String {
    const CONSONANTS: &[u8] = b"bdfgklmnprstvz";
    const VOWELS: &[u8] = b"aeiou";
    let mut text = String::from("▁");
    let mut left = number + 1;
    while left > 0 {
        left -= 1;
        let syllables = (CONSONANTS.len() * VOWELS.len()) as u32;
        let syllable = (left % syllables) as usize;
        text.push(char::from(CONSONANTS[syllable / VOWELS.len()]));
        text.push(char::from(VOWELS[syllable % VOWELS.len()]));
        left /= syllables;
    }
    text
}
