//! The part of an answer that is computed now, behind what stands already where an answer is gone on with.
//! Asks nobody: it keeps every device and every model that had a part in the words of the sheet.

use crate::conversation::{MEMBERS, Message};
use crate::view::Route;

pub(super) struct Part {
    /// Where what stands already was computed, and among whom.
    before: Option<(Route, Option<String>)>,
    mode: String,
}

impl Part {
    /// Behind `message` as it stands; `mode` is among whom this part is asked.
    pub(super) fn behind(message: &Message, mode: &str) -> Self {
        let before = message.route.clone().map(|route| (route, message.mode.clone()));
        Self {
            before,
            mode: mode.to_owned(),
        }
    }

    /// Writes down where it is computed. The last word counts, however often it is said.
    pub(super) fn note(&self, message: &mut Message, route: Route) {
        let mode = Some(self.mode.clone());
        let (route, mode) = match &self.before {
            None => (route, mode),
            Some((before, among)) => {
                let widest = match (reaches_others(before), reaches_others(&route)) {
                    (false, _) => mode,
                    (true, false) => among.clone(),
                    (true, true) if openness(among) > openness(&mode) => among.clone(),
                    (true, true) => mode,
                };
                (joined(before, route), widest)
            }
        };
        (message.route, message.mode) = (Some(route), mode);
    }
}

/// The models that an answer is of, once `now` has gone on with it.
pub(super) fn models(before: Option<String>, now: Option<String>) -> Option<String> {
    const AND: &str = " + ";
    match (before, now) {
        (Some(before), Some(now)) if before.split(AND).all(|each| each != now) => {
            Some(format!("{before}{AND}{now}"))
        }
        (before, now) => before.or(now),
    }
}

fn reaches_others(route: &Route) -> bool {
    // Who left has read it too.
    route.hops.iter().any(|hop| !hop.peer.is_empty())
}

/// Among how many a mode lets an answer be read.
fn openness(mode: &Option<String>) -> u8 {
    match mode.as_deref() {
        Some("local") => 0,
        Some("mine") => 1,
        Some(MEMBERS) => 2,
        _ => 3,
    }
}

fn joined(before: &Route, now: Route) -> Route {
    let again = |peer: &str, first: u32, end: u32| {
        now.hops
            .iter()
            .any(|hop| (hop.peer.as_str(), hop.first, hop.end) == (peer, first, end))
    };
    let mut hops: Vec<_> = before
        .hops
        .iter()
        .filter(|hop| !again(&hop.peer, hop.first, hop.end))
        .cloned()
        .collect();
    hops.extend(now.hops.iter().cloned());
    Route {
        hops,
        replays: before.replays.saturating_add(now.replays),
        bytes: before.bytes.saturating_add(now.bytes),
        tokens: before.tokens.saturating_add(now.tokens),
        trips: before.trips.saturating_add(now.trips),
        longest_stall_ms: before.longest_stall_ms.max(now.longest_stall_ms),
        decode_ms: before.decode_ms.saturating_add(now.decode_ms),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::conversation::Role;
    use crate::view::Hop;

    fn route(peers: &[&str], bytes: u64) -> Route {
        let hop = |(at, peer): (usize, &&str)| Hop {
            peer: (*peer).to_owned(),
            first: at as u32,
            end: at as u32 + 1,
            ..Hop::default()
        };
        Route {
            hops: peers.iter().enumerate().map(hop).collect(),
            bytes,
            tokens: 3,
            ..Route::default()
        }
    }

    /// An answer whose parts were computed so, one behind the other.
    fn answer(parts: &[(&[&str], &str)]) -> Message {
        let mut message = Message::new(1, Some(0), Role::Assistant, "", 0.0);
        for (peers, mode) in parts {
            let part = Part::behind(&message, mode);
            // Said as it begins and as it ends.
            part.note(&mut message, route(peers, 10));
            part.note(&mut message, route(peers, 20));
        }
        message
    }

    #[test]
    fn whoever_computed_a_part_stays_in_the_sheet_and_the_widest_circle_with_them() {
        let check = |parts: &[(&[&str], &str)], peers: &[&str], mode: &str| {
            let message = answer(parts);
            let route = message.route.unwrap();
            let found: Vec<&str> = route.hops.iter().map(|hop| hop.peer.as_str()).collect();
            assert_eq!(
                (found.as_slice(), message.mode.as_deref()),
                (peers, Some(mode)),
                "{parts:?}"
            );
            assert_eq!(
                (route.bytes, route.tokens),
                (20 * parts.len() as u64, 3 * parts.len() as u32)
            );
        };
        check(&[(&["a", "b"], "swarm")], &["a", "b"], "swarm");
        check(
            &[(&["a", "b"], "swarm"), (&[""], "local")],
            &["a", "b", ""],
            "swarm",
        );
        check(&[(&[""], "auto"), (&["a"], "mine")], &["", "a"], "mine");
        check(&[(&["a"], "mine"), (&[""], "auto")], &["a", ""], "mine");
        check(&[(&["a"], "mine"), (&["b"], MEMBERS)], &["a", "b"], MEMBERS);
        check(&[(&["a"], "auto"), (&["b"], "mine")], &["a", "b"], "auto");
        check(
            &[(&["a", "b"], "swarm"), (&["a", "c"], "swarm")],
            &["b", "a", "c"],
            "swarm",
        );
    }

    #[test]
    fn an_answer_of_two_models_names_both_once() {
        let check = |before: Option<&str>, now: Option<&str>, expect: Option<&str>| {
            assert_eq!(
                models(before.map(str::to_owned), now.map(str::to_owned)).as_deref(),
                expect
            );
        };
        check(None, Some("a"), Some("a"));
        check(Some("a"), Some("a"), Some("a"));
        check(Some("a"), Some("b"), Some("a + b"));
        check(Some("a + b"), Some("a"), Some("a + b"));
        check(Some("a"), None, Some("a"));
        check(None, None, None);
    }
}
