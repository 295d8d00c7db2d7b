//! The conversations of this browser and the one answer that may be under way.
//! Draws nothing and routes nothing; where an answer runs is the node's decision.

mod asking;
mod drawn;
mod part;

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::{LocalBoxFuture, Shared};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser::{history, page};
use crate::conversation::{Conversation, Message};

/// Handles only: copying it shares the conversations.
#[derive(Clone, Copy)]
pub struct Chats {
    /// All of them, in no order.
    all: RwSignal<Vec<Conversation>>,
    /// The one on the screen; none for a new one that has no message yet.
    pub current: RwSignal<Option<String>>,
    /// The answer under way. Its text grows here and moves to the conversation at its end, so that a token
    /// redraws one message and no list.
    pub live: RwSignal<Option<Live>>,
    stop: StoredValue<Option<oneshot::Sender<()>>, LocalStorage>,
    /// Ends when the storage has said what is kept: before, `all` is not all.
    restoring: StoredValue<Option<Shared<LocalBoxFuture<'static, ()>>>, LocalStorage>,
    memory_only: bool,
    /// The browser refused to keep something.
    pub not_kept: RwSignal<bool>,
}

/// The answer under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub conversation: String,
    pub message: Message,
}

/// A line of the list of conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: String,
    pub title: String,
}

impl Chats {
    pub fn new(memory_only: bool) -> Self {
        let chats = Self {
            all: RwSignal::new(Vec::new()),
            current: RwSignal::new(None),
            live: RwSignal::new(None),
            stop: StoredValue::new_local(None),
            restoring: StoredValue::new_local(None),
            memory_only,
            not_kept: RwSignal::new(false),
        };
        if !memory_only {
            let restoring = chats.restore().boxed_local().shared();
            chats.restoring.set_value(Some(restoring.clone()));
            spawn_local(restoring);
        }
        chats
    }

    async fn restore(self) {
        match history::load().await {
            Ok(kept) => self.all.update(|all| {
                // What was begun before the storage answered stays.
                let fresh = kept
                    .into_iter()
                    .filter(|kept| all.iter().all(|c| c.id != kept.id));
                let fresh: Vec<_> = fresh.collect();
                all.extend(fresh);
            }),
            Err(_) => self.not_kept.set(true),
        }
    }

    /// Comes back when all that is kept is there.
    async fn restored(self) {
        if let Some(restoring) = self.restoring.get_value() {
            restoring.await;
        }
    }

    /// Newest first; of those that hold `search`, if it is not empty.
    pub fn entries(self, search: &str) -> Vec<Entry> {
        let needle = search.trim().to_lowercase();
        self.all.with(|all| {
            let mut found: Vec<&Conversation> = all
                .iter()
                .filter(|conversation| needle.is_empty() || conversation.contains(&needle))
                .collect();
            found.sort_by(|a, b| b.updated_ms.total_cmp(&a.updated_ms));
            found
                .into_iter()
                .map(|c| Entry {
                    id: c.id.clone(),
                    title: c.title.clone(),
                })
                .collect()
        })
    }

    /// The ids on the screen's branch, oldest first.
    pub fn path(self) -> Vec<u32> {
        self.with_current(Conversation::path).unwrap_or_default()
    }

    /// Reads the conversation on the screen and follows its changes.
    pub fn with_current<T>(self, read: impl FnOnce(&Conversation) -> T) -> Option<T> {
        let id = self.current.get()?;
        self.all
            .with(|all| all.iter().find(|conversation| conversation.id == id).map(read))
    }

    pub fn is_running(self) -> bool {
        self.live.with(Option::is_some)
    }

    pub fn open_new(self) {
        self.current.set(None);
    }

    pub fn open(self, id: String) {
        self.current.set(Some(id));
    }

    pub fn rename(self, id: &str, title: String) {
        self.change(id, |conversation| conversation.title = title);
        self.keep(id);
    }

    pub fn delete(self, id: &str) {
        if self
            .live
            .with_untracked(|live| live.as_ref().is_some_and(|live| live.conversation == id))
        {
            self.stop();
        }
        self.all
            .update(|all| all.retain(|conversation| conversation.id != id));
        if self
            .current
            .with_untracked(|current| current.as_deref() == Some(id))
        {
            self.current.set(None);
        }
        let id = id.to_owned();
        self.store(async move { history::delete(&id).await });
    }

    pub fn delete_all(self) {
        self.stop();
        spawn_local(async move {
            self.restored().await;
            self.all.set(Vec::new());
            self.current.set(None);
            self.store(history::delete_all());
        });
    }

    /// All that is kept, however soon it is asked for.
    pub async fn everything(self) -> Vec<Conversation> {
        self.restored().await;
        self.all.get_untracked()
    }

    /// Takes conversations from a file: one that is here already is replaced by the newer of the two. Comes back when
    /// they are written down, and says whether they are: a page that is left then still has them tomorrow.
    pub async fn take_in(self, imported: Vec<Conversation>) -> bool {
        self.restored().await;
        self.all.update(|all| {
            for mut conversation in imported.clone() {
                conversation.settle();
                match all.iter_mut().find(|here| here.id == conversation.id) {
                    Some(here) if here.updated_ms >= conversation.updated_ms => {}
                    Some(here) => *here = conversation,
                    None => all.push(conversation),
                }
            }
        });
        let ids: Vec<String> = imported.into_iter().map(|conversation| conversation.id).collect();
        let now: Vec<Conversation> = self
            .all
            .with_untracked(|all| all.iter().filter(|c| ids.contains(&c.id)).cloned().collect());
        if self.memory_only {
            return true;
        }
        let kept = history::save(&now).await.is_ok();
        if !kept {
            self.not_kept.set(true);
        }
        kept
    }

    /// Shows another version of a message.
    pub fn show(self, message: u32) {
        self.change_current(|conversation| conversation.show(message));
    }

    /// Replaces the text of an answer, in place.
    pub fn rewrite(self, message: u32, text: String) {
        self.change_current(|conversation| {
            if let Some(message) = conversation.message_mut(message) {
                message.text = text;
            }
        });
    }

    /// Stops the answer under way, everywhere.
    pub fn stop(self) {
        if let Some(stop) = self.stop.try_update_value(Option::take).flatten() {
            // The answer may have ended by itself in this moment.
            let _ = stop.send(());
        }
    }

    fn change(self, id: &str, change: impl FnOnce(&mut Conversation)) {
        self.all.update(|all| {
            if let Some(conversation) = all.iter_mut().find(|conversation| conversation.id == id) {
                change(conversation);
            }
        });
    }

    fn change_current(self, change: impl FnOnce(&mut Conversation)) {
        if let Some(id) = self.current.get_untracked() {
            self.change(&id, change);
            self.keep(&id);
        }
    }

    /// The conversation on the screen, begun if there is none.
    fn begin(self) -> String {
        if let Some(id) = self.current.get_untracked() {
            return id;
        }
        let id = page::random_id();
        self.all
            .update(|all| all.push(Conversation::new(id.clone(), page::now_ms())));
        self.current.set(Some(id.clone()));
        id
    }

    /// Writes one conversation to storage, in the background.
    fn keep(self, id: &str) {
        let found = self
            .all
            .with_untracked(|all| all.iter().find(|c| c.id == id).cloned());
        if let Some(conversation) = found {
            self.store(async move { history::save(&[conversation]).await });
        }
    }

    fn store(self, work: impl Future<Output = history::Kept<()>> + 'static) {
        if self.memory_only {
            return;
        }
        spawn_local(async move {
            if work.await.is_err() {
                self.not_kept.set(true);
            }
        });
    }
}
