//! One question from the click to the end of its answer.
//! Consent comes first; what the node says is written down, nothing more.

use futures::channel::oneshot;
use futures::future::{Either, select};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Chats, Live};
use crate::browser::page;
use crate::consent::Purpose;
use crate::context::App;
use crate::conversation::{Message, Role, State};
use crate::view::{Ask, ChatEvent};

/// While an answer grows it is written to storage this often, so that a closed page loses little.
const KEEP_EVERY_MS: f64 = 5_000.0;

impl Chats {
    /// Asks `text` at the end of the branch on the screen. Resolves to whether it was asked: not without consent.
    pub async fn send(self, app: App, text: String) -> bool {
        let parent = untrack(|| self.with_current(|conversation| conversation.leaf)).flatten();
        self.ask_behind(app, parent, text).await
    }

    /// Asks an edited question as a new version of the old one.
    pub async fn send_again(self, app: App, question: u32, text: String) -> bool {
        let parent = untrack(|| self.with_current(|c| c.message(question).and_then(|m| m.parent))).flatten();
        self.ask_behind(app, parent, text).await
    }

    /// Asks for another answer to the question before `answer`; the old one stays as a version.
    pub async fn regenerate(self, app: App, answer: u32) {
        let question = untrack(|| self.with_current(|c| c.message(answer).and_then(|m| m.parent))).flatten();
        if let Some(question) = question
            && self.may_ask(app).await
        {
            self.answer(app, question);
        }
    }

    /// Goes on with an answer where it ended: in place, since it is still the same answer.
    pub async fn go_on(self, app: App, answer: u32) {
        let message = untrack(|| self.with_current(|c| c.message(answer).cloned())).flatten();
        let Some(conversation) = self.current.get_untracked() else {
            return;
        };
        if let Some(mut message) = message.filter(|message| message.role == Role::Assistant)
            && self.may_ask(app).await
        {
            message.state = State::Streaming;
            message.reason = None;
            message.detail = None;
            self.run(app, conversation, message, answer);
        }
    }

    async fn ask_behind(self, app: App, parent: Option<u32>, text: String) -> bool {
        if !self.may_ask(app).await {
            return false;
        }
        let id = self.begin();
        let mut question = 0;
        self.change(&id, |conversation| {
            question = conversation.add(parent, Role::User, text, page::now_ms())
        });
        self.answer(app, question);
        true
    }

    async fn may_ask(self, app: App) -> bool {
        if self.live.with_untracked(Option::is_some) {
            return false;
        }
        let mode = app.mode.get_untracked();
        !mode.may_reach_strangers() || app.consent(Purpose::Swarm).await
    }

    fn answer(self, app: App, question: u32) {
        let Some(conversation) = self.current.get_untracked() else {
            return;
        };
        let mode = app.mode.get_untracked();
        let model = untrack(|| app.model());
        let mut added = None;
        self.change(&conversation, |conversation| {
            let id = conversation.add(Some(question), Role::Assistant, "", page::now_ms());
            if let Some(message) = conversation.message_mut(id) {
                message.state = State::Streaming;
                message.model = model.map(|model| model.name);
                message.mode = Some(mode.word().to_owned());
                added = Some(message.clone());
            }
        });
        let Some(message) = added else { return };
        self.keep(&conversation);
        self.run(app, conversation, message, question);
    }

    /// Asks for what follows `end` and writes it behind what `message` holds already.
    fn run(self, app: App, conversation: String, message: Message, end: u32) {
        let ask = Ask {
            model: app.model_id(),
            messages: self.messages_to(app, end),
            mode: app.mode.get_untracked(),
            ..sampling(app)
        };
        let (stop, stopped) = oneshot::channel();
        self.stop.set_value(Some(stop));
        self.live.set(Some(Live {
            conversation,
            message,
        }));
        if !self.memory_only {
            spawn_local(page::keep_engine());
        }
        spawn_local(self.follow(app, ask, stopped));
    }

    /// The branch that ends with `end`, as the model gets it: an answer at its end is one to go on with.
    fn messages_to(self, app: App, end: u32) -> Vec<(String, String)> {
        let system = app
            .settings
            .with_untracked(|settings| settings.system.trim().to_owned());
        let mut messages: Vec<(String, String)> = Vec::new();
        if !system.is_empty() {
            messages.push(("system".to_owned(), system));
        }
        let branch = untrack(|| {
            self.with_current(|conversation| {
                conversation
                    .path_to(Some(end))
                    .into_iter()
                    .filter_map(|id| conversation.message(id))
                    .filter(|message| !message.text.is_empty())
                    .map(|message| (message.role.word().to_owned(), message.text.clone()))
                    .collect::<Vec<_>>()
            })
        });
        messages.extend(branch.unwrap_or_default());
        messages
    }

    /// Writes down what comes until the end.
    async fn follow(self, app: App, ask: Ask, mut stopped: oneshot::Receiver<()>) {
        let mut answer = app.node.ask(ask);
        let mut kept_ms = page::now_ms();
        loop {
            let event = match select(Box::pin(answer.next()), &mut stopped).await {
                Either::Left((event, _)) => event,
                Either::Right(_) => {
                    self.write(|message| message.state = State::Stopped);
                    break;
                }
            };
            match event {
                Some(event) => self.write(|message| apply(message, event)),
                // The node ended without a word: what is there stands.
                None => self.write(|message| {
                    if message.state.is_running() {
                        message.state = State::Stopped;
                    }
                }),
            }
            if !self
                .live
                .with_untracked(|live| live.as_ref().is_some_and(|l| l.message.state.is_running()))
            {
                break;
            }
            if page::now_ms() - kept_ms > KEEP_EVERY_MS {
                kept_ms = page::now_ms();
                self.settle(false);
            }
        }
        // Dropping it stops the work on every peer.
        drop(answer);
        self.settle(true);
    }

    fn write(self, change: impl FnOnce(&mut Message)) {
        self.live.update(|live| {
            if let Some(live) = live {
                change(&mut live.message);
            }
        });
    }

    /// Moves what has grown into its conversation.
    fn settle(self, end: bool) {
        let Some(live) = self.live.get_untracked() else {
            return;
        };
        self.change(&live.conversation, |conversation| {
            conversation.updated_ms = page::now_ms();
            if let Some(message) = conversation.message_mut(live.message.id) {
                *message = live.message.clone();
            }
        });
        if end {
            self.live.set(None);
        }
        self.keep(&live.conversation);
    }
}

fn apply(message: &mut Message, event: ChatEvent) {
    match event {
        ChatEvent::Text(text) => {
            message.text.push_str(&text);
            message.state = State::Streaming;
            message.reason = None;
        }
        ChatEvent::Waiting { reason } => {
            message.state = State::Waiting;
            message.reason = Some(reason);
        }
        ChatEvent::Resumed => {
            message.state = State::Streaming;
            message.reason = None;
        }
        ChatEvent::Route(route) => message.route = Some(route),
        ChatEvent::Done { tokens, ms } => {
            message.state = State::Done;
            message.reason = None;
            // An answer that was continued has both parts.
            message.tokens = message.tokens.saturating_add(tokens);
            message.ms += ms;
        }
        ChatEvent::Failed(fault) => {
            message.state = State::Error;
            message.reason = Some(fault.code);
            message.detail = Some(fault.message);
        }
    }
}

/// Settings and address, the address first.
fn sampling(app: App) -> Ask {
    let (temperature, top_p, max_tokens) = app
        .settings
        .with_untracked(|settings| (settings.temperature, settings.top_p, settings.max_tokens));
    app.query.with_value(|query| Ask {
        temperature: query.temperature.unwrap_or(temperature),
        top_p,
        seed: query.seed.unwrap_or_else(page::random_seed),
        max_tokens: query.max_tokens.unwrap_or(max_tokens),
        ..Ask::default()
    })
}
