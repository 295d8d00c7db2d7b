//! A model file before it is written, in which everything can be made wrong: each length, count, code and place.
//! Does not check anything, unlike the writer of the crate.

use gguf::synthetic::SplitMix;

use super::{Case, Expect, File, Given};

/// A file in the making. Begins as a sound one.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    /// In place of the number of tensors.
    pub(crate) tensor_count: Option<u64>,
    /// In place of the number of keys.
    pub(crate) key_count: Option<u64>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) tensors: Vec<Tensor>,
    /// In place of the length that the tensors ask for.
    pub(crate) file_bytes: Option<u64>,
    /// What the numbers of the model are, for changes that need to know.
    pub(crate) shape: Shape,
}

/// A key and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    /// In place of the key's length.
    pub(crate) key_len: Option<u64>,
    pub(crate) code: u32,
    pub(crate) payload: Vec<u8>,
}

/// A tensor's entry.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: Vec<u8>,
    /// In place of the name's length.
    pub(crate) name_len: Option<u64>,
    /// In place of the number of dimensions.
    pub(crate) dim_count: Option<u32>,
    pub(crate) dims: Vec<u64>,
    pub(crate) ty: u32,
    /// In place of the place behind the tensor before it.
    pub(crate) offset: Option<u64>,
}

/// The numbers of the model.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) layers: u32,
    pub(crate) heads: u32,
    pub(crate) width: u32,
    pub(crate) ffn: u32,
    pub(crate) vocab: u32,
}

/// A value as the format writes it.
pub(crate) enum Value<'a> {
    U32(u32),
    I32(i32),
    U64(u64),
    F32(f32),
    Text(&'a str),
    /// Code of the elements, how many are promised, their bytes.
    Array(u32, u64, Vec<u8>),
}

const ALIGNMENT: u64 = 32;

impl Value<'_> {
    fn write(&self) -> (u32, Vec<u8>) {
        match self {
            Value::U32(n) => (4, n.to_le_bytes().to_vec()),
            Value::I32(n) => (5, n.to_le_bytes().to_vec()),
            Value::F32(n) => (6, n.to_le_bytes().to_vec()),
            Value::U64(n) => (10, n.to_le_bytes().to_vec()),
            Value::Text(text) => (8, string(text.as_bytes())),
            Value::Array(code, len, items) => {
                (9, [&code.to_le_bytes()[..], &len.to_le_bytes(), items].concat())
            }
        }
    }
}

/// A string with its length.
pub(crate) fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

impl Draft {
    /// A sound file of a small llama: every choice that the format leaves is drawn.
    pub(crate) fn sound(random: &mut SplitMix) -> Draft {
        let heads = 1 << random.below(3);
        let shape = Shape {
            layers: 1 + random.below(3) as u32,
            heads,
            width: heads * 32,
            // Never the width, so that a transposed matrix can be told.
            ffn: heads * 32 + 32 * (1 + random.below(3) as u32),
            vocab: 8 + random.below(32) as u32,
        };
        let mut draft = Draft {
            magic: *b"GGUF",
            version: 2 + random.below(2) as u32,
            tensor_count: None,
            key_count: None,
            entries: Vec::new(),
            tensors: Vec::new(),
            file_bytes: None,
            shape,
        };
        draft.model_keys();
        draft.vocabulary_keys();
        draft.model_tensors(random);
        draft
    }

    fn model_keys(&mut self) {
        let shape = self.shape;
        self.set("general.architecture", Value::Text("llama"));
        self.set("general.name", Value::Text("forged"));
        for (key, value) in [
            ("llama.block_count", shape.layers),
            ("llama.context_length", 64),
            ("llama.embedding_length", shape.width),
            ("llama.feed_forward_length", shape.ffn),
            ("llama.attention.head_count", shape.heads),
            ("llama.attention.head_count_kv", shape.heads),
            ("llama.vocab_size", shape.vocab),
            ("llama.rope.dimension_count", 32),
        ] {
            self.set(key, Value::U32(value));
        }
        self.set("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
        self.set("llama.rope.freq_base", Value::F32(10_000.0));
    }

    fn vocabulary_keys(&mut self) {
        let vocab = self.shape.vocab;
        let tokens = (0..vocab)
            .flat_map(|id| string(format!("t{id}").as_bytes()))
            .collect();
        let scores = (0..vocab).flat_map(|id| (-(id as f32)).to_le_bytes()).collect();
        let types = (0..vocab).flat_map(|_| 1_i32.to_le_bytes()).collect();
        self.set("tokenizer.ggml.model", Value::Text("llama"));
        self.set("tokenizer.ggml.tokens", Value::Array(8, vocab.into(), tokens));
        self.set("tokenizer.ggml.scores", Value::Array(6, vocab.into(), scores));
        self.set("tokenizer.ggml.token_type", Value::Array(5, vocab.into(), types));
        self.set("tokenizer.ggml.bos_token_id", Value::U32(1));
        self.set("tokenizer.ggml.eos_token_id", Value::U32(2));
        self.set(
            "tokenizer.chat_template",
            Value::Text("{{ messages[0].content }}"),
        );
    }

    fn model_tensors(&mut self, random: &mut SplitMix) {
        let Shape {
            layers,
            width,
            ffn,
            vocab,
            ..
        } = self.shape;
        let [width, ffn, vocab] = [width, ffn, vocab].map(u64::from);
        self.tensor("token_embd.weight", &[width, vocab]);
        for layer in 0..layers {
            for (part, dims) in [
                ("attn_norm.weight", &[width][..]),
                ("attn_q.weight", &[width, width]),
                ("attn_k.weight", &[width, width]),
                ("attn_v.weight", &[width, width]),
                ("attn_output.weight", &[width, width]),
                ("ffn_norm.weight", &[width]),
                ("ffn_gate.weight", &[width, ffn]),
                ("ffn_up.weight", &[width, ffn]),
                ("ffn_down.weight", &[ffn, width]),
            ] {
                self.tensor(&format!("blk.{layer}.{part}"), dims);
            }
        }
        self.tensor("output_norm.weight", &[width]);
        if random.below(2) == 0 {
            self.tensor("output.weight", &[width, vocab]);
        }
    }

    fn tensor(&mut self, name: &str, dims: &[u64]) {
        self.tensors.push(Tensor {
            name: name.into(),
            name_len: None,
            dim_count: None,
            dims: dims.to_vec(),
            ty: 0,
            offset: None,
        });
    }

    /// Sets a key, in its place where it is there.
    pub(crate) fn set(&mut self, key: &str, value: Value<'_>) {
        let (code, payload) = value.write();
        let old = self.entries.iter_mut().find(|entry| entry.key == key.as_bytes());
        match old {
            Some(entry) => (entry.code, entry.payload) = (code, payload),
            None => self.add(key.as_bytes(), code, payload),
        }
    }

    /// Adds a key behind the others, whatever it is.
    pub(crate) fn add(&mut self, key: &[u8], code: u32, payload: Vec<u8>) {
        self.entries.push(Entry {
            key: key.to_vec(),
            key_len: None,
            code,
            payload,
        });
    }

    /// A key that is drawn.
    pub(crate) fn any_entry(&mut self, random: &mut SplitMix) -> &mut Entry {
        let at = random.below(self.entries.len() as u64) as usize;
        &mut self.entries[at]
    }

    /// A tensor that is drawn.
    pub(crate) fn any_tensor(&mut self, random: &mut SplitMix) -> &mut Tensor {
        let at = random.below(self.tensors.len() as u64) as usize;
        &mut self.tensors[at]
    }

    /// The file.
    pub(crate) fn file(&self) -> File {
        let mut front = self.keys();
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            front.extend(tensor.name_len.unwrap_or(tensor.name.len() as u64).to_le_bytes());
            front.extend(&tensor.name);
            front.extend(tensor.dim_count.unwrap_or(tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|dim| front.extend(dim.to_le_bytes()));
            front.extend(tensor.ty.to_le_bytes());
            front.extend(tensor.offset.unwrap_or(offset).to_le_bytes());
            // As F32, whatever the type is: a sound file has no other.
            let bytes = tensor
                .dims
                .iter()
                .fold(4_u64, |bytes, dim| bytes.saturating_mul(*dim));
            offset = offset
                .saturating_add(bytes)
                .checked_next_multiple_of(ALIGNMENT)
                .unwrap_or(offset);
        }
        let data = (front.len() as u64).next_multiple_of(ALIGNMENT);
        let end = if self.tensors.is_empty() {
            front.len() as u64
        } else {
            data.saturating_add(offset)
        };
        File {
            front,
            file_bytes: self.file_bytes.unwrap_or(end),
        }
    }

    /// The bytes up to the end of the keys.
    pub(crate) fn keys(&self) -> Vec<u8> {
        let mut front = self.magic.to_vec();
        front.extend(self.version.to_le_bytes());
        front.extend(
            self.tensor_count
                .unwrap_or(self.tensors.len() as u64)
                .to_le_bytes(),
        );
        front.extend(self.key_count.unwrap_or(self.entries.len() as u64).to_le_bytes());
        for entry in &self.entries {
            front.extend(entry.key_len.unwrap_or(entry.key.len() as u64).to_le_bytes());
            front.extend(&entry.key);
            front.extend(entry.code.to_le_bytes());
            front.extend(&entry.payload);
        }
        front
    }

    /// Keeps the file as long as it is now, whatever its tensors will claim.
    pub(crate) fn keep_length(&mut self) {
        self.file_bytes = Some(self.file().file_bytes);
    }

    /// The one file of a class, with what its error must say.
    pub(crate) fn refused(self, error: &'static str) -> Given {
        refused(error, [self.file()])
    }
}

/// Files of a class, with what the error of each must say.
pub(crate) fn refused(error: &'static str, files: impl IntoIterator<Item = File>) -> Given {
    Given {
        cases: files.into_iter().map(Case::File).collect(),
        expect: Expect::Refused(error),
    }
}
