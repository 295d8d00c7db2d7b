//! What stands open, counted by what tells it apart.
//! It opens and limits nothing: libp2p's relay does, and tells of it.

use std::{collections::HashMap, hash::Hash};

/// How many are open of each `K`. libp2p's relay tells the end of a circuit a second time where the destination's
/// connection closed before the copying stopped, and the end of a reservation whose beginning it never told: a
/// counter that believed each word would drift below zero.
#[derive(Debug)]
pub struct Open<K> {
    counts: HashMap<K, usize>,
}

impl<K> Default for Open<K> {
    fn default() -> Self {
        Open {
            counts: HashMap::new(),
        }
    }
}

impl<K: Hash + Eq> Open<K> {
    /// One begins.
    pub fn began(&mut self, key: K) {
        *self.counts.entry(key).or_default() += 1;
    }

    /// One ended. Said of what is not open it changes nothing.
    pub fn ended(&mut self, key: &K) {
        if let Some(count) = self.counts.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(key);
            }
        }
    }

    /// All ended that `over` names.
    pub fn ended_where(&mut self, over: impl Fn(&K) -> bool) {
        self.counts.retain(|key, _| !over(key));
    }

    /// How many are open, for a gauge.
    pub fn count(&self) -> i64 {
        i64::try_from(self.counts.values().sum::<usize>()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_told_twice_counts_once() {
        let mut open = Open::default();
        open.began("ab");
        open.began("cb");
        open.ended(&"ab");
        open.ended(&"ab");
        assert_eq!(open.count(), 1);
    }

    #[test]
    fn an_end_without_a_beginning_counts_for_nothing() {
        let mut open = Open::default();
        open.ended(&"ab");
        open.began("ab");
        assert_eq!(open.count(), 1);
    }

    #[test]
    fn what_is_over_for_another_reason_is_forgotten_whole() {
        let mut open = Open::default();
        open.began("ab");
        open.began("ab");
        open.began("bc");
        open.ended_where(|key| key.contains('a'));
        assert_eq!(open.count(), 1);
    }
}
