//! Chat templates: the Jinja program in a model file that turns messages into a prompt.
//! Does not trust the program: it runs with fuel for its instructions, a budget for what they make, and no way out of
//! itself.
//!
//! Rendered as the Transformers library does it: blocks trimmed, `raise_exception`,
//! `strftime_now`, `tojson` in Python's spelling, Python's string and dictionary methods.

mod budget;
mod clock;
mod json;
mod python;
mod rewrite;
mod shape;

use std::collections::BTreeMap;
use std::sync::Arc;

use gguf::Header;
use minijinja::machinery::{CompiledTemplate, TemplateConfig, eval, make_string_output};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value, context};

use crate::EngineError;
use crate::tokenizer::Tokenizer;

/// Bytes of a template; the longest published ones have about 20 thousand.
pub const MAX_TEMPLATE_BYTES: usize = 1 << 20;

/// Bytes of a rendered prompt: far beyond any context, far below a phone's memory.
pub const MAX_PROMPT_BYTES: usize = 4 << 20;

/// Instructions of one rendering. A conversation of a thousand messages takes a hundred thousand; an
/// endless loop is over in about 100 ms.
const FUEL: u64 = 750_000;

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
    source: String,
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
        let refused = |reason: String| EngineError::Template(format!("refused: {reason}"));
        shape::check(&source, syntax()?).map_err(refused)?;
        // Compiled for each rendering, since the program borrows its source; here to say at once what is wrong.
        compile(&source)?;
        let mut environment = Environment::new();
        environment.set_recursion_limit(MAX_DEPTH);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(python::method);
        environment.add_filter("tojson", json::filter);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        budget::install(&mut environment);
        Ok(ChatTemplate {
            environment,
            source,
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
        let strftime_now = Value::from_function(move |format: String| clock::strftime(&format, now_s));
        let context: BTreeMap<&str, Value> = [
            ("messages", Value::from(messages)),
            ("add_generation_prompt", add_generation_prompt.into()),
            ("bos_token", self.bos.as_str().into()),
            ("eos_token", self.eos.as_str().into()),
            ("tools", ().into()),
            ("documents", ().into()),
            ("strftime_now", strftime_now),
            (budget::NAME, budget::Budget::full()),
        ]
        .into_iter()
        .collect();
        let compiled = compile(&self.source)?;
        let program = rewrite::rewrite(&compiled.instructions);
        let (mut prompt, blocks) = (String::new(), BTreeMap::new());
        let mut out = make_string_output(&mut prompt);
        let root = Value::from(context);
        let ended = eval(
            &self.environment,
            &program,
            root,
            &blocks,
            &mut out,
            AutoEscape::None,
        );
        ended.map_err(failed)?;
        drop(out);
        if prompt.len() > MAX_PROMPT_BYTES {
            let reason = format!("the prompt is longer than {MAX_PROMPT_BYTES} bytes");
            return Err(EngineError::Template(reason));
        }
        Ok(prompt)
    }
}

fn syntax() -> Result<SyntaxConfig, EngineError> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    syntax.map_err(failed)
}

fn compile(source: &str) -> Result<CompiledTemplate<'_>, EngineError> {
    let config = TemplateConfig {
        syntax_config: syntax()?,
        default_auto_escape: Arc::new(|_: &str| AutoEscape::None),
    };
    CompiledTemplate::new(NAME, source, &config).map_err(failed)
}

fn failed(error: Error) -> EngineError {
    use std::error::Error as _;
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    EngineError::Template(format!("{error}{cause}"))
}
