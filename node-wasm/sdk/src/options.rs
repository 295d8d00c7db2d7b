//! What a page may pass, field by field; anything unknown is refused, not ignored.
//! It asks nothing of the node.

use node_wasm::{Backend, ChatRequest, Error, Message, Mode, Sampling};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Options of one call, and the names of all of them.
pub(crate) trait Options: DeserializeOwned {
    const FIELDS: &'static [&'static str];
}

#[derive(Deserialize)]
pub(crate) struct NodeOptions {
    pub(crate) relay: String,
    pub(crate) storage: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct LendOptionsJs {
    pub(crate) model: Option<String>,
    pub(crate) layers: Option<(u32, u32)>,
    backend: Option<String>,
    #[serde(rename = "maxDuty")]
    max_duty: Option<f64>,
}

impl LendOptionsJs {
    /// What computes, or the word that names nothing.
    pub(crate) fn backend(&self) -> Result<Option<Backend>, Error> {
        match self.backend.as_deref() {
            None => Ok(None),
            Some("auto") => Ok(Some(Backend::Auto)),
            Some("gpu") => Ok(Some(Backend::Gpu)),
            Some("cpu") => Ok(Some(Backend::Cpu)),
            Some(_) => Err(Error::new("bad_request", "backend: auto, gpu or cpu")),
        }
    }

    /// Percent of the time.
    pub(crate) fn power(&self) -> Result<u8, Error> {
        power(self.max_duty.unwrap_or(1.0))
    }
}

/// A share of the time, 0 to 1, in percent.
pub(crate) fn power(share: f64) -> Result<u8, Error> {
    if share > 0.0 && share <= 1.0 {
        Ok((share * 100.0).round().max(1.0) as u8)
    } else {
        Err(Error::new(
            "bad_request",
            "maxDuty: a share of the time above 0, at most 1",
        ))
    }
}

impl Options for NodeOptions {
    const FIELDS: &'static [&'static str] = &["relay", "storage"];
}

impl Options for LendOptionsJs {
    const FIELDS: &'static [&'static str] = &["model", "layers", "backend", "maxDuty"];
}

/// The fields of OpenAI's chat completions that we honour, `prompt` of its completions, and `mode`.
#[derive(Deserialize)]
pub(crate) struct ChatOptions {
    model: Option<String>,
    #[serde(default)]
    messages: Vec<JsMessage>,
    prompt: Option<String>,
    mode: Option<String>,
    n: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<u32>,
    min_p: Option<f32>,
    repeat_penalty: Option<f32>,
    seed: Option<u32>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct JsMessage {
    role: String,
    content: String,
}

impl Options for ChatOptions {
    const FIELDS: &'static [&'static str] = &[
        "model",
        "messages",
        "prompt",
        "mode",
        // Chunks are the only form here; `manyhands.js` joins them where they are not wanted.
        "stream",
        "n",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repeat_penalty",
        "seed",
        "max_tokens",
        "max_completion_tokens",
    ];
}

/// Tokens of an answer where nothing is said.
const DEFAULT_MAX_TOKENS: u32 = 512;

impl ChatOptions {
    /// A request, or the field that cannot be honoured.
    pub(crate) fn into_request(self) -> Result<ChatRequest, Error> {
        let bad = |message: &str| Error::new("bad_request", message);
        if self.n.is_some_and(|n| n != 1) {
            return Err(bad("n: one answer at a time is all that is given"));
        }
        if self.prompt.is_none() && self.messages.is_empty() {
            return Err(bad("messages: there is nothing to answer"));
        }
        if self.prompt.is_some() && !self.messages.is_empty() {
            return Err(bad("prompt: give either messages or a prompt"));
        }
        let mode = match self.mode.as_deref() {
            None | Some("auto") => Mode::Auto,
            Some("local") => Mode::Local,
            Some("mine") => Mode::Mine,
            Some("swarm") => Mode::Swarm,
            Some(_) => return Err(bad("mode: auto, local, mine or swarm")),
        };
        Ok(ChatRequest {
            model: self.model,
            messages: self
                .messages
                .into_iter()
                .map(|m| Message {
                    role: m.role,
                    content: m.content,
                })
                .collect(),
            prompt: self.prompt,
            mode,
            // Whoever calls this answers for what the page sends, as with any other service that it asks.
            strangers_agreed: true,
            max_tokens: self
                .max_tokens
                .or(self.max_completion_tokens)
                .unwrap_or(DEFAULT_MAX_TOKENS),
            sampling: Sampling {
                temperature: self.temperature.unwrap_or(1.0),
                top_k: self.top_k.unwrap_or(0),
                top_p: self.top_p.unwrap_or(1.0),
                min_p: self.min_p.unwrap_or(0.0),
                repeat_penalty: self.repeat_penalty.unwrap_or(1.0),
                seed: u64::from(
                    self.seed
                        .unwrap_or_else(|| (js_sys::Math::random() * 4_294_967_295.0) as u32),
                ),
            },
        })
    }
}
