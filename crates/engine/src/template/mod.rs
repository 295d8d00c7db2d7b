//! Chat templates: the Jinja program in a model file that turns messages into a prompt.
//! Does not trust the program: it runs with fuel, a bounded output, and no way out of itself. What
//! it cannot bound is a string that doubles itself in a variable: that ends where memory ends.
//!
//! Rendered as the Transformers library does it: blocks trimmed, `raise_exception`,
//! `strftime_now`, `tojson` in Python's spelling, Python's string and dictionary methods.

mod clock;
mod json;
mod python;

use std::io;

use gguf::Header;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::EngineError;
use crate::tokenizer::Tokenizer;

/// Bytes of a template; the longest published ones have about 20 thousand.
pub const MAX_TEMPLATE_BYTES: usize = 1 << 20;

/// Bytes of a rendered prompt: far beyond any context, far below a phone's memory.
pub const MAX_PROMPT_BYTES: usize = 4 << 20;

/// Instructions of one rendering. A conversation of a thousand messages takes some ten thousand; an
/// endless loop is over in well under 100 ms.
const FUEL: u64 = 500_000;

/// Template calls inside template calls.
const MAX_DEPTH: usize = 50;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user`, `assistant` or what else the template knows.
    pub role: String,
    /// Plain text.
    pub content: String,
}

/// A model's chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// The template in a model's header, if it has one.
    ///
    /// # Errors
    /// [`EngineError::Template`] for one that is too long or no valid Jinja.
    pub fn from_header(header: &Header, tokenizer: &Tokenizer) -> Result<Option<ChatTemplate>, EngineError> {
        let token = |id: Option<u32>| id.and_then(|id| tokenizer.token(id)).unwrap_or_default();
        let source = header.metadata().string("tokenizer.chat_template")?;
        source
            .map(|source| {
                ChatTemplate::new(source.to_owned(), token(tokenizer.bos()), token(tokenizer.eos()))
            })
            .transpose()
    }

    /// A template from its source and the tokens it may write.
    ///
    /// # Errors
    /// As [`ChatTemplate::from_header`].
    pub fn new(source: String, bos: String, eos: String) -> Result<ChatTemplate, EngineError> {
        if source.len() > MAX_TEMPLATE_BYTES {
            let bytes = source.len();
            return Err(EngineError::Template(format!(
                "{bytes} bytes, at most {MAX_TEMPLATE_BYTES} are read"
            )));
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(failed)?);
        environment.set_recursion_limit(MAX_DEPTH);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(python::method);
        environment.add_filter("tojson", json::filter);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned(NAME, source).map_err(failed)?;
        Ok(ChatTemplate {
            environment,
            bos,
            eos,
        })
    }

    /// The prompt for a conversation. `add_generation_prompt` opens the assistant's turn; `now_s`,
    /// seconds since 1970 in local time, is what templates that print the date are told.
    ///
    /// # Errors
    /// [`EngineError::Template`] with the template's own complaint, or when it does not end, nests
    /// without end, or writes without end.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        now_s: u64,
    ) -> Result<String, EngineError> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => &message.role, content => &message.content })
            .collect();
        let context = context! {
            messages,
            add_generation_prompt,
            bos_token => &self.bos,
            eos_token => &self.eos,
            tools => (),
            documents => (),
            strftime_now => Value::from_function(move |format: String| clock::strftime(&format, now_s)),
        };
        let mut prompt = Bounded(Vec::new());
        let template = self.environment.get_template(NAME).map_err(failed)?;
        template
            .render_captured_to(context, &mut prompt)
            .map_err(failed)?;
        String::from_utf8(prompt.0).map_err(|_| EngineError::Template("the prompt is not UTF-8".into()))
    }
}

/// A buffer that refuses to grow beyond [`MAX_PROMPT_BYTES`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_PROMPT_BYTES {
            return Err(io::Error::other(format!(
                "the prompt is longer than {MAX_PROMPT_BYTES} bytes"
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(error: Error) -> EngineError {
    use std::error::Error as _;
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    EngineError::Template(format!("{error}{cause}"))
}
