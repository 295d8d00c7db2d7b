//! The models that this worker knows: manifest, header, tokenizer, template.
//! Weights are loaded by stage, and live with the stage.

use std::rc::Rc;

use engine::{ChatTemplate, EngineError, Tokenizer};
use gguf::{Header, ModelId};
use jobs::{ChatMessage, Failure, ModelFacts, Prompt};

use crate::failure::{failure, rejected};
use crate::peers::Peers;
use crate::source::Source;
use crate::store::ChunkStore;

/// One model, without weights.
pub(crate) struct Book {
    pub(crate) header: Header,
    pub(crate) tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    pub(crate) source: Source,
}

impl Book {
    /// Fetches and checks everything but the weights.
    pub(crate) async fn open(
        origin: &str,
        model: &str,
        store: &Rc<ChunkStore>,
        peers: &Rc<Peers>,
    ) -> Result<Book, Failure> {
        let id: ModelId = model
            .parse()
            .map_err(|e| failure("bad_request", format!("{model} is no model id: {e}")))?;
        Book::read(Source::open(origin, &id, store, Some(peers)).await?).await
    }

    /// The same of a source that is open.
    pub(crate) async fn read(source: Source) -> Result<Book, Failure> {
        let header = Book::header(&source).await?;
        let tokenizer = Tokenizer::from_header(&header).map_err(|e| rejected(e.to_string()))?;
        let template = ChatTemplate::from_header(&header, &tokenizer).map_err(|e| rejected(e.to_string()))?;
        Ok(Book {
            header,
            tokenizer,
            template,
            source,
        })
    }

    /// The header of a source's file.
    pub(crate) async fn header(source: &Source) -> Result<Header, Failure> {
        let manifest = source.manifest();
        let header_bytes = manifest.header_bytes();
        let mut bytes = Vec::new();
        let mut index = 0;
        while (bytes.len() as u64) < header_bytes {
            bytes.extend(source.chunk(index).await?);
            index += 1;
        }
        Header::read(bytes.as_slice(), manifest.file_bytes()).map_err(|e| rejected(e.to_string()))
    }

    /// What the page must know of it.
    pub(crate) fn facts(&self, model: &str) -> Result<ModelFacts, Failure> {
        let config = self.header.config().map_err(|e| rejected(e.to_string()))?;
        Ok(ModelFacts {
            model: model.to_owned(),
            layers: config.n_layers,
            d_model: config.d_model,
            vocabulary: config.vocab,
            context: config.context,
            end_ids: (0..self.tokenizer.vocab())
                .filter(|id| self.tokenizer.is_end(*id))
                .collect(),
            kv_bytes_per_layer: 2 * 4 * config.n_kv_heads * config.head_dim,
            has_template: self.template.is_some(),
        })
    }

    /// Ids of a prompt, BOS included where the model says so.
    pub(crate) fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, Failure> {
        let bad = |e: EngineError| failure("bad_request", e.to_string());
        match (prompt, &self.template) {
            (Prompt::Raw(text), _) => Ok(self.tokenizer.encode(text, true)),
            (Prompt::Chat(messages), Some(template)) => {
                // An answer at the end is not a message that was said, but one to go on with.
                let (messages, begun) = split_begun(messages);
                let messages: Vec<engine::Message> = messages
                    .iter()
                    .map(|m| engine::Message {
                        role: m.role.clone(),
                        content: m.content.clone(),
                    })
                    .collect();
                let text = template.render(&messages, true, local_now_s()).map_err(bad)?;
                Ok(self.tokenizer.encode_chat(&(text + begun)))
            }
            (Prompt::Chat(messages), None) => {
                let (messages, begun) = split_begun(messages);
                let asked = messages.last().map(|m| m.content.as_str()).unwrap_or_default();
                Ok(self.tokenizer.encode(&format!("{asked}{begun}"), true))
            }
        }
    }
}

/// What was said, and the answer that has begun, if there is one.
fn split_begun(messages: &[ChatMessage]) -> (&[ChatMessage], &str) {
    match messages.split_last() {
        Some((last, before)) if last.role == "assistant" => (before, &last.content),
        _ => (messages, ""),
    }
}

/// Seconds since 1970 on the clock on the wall, for templates that print the date.
fn local_now_s() -> u64 {
    let offset_minutes = js_sys::Date::new_0().get_timezone_offset();
    ((js_sys::Date::now() / 1000.0) - offset_minutes * 60.0).max(0.0) as u64
}
