//! One search for an entry: what several holders answered, which answer counts, and who holds an old one.
//! It asks nobody: it is handed the answers as they come.

use identity::Timestamp;

use crate::{Vetted, vet};

/// Most holders of one entry that are remembered: Kademlia asks its 20 nearest.
const MAX_HOLDERS: usize = 64;

/// The answers so far. `P` names a holder.
#[derive(Clone, Debug)]
pub struct Search<P> {
    key: Vec<u8>,
    best: Option<(Vetted, Vec<u8>)>,
    answers: Vec<(P, Option<Vetted>)>,
    refused: usize,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<P> {
    /// The newest version, checked.
    pub vetted: Vetted,
    /// Its bytes, to be handed to those in `outdated`.
    pub bytes: Vec<u8>,
    /// Who answered with an older version, or with something unsound.
    pub outdated: Vec<P>,
    /// Answers that were not sound.
    pub refused: usize,
}

impl<P> Search<P> {
    /// A search for what is kept under `key`.
    pub fn new(key: Vec<u8>) -> Search<P> {
        Search {
            key,
            best: None,
            answers: Vec::new(),
            refused: 0,
        }
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// An answer. Nothing in it is believed before it is checked.
    pub fn hear(&mut self, holder: P, bytes: &[u8], now: Timestamp) {
        let vetted = vet(&self.key, bytes, now).ok();
        match &vetted {
            None => self.refused += 1,
            Some(new) if self.best.as_ref().is_none_or(|(best, _)| new.replaces(best)) => {
                self.best = Some((new.clone(), bytes.to_vec()));
            }
            Some(_) => {}
        }
        if self.answers.len() < MAX_HOLDERS {
            self.answers.push((holder, vetted));
        }
    }

    /// The newest version, if anybody had a sound one.
    pub fn finish(self) -> Option<Found<P>> {
        let (vetted, bytes) = self.best?;
        let outdated = self
            .answers
            .into_iter()
            .filter(|(_, theirs)| !theirs.as_ref().is_some_and(|theirs| theirs.is_same_as(&vetted)))
            .map(|(holder, _)| holder)
            .collect();
        Some(Found {
            vetted,
            bytes,
            outdated,
            refused: self.refused,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use identity::{Publication, Signed, Validity};

    use super::*;
    use crate::{
        Entry, MAX_ENTRY_LIFE, entry_bytes, entry_key,
        testing::{at, id, key},
    };

    fn version(sequence: u64, by: u8) -> Vec<u8> {
        let entry = Entry {
            name: "a".to_owned(),
            sequence,
            validity: Validity::starting(at(0), MAX_ENTRY_LIFE),
            payload: Vec::new(),
        };
        let state = Signed::sign(&entry, &key(by)).unwrap();
        entry_bytes(&Publication {
            state,
            publisher: None,
        })
        .unwrap()
    }

    #[test]
    fn the_newest_sound_answer_counts_and_all_others_are_to_be_corrected() {
        let mut search = Search::new(entry_key(id(1), "a"));
        for (holder, bytes) in [
            ("old", version(1, 1)),
            ("new", version(3, 1)),
            ("forger", version(9, 2)),
            ("also new", version(3, 1)),
            ("older", version(2, 1)),
        ] {
            search.hear(holder, &bytes, at(1));
        }
        let found = search.finish().unwrap();
        assert_eq!(found.vetted.entry().sequence, 3);
        assert_eq!(found.bytes, version(3, 1));
        assert_eq!(found.outdated, ["old", "forger", "older"]);
        assert_eq!(found.refused, 1);
    }

    #[test]
    fn nothing_sound_is_nothing_found_and_no_number_of_answers_grows_without_end() {
        let mut search = Search::new(entry_key(id(1), "a"));
        for holder in 0..1_000 {
            search.hear(holder, &version(1, 2), at(1));
        }
        assert_eq!(search.answers.len(), MAX_HOLDERS);
        assert!(search.finish().is_none());
    }
}
