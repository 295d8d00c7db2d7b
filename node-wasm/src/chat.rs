//! A question and the stream of its answer, as the page sees them.
//! Tokens, routes and peers are the node's business.

use std::cell::OnceCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::Stream;
use futures::channel::mpsc;

use crate::error::Error;

pub use jobs::ChatMessage as Message;

/// One question.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// A model's id; the relay's first model when there is none.
    pub model: Option<String>,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Raw text instead of a conversation: no template is applied.
    pub prompt: Option<String>,
    pub mode: Mode,
    /// The person knows that strangers may compute this answer and read it. [`Mode::Auto`] leaves this device only
    /// then; [`Mode::Swarm`] says it by itself.
    pub strangers_agreed: bool,
    pub max_tokens: u32,
    pub sampling: jobs::Sampling,
}

/// Who may compute the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// This device if the model fits it, else the swarm.
    #[default]
    Auto,
    /// This device alone.
    Local,
    /// Devices of the same owner.
    Mine,
    /// Anybody in the swarm: they can read the conversation.
    Swarm,
}

impl Mode {
    /// The node's word for it, given whether the model fits this tab: without the person's agreement an automatic
    /// choice has this device alone to choose.
    pub(crate) fn for_node(self, strangers_agreed: bool, fits: bool) -> Result<node::io::Mode, Error> {
        Ok(match self {
            Mode::Auto if strangers_agreed => node::io::Mode::Auto,
            Mode::Auto if fits => node::io::Mode::Local,
            Mode::Auto => {
                let message =
                    "the model does not fit this device, and nobody agreed that strangers compute the answer";
                return Err(Error::new("wont_fit", message));
            }
            Mode::Local => node::io::Mode::Local,
            Mode::Mine => node::io::Mode::Mine,
            Mode::Swarm => node::io::Mode::Swarm,
        })
    }
}

/// What happens to an answer.
#[derive(Clone, Debug)]
pub enum ChatEvent {
    /// More text, whole characters only.
    Text { text: String, token_ids: Vec<u32> },
    /// Nothing moves, and why: a reason word.
    Waiting { reason: String },
    /// It moves again.
    Resumed,
    /// Who computes it, as of now.
    Route(RouteInfo),
    /// The end.
    Done {
        finish_reason: FinishReason,
        /// Tokens of the question, and of the answer.
        prompt_tokens: u32,
        tokens: u32,
        ms: f64,
    },
    /// The end, otherwise. The text so far stands.
    Failed(Error),
}

/// Why an answer ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model said so.
    Stop,
    /// As many tokens as were asked for.
    Length,
    /// The person said so.
    Stopped,
}

/// Where an answer runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteInfo {
    pub hops: Vec<HopInfo>,
    /// How often a lost stage was replaced.
    pub replays: u32,
    /// Bytes of hidden states that were sent for it.
    pub bytes: u64,
    /// Tokens of the answer.
    pub tokens: u32,
    /// Trips around the ring: with speculation fewer than tokens.
    pub trips: u32,
    /// Tokens guessed ahead, and how many of them were right.
    pub drafted: u32,
    /// See `drafted`.
    pub agreed: u32,
    /// The longest time without progress that a change of route caused.
    pub longest_stall_ms: u64,
    /// From the first token to the last.
    pub decode_ms: u64,
}

/// One stage of a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HopInfo {
    /// The peer, or nothing for this tab itself.
    pub peer: Option<String>,
    pub first: u32,
    pub end: u32,
    /// `gpu`, `cpu`, or `unknown` where nobody says.
    pub backend: String,
    /// The GPU's name, of this tab's own stages and as far as the browser tells it.
    pub adapter: String,
    /// Mean computing time of one step at this stage, and how long it waited before for the device.
    pub ms: f64,
    pub wait_ms: f64,
    /// Steps: each token, or each piece of the question.
    pub steps: u32,
    /// It was lost, and another took its place.
    pub lost: bool,
}

/// The answer as it comes. Dropping it stops the work everywhere.
pub struct ChatStream {
    pub(crate) events: mpsc::Receiver<ChatEvent>,
    pub(crate) model: Rc<OnceCell<String>>,
    pub(crate) cancel: Option<Box<dyn FnOnce()>>,
}

impl ChatStream {
    /// The id of the model that answers: known from the first event on.
    pub fn model(&self) -> Rc<OnceCell<String>> {
        Rc::clone(&self.model)
    }

    /// Stops the work everywhere; the stream then ends with what is left.
    pub fn stop(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel();
        }
    }
}

impl Stream for ChatStream {
    type Item = ChatEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ChatEvent>> {
        Pin::new(&mut self.events).poll_next(cx)
    }
}

impl Drop for ChatStream {
    fn drop(&mut self) {
        self.stop();
    }
}
