//! What every screen shares: the node, the settings, the words, the agreements, the conversations.
//! Draws nothing; consent is asked here and shown by `components::consent_dialog`.

use futures::channel::oneshot;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser::capabilities::Capabilities;
use crate::browser::{kept, page};
use crate::chat::Chats;
use crate::consent::{Purpose, Receipts};
use crate::i18n::{Language, Words};
use crate::query::Query;
use crate::settings::Settings;
use crate::shelf::Shelf;
use crate::state::{Node, SwarmCard};
use crate::view::{Fault, Mode, Model};

/// Handles only: copying it shares everything.
#[derive(Clone, Copy)]
pub struct App {
    pub node: Node,
    pub query: StoredValue<Query>,
    pub settings: RwSignal<Settings>,
    pub language: Memo<Language>,
    pub capabilities: Capabilities,
    pub receipts: RwSignal<Receipts>,
    /// Whether what is kept has been read.
    receipts_known: RwSignal<bool>,
    /// The person's own swarms, as far as a screen has looked for them.
    pub swarms: RwSignal<Vec<SwarmCard>>,
    /// Which of them is in use; none: the relay's.
    pub swarm: RwSignal<Option<String>>,
    /// What the open consent dialog is about.
    pub asking: RwSignal<Option<Purpose>>,
    answer: StoredValue<Option<oneshot::Sender<bool>>, LocalStorage>,
    pub chats: Chats,
    pub shelf: Shelf,
    /// Where answers are computed, as chosen on this page.
    pub mode: RwSignal<Mode>,
    /// The model that was chosen, if any.
    pub chosen_model: RwSignal<Option<String>>,
    /// Why lending failed before the node took it over.
    pub lend_fault: RwSignal<Option<Fault>>,
    /// Why this page itself holds lending back: a reason word.
    pub lend_held: RwSignal<Option<&'static str>>,
    /// Whether the list of conversations is open where it is not always there.
    pub drawer: RwSignal<bool>,
}

impl App {
    pub fn start() -> Self {
        let query = Query::parse(&page::search());
        let settings = if query.memory_only {
            Settings::default()
        } else {
            Settings::read(&kept::read(kept::SETTINGS))
        };
        let mode = query.mode.unwrap_or_else(|| settings.mode());
        let chosen_model = query.model.clone().or_else(|| settings.model.clone());
        let memory_only = query.memory_only;

        let node = Node::start(page::origin(), &query);
        let chosen_swarm = settings.swarm.clone();
        let settings = RwSignal::new(settings);
        let receipts = RwSignal::new(Receipts::default());
        let language = Memo::new(move |_| {
            settings
                .with(|settings| Language::from_tag(&settings.language))
                .unwrap_or_else(|| {
                    page::languages()
                        .iter()
                        .find_map(|tag| Language::from_tag(tag))
                        .unwrap_or_default()
                })
        });
        Effect::new(move || {
            let language = language.get();
            settings.with(|settings| page::dress(language.tag(), language.direction(), &settings.theme));
        });
        if !memory_only {
            Effect::new(move || settings.with(|settings| kept::write(kept::SETTINGS, &settings.write())));
        }
        let app = Self {
            node,
            query: StoredValue::new(query),
            settings,
            language,
            capabilities: Capabilities::look(),
            receipts,
            receipts_known: RwSignal::new(false),
            swarms: RwSignal::new(Vec::new()),
            swarm: RwSignal::new(None),
            asking: RwSignal::new(None),
            answer: StoredValue::new_local(None),
            chats: Chats::new(memory_only),
            shelf: Shelf::new(node, memory_only),
            mode: RwSignal::new(mode),
            chosen_model: RwSignal::new(chosen_model),
            lend_fault: RwSignal::new(None),
            lend_held: RwSignal::new(None),
            drawer: RwSignal::new(false),
        };
        app.use_swarm(chosen_swarm);
        if let Some(named) = app.query.with_value(|query| query.model.clone()) {
            app.shelf.seek(named);
        }
        // At the start, and whenever another device or tab has changed something.
        let registers = Memo::new(move |_| node.snapshot.with(|snapshot| snapshot.registers));
        Effect::new(move || {
            // Read, not only tracked: a memo that nobody reads looks at nothing.
            registers.get();
            spawn_local(app.read_swarms());
        });
        app
    }

    /// Whether the person agreed earlier; nothing is asked.
    pub async fn agreed(self, purpose: Purpose) -> bool {
        if !self.receipts_known.get_untracked() {
            self.read_receipts().await;
        }
        self.receipts
            .with_untracked(|receipts| receipts.agreed(purpose, page::now_ms()))
    }

    /// Whether the person agrees, now or earlier. Everything that needs consent passes through here.
    pub async fn consent(self, purpose: Purpose) -> bool {
        if self.agreed(purpose).await {
            return true;
        }
        let (sender, answer) = oneshot::channel();
        // An older dialog that this one replaces counts as declined.
        self.answer.set_value(Some(sender));
        self.asking.set(Some(purpose));
        answer.await.unwrap_or(false)
    }

    /// What the person answered in the dialog.
    pub fn answer_consent(self, agreed: bool) {
        if let Some(purpose) = self.asking.get_untracked()
            && agreed
        {
            self.receipts
                .update(|receipts| receipts.agree(purpose, page::now_ms()));
            // It counts from now on; signed and kept it is a moment later, where the browser keeps keys.
            spawn_local(async move {
                if self.node.agree(purpose).await.is_ok() {
                    self.read_receipts().await;
                }
            });
        }
        self.asking.set(None);
        if let Some(sender) = self.answer.try_update_value(Option::take).flatten() {
            // Nobody waits any more where the page that asked is gone.
            let _ = sender.send(agreed);
        }
    }

    /// Takes an agreement back: from now on it does not count.
    pub fn withdraw_consent(self, purpose: Purpose) {
        self.receipts
            .update(|receipts| receipts.withdraw(purpose, page::now_ms()));
        spawn_local(async move {
            if self.node.withdraw(purpose).await.is_ok() {
                self.read_receipts().await;
            }
        });
    }

    /// Reads what was agreed to on earlier visits.
    pub async fn read_receipts(self) {
        let before = self.receipts.get_untracked();
        if let Ok(kept) = self.node.receipts().await {
            let mut receipts = self.receipts.get_untracked();
            // What was agreed to or taken back meanwhile is read again by who did so. What is the same is not drawn
            // anew: a button would go from under a finger.
            if receipts == before {
                receipts.take_in(kept);
                if receipts != before {
                    self.receipts.set(receipts);
                }
            }
        }
        self.receipts_known.set(true);
    }

    /// Reads the person's swarms anew.
    pub async fn read_swarms(self) {
        if let Ok(swarms) = self.node.swarms().await {
            let chosen = self.swarm.get_untracked();
            if chosen.is_some_and(|id| swarms.iter().all(|swarm| swarm.id != id)) {
                self.set_swarm(None);
            }
            self.swarms.set(swarms);
        }
    }

    /// Uses another swarm from now on, on later visits too.
    pub fn set_swarm(self, id: Option<String>) {
        self.settings.update(|settings| settings.swarm = id.clone());
        self.use_swarm(id);
    }

    fn use_swarm(self, id: Option<String>) {
        if self.node.use_swarm(id.as_deref()).is_ok() && self.swarm.get_untracked() != id {
            self.swarm.set(id);
        }
    }

    /// The swarm of the person's own that is in use, once it was read.
    pub fn own_swarm(self) -> Option<SwarmCard> {
        let id = self.swarm.get()?;
        self.swarms
            .with(|swarms| swarms.iter().find(|swarm| swarm.id == id).cloned())
    }

    /// What is asked before a conversation goes to everybody who lends in the swarm in use: in one's own those are its
    /// members.
    pub fn others(self) -> Purpose {
        if self.swarm.with_untracked(Option::is_some) {
            Purpose::Members
        } else {
            Purpose::Swarm
        }
    }

    pub fn set_mode(self, mode: Mode) {
        self.mode.set(mode);
        self.settings
            .update(|settings| settings.mode = mode.word().to_owned());
    }

    pub fn set_model(self, id: String) {
        self.chosen_model.set(Some(id.clone()));
        self.settings.update(|settings| settings.model = Some(id));
    }

    /// The chosen model where the relay offers it, else the relay's first.
    pub fn model(self) -> Option<Model> {
        let chosen = self.chosen_model.get();
        self.node.snapshot.with(|snapshot| {
            chosen
                .and_then(|id| snapshot.model(&id).cloned())
                .or_else(|| snapshot.models.first().cloned())
        })
    }

    /// The id to ask for. One that the address names is asked for as it is, even where the relay does not list it:
    /// another model must never answer in its place.
    pub fn model_id(self) -> Option<String> {
        let chosen = self.chosen_model.get_untracked();
        let named = self.query.with_value(|query| query.model.clone());
        match named {
            Some(named) if chosen.as_ref() == Some(&named) => Some(named),
            _ => untrack(|| self.model()).map(|model| model.id),
        }
    }
}

pub fn app() -> App {
    expect_context::<App>()
}

/// The words of the language on the screen; a change of language draws the screens anew.
pub fn words() -> &'static Words {
    use_context::<Language>().unwrap_or_default().words()
}
