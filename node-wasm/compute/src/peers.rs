//! Questions to the page: has any peer a manifest or a chunk that this worker lacks?
//! It knows no peer: who is asked, and whether anybody may be, is the page's business.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use futures::channel::oneshot;
use jobs::{Sought, Update};

use crate::port;

/// The questions that the page has not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    last_question: Cell<u64>,
    waiting: RefCell<HashMap<u64, oneshot::Sender<Option<Vec<u8>>>>>,
}

impl Peers {
    /// What a peer sent, unchecked, or nothing. Whoever is `patient` has nobody else to ask.
    pub(crate) async fn ask(&self, model: &str, sought: Sought, patient: bool) -> Option<Vec<u8>> {
        let question = self.last_question.get() + 1;
        self.last_question.set(question);
        let (sender, answer) = oneshot::channel();
        self.waiting.borrow_mut().insert(question, sender);
        port::tell(
            0,
            Update::AskPeers {
                question,
                model: model.to_owned(),
                sought,
                patient,
            },
        );
        answer.await.ok().flatten()
    }

    /// The page's answer.
    pub(crate) fn hear(&self, question: u64, bytes: Option<Vec<u8>>) {
        if let Some(waiting) = self.waiting.borrow_mut().remove(&question) {
            // An error means that nobody waits any more.
            let _ = waiting.send(bytes);
        }
    }
}
