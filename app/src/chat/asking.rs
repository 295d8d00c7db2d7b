//! One question from the click to the end of its answer.
//! Consent comes first; what the node says is written down, nothing more.

use futures::channel::oneshot;
use futures::future::{Either, select};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::drawn::{Clock, Drawn};
use super::part::{self, Part};
use super::{Chats, Live};
use crate::browser::page;
use crate::consent::Purpose;
use crate::context::App;
use crate::conversation::{MEMBERS, Message, Role, State};
use crate::view::{Ask, ChatEvent, Fault, Mode};

/// Who lends what is said every few seconds: so long is waited for somebody before an answer is given up that this
/// device cannot give.
const LENDER_WITHIN_MS: f64 = 8_000.0;
const LOOK_EVERY_MS: i32 = 200;
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
            (message.detail, message.why) = (None, None);
            message.model = part::models(message.model.take(), model_name(app));
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
        let (fits, lent) = match app.model_id() {
            Some(model) => (app.node.fits(&model), is_lent(app, &model)),
            // The relay has not said what there is: whether that fits is seen when it has.
            None => (true, false),
        };
        !mode.reaches_others(fits, lent) || app.consent(app.others()).await
    }

    fn answer(self, app: App, question: u32) {
        let Some(conversation) = self.current.get_untracked() else {
            return;
        };
        let model = model_name(app);
        let mut added = None;
        self.change(&conversation, |conversation| {
            let id = conversation.add(Some(question), Role::Assistant, "", page::now_ms());
            if let Some(message) = conversation.message_mut(id) {
                message.state = State::Streaming;
                message.model = model;
                message.mode = Some(among(app).to_owned());
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
        let part = Part::behind(&message, among(app));
        let (stop, stopped) = oneshot::channel();
        self.stop.set_value(Some(stop));
        self.live.set(Some(Live {
            conversation,
            message,
        }));
        if !self.memory_only {
            spawn_local(page::keep_engine());
        }
        spawn_local(self.follow(app, ask, part, stopped));
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
    async fn follow(self, app: App, mut ask: Ask, part: Part, mut stopped: oneshot::Receiver<()>) {
        ask.strangers_agreed = match ask.mode {
            Mode::Auto => app.agreed(app.others()).await,
            // Nothing was sent before it was.
            Mode::Swarm => true,
            Mode::Local | Mode::Mine => false,
        };
        let mut answer = Drawn::new(app.node.ask(ask.clone()), PageClock);
        let mut kept_ms = page::now_ms();
        let mut begun = false;
        while let Some(event) = unless(&mut stopped, answer.next()).await {
            match event {
                Some(ChatEvent::Failed(fault)) if !begun && may_go_elsewhere(&ask, &fault) => {
                    let Some(agreed) = unless(&mut stopped, self.go_elsewhere(app, &ask)).await else {
                        break;
                    };
                    if agreed {
                        (ask.mode, ask.strangers_agreed) = (Mode::Swarm, true);
                        answer = Drawn::new(app.node.ask(ask.clone()), PageClock);
                    } else {
                        self.write(|message| apply(message, &part, ChatEvent::Failed(fault)));
                    }
                }
                Some(ChatEvent::Failed(mut fault)) => {
                    fault.reason = fault
                        .reason
                        .or_else(|| barred(app, &ask, &fault.code).map(str::to_owned));
                    self.write(|message| apply(message, &part, ChatEvent::Failed(fault)));
                }
                Some(event) => {
                    begun |= matches!(event, ChatEvent::Text(_));
                    self.write(|message| apply(message, &part, event));
                }
                // The node ended without a word: what is there stands.
                None => break,
            }
            if !self.is_growing() {
                break;
            }
            if page::now_ms() - kept_ms > KEEP_EVERY_MS {
                kept_ms = page::now_ms();
                self.settle(false);
            }
        }
        let rest = answer.rest();
        // Dropping it stops the work on every peer.
        drop(answer);
        self.write(|message| {
            if let Some(text) = rest {
                apply(message, &part, text);
            }
            if message.state.is_running() {
                message.state = State::Stopped;
            }
        });
        self.settle(true);
    }

    fn is_growing(self) -> bool {
        self.live
            .with_untracked(|live| live.as_ref().is_some_and(|live| live.message.state.is_running()))
    }

    /// This device cannot, and the choice was left to us: waits a moment for somebody who lends the model, and asks
    /// the person. Answers whether strangers may.
    async fn go_elsewhere(self, app: App, ask: &Ask) -> bool {
        let Some(model) = ask.model.clone().or_else(|| app.model_id()) else {
            return false;
        };
        self.write(|message| {
            message.state = State::Waiting;
            message.reason = Some("connecting".to_owned());
        });
        let until_ms = page::now_ms() + LENDER_WITHIN_MS;
        while !is_lent(app, &model) {
            if page::now_ms() > until_ms {
                return false;
            }
            page::sleep(LOOK_EVERY_MS).await;
        }
        app.consent(app.others()).await
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

struct PageClock;

impl Clock for PageClock {
    fn now_ms(&self) -> f64 {
        page::now_ms()
    }

    fn sleep(&self, ms: f64) -> impl Future<Output = ()> {
        // Less than a second, and never less than nothing.
        page::sleep(ms.ceil() as i32)
    }
}

/// What `work` comes to, unless the person stops it first.
async fn unless<T>(stopped: &mut oneshot::Receiver<()>, work: impl Future<Output = T>) -> Option<T> {
    match select(Box::pin(work), stopped).await {
        Either::Left((end, _)) => Some(end),
        Either::Right(_) => None,
    }
}

/// What the model is called that is asked for now.
fn model_name(app: App) -> Option<String> {
    let id = app.model_id()?;
    Some(
        app.node
            .snapshot
            .with_untracked(|snapshot| snapshot.model_name(&id)),
    )
}

/// Among whom an answer is asked for now, as a word.
fn among(app: App) -> &'static str {
    let mode = app.mode.get_untracked();
    let members = matches!(mode, Mode::Auto | Mode::Swarm) && app.others() == Purpose::Members;
    if members { MEMBERS } else { mode.word() }
}

fn is_lent(app: App, model: &str) -> bool {
    app.node
        .snapshot
        .with_untracked(|snapshot| snapshot.is_lent(model))
}

/// Whether strangers could be asked for what failed here, and were not asked yet.
fn may_go_elsewhere(ask: &Ask, fault: &Fault) -> bool {
    ask.mode == Mode::Auto && !ask.strangers_agreed && fault.is_of_this_device()
}

/// Why others do not work for this node where none of them has said so itself.
fn barred(app: App, ask: &Ask, code: &str) -> Option<&'static str> {
    (code == "not_allowed").then_some(match ask.mode {
        Mode::Mine => "barred_mine",
        _ if app.others() == Purpose::Members => "barred_stranger",
        _ => return None,
    })
}

fn apply(message: &mut Message, part: &Part, event: ChatEvent) {
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
        ChatEvent::Route(route) => part.note(message, route),
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
            message.why = fault.reason;
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
