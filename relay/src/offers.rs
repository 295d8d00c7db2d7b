//! The board of offers: what each worker last announced, for `/api/v1/peers`, for newcomers and for nobody's
//! decisions; peers choose for themselves from what they hear.
//! Its clock tells old offers from new ones; what is signed by others than its worker is refused.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use protocol::{Backend, Offer, ProtocolError};
use serde_json::{Value, json};

use crate::clock;

/// What a newcomer is told of the board: enough workers for any answer, and a page that a phone reads in a moment.
pub const MAX_TOLD_BYTES: usize = 256 * 1024;

/// The offers of one swarm.
pub struct Board {
    max_offers: usize,
    swarm: [u8; 32],
    rows: BTreeMap<String, Row>,
}

struct Row {
    offer: Offer,
    /// As its worker signed it.
    bytes: Vec<u8>,
    since_unix_s: u64,
    expires: Instant,
}

/// Why an offer was not taken; its sender's message is not forwarded either.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    #[error(transparent)]
    Unsound(#[from] ProtocolError),
    #[error("an offer in the name of another peer")]
    NotTheSender,
    #[error("an offer for another swarm")]
    OtherSwarm,
    #[error("an offer older than the last one")]
    Old,
    #[error("more than {0} offers")]
    Full(usize),
}

impl Board {
    /// An empty board for the swarm with that id, for at most `max_offers` workers.
    pub fn new(swarm: [u8; 32], max_offers: u64) -> Self {
        Board {
            max_offers: usize::try_from(max_offers).unwrap_or(usize::MAX),
            swarm,
            rows: BTreeMap::new(),
        }
    }

    /// Takes the signed offer in `bytes` that `sender` published.
    ///
    /// # Errors
    /// When it is no sound offer, in another's name, for another swarm, or older than the last.
    pub fn take(&mut self, sender: &str, bytes: &[u8], now: Instant) -> Result<(), OfferError> {
        let offer = sound(sender, bytes, &self.swarm)?;
        self.expire(now);
        let last = self.rows.get(sender);
        if last.is_some_and(|row| row.offer.sequence >= offer.sequence) {
            return Err(OfferError::Old);
        }
        if last.is_none() && self.rows.len() >= self.max_offers {
            return Err(OfferError::Full(self.max_offers));
        }
        let since_unix_s = last.map_or_else(clock::unix_s, |row| row.since_unix_s);
        let row = Row {
            expires: now + Duration::from_secs(offer.lifetime_s.into()),
            since_unix_s,
            bytes: bytes.to_vec(),
            offer,
        };
        self.rows.insert(sender.to_owned(), row);
        Ok(())
    }

    /// Forgets a worker that has left.
    pub fn forget(&mut self, peer: &str) {
        self.rows.remove(peer);
    }

    /// Forgets what was not repeated in time.
    pub fn expire(&mut self, now: Instant) {
        self.rows.retain(|_, row| row.expires > now);
    }

    /// How many workers are on the board.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The answer of `/api/v1/offers`: what workers announced, as they signed it, the newest first, as far as
    /// [`MAX_TOLD_BYTES`] go. A newcomer would hear each of them with its next repetition.
    pub fn told(&self) -> Value {
        let mut rows: Vec<(&String, &Row)> = self
            .rows
            .iter()
            .filter(|(_, row)| row.offer.work.is_some())
            .collect();
        rows.sort_by_key(|(_, row)| Reverse(row.expires));
        let mut left = MAX_TOLD_BYTES;
        let mut offers = Vec::new();
        for (peer, row) in rows {
            let Some(rest) = left.checked_sub(row.bytes.len()) else {
                break;
            };
            left = rest;
            offers.push(json!({ "peer_id": peer, "offer": URL_SAFE_NO_PAD.encode(&row.bytes) }));
        }
        json!({ "offers": offers })
    }

    /// The answer of `/api/v1/peers` (contract). `models` are the published ones: each is in the
    /// coverage even while nobody holds a layer of it.
    pub fn to_json(&self, models: &[(String, u32)]) -> Value {
        let workers: Vec<Value> = self
            .rows
            .iter()
            .filter_map(|(peer, row)| row.to_json(peer))
            .collect();
        let mut held: BTreeMap<String, (u32, Vec<(u32, u32)>)> = models
            .iter()
            .map(|(id, layers)| (id.clone(), (*layers, Vec::new())))
            .collect();
        for work in self.rows.values().filter_map(|row| row.offer.work.as_ref()) {
            let (layers, ranges) = held
                .entry(hex::encode(work.model.0))
                .or_insert((work.model_layers, Vec::new()));
            // A worker that claims another number of layers speaks of another model.
            if *layers == work.model_layers {
                ranges.push((work.layers.first(), work.layers.end()));
            }
        }
        let coverage: serde_json::Map<String, Value> = held
            .into_iter()
            .map(|(id, (layers, ranges))| (id, json!({ "covered": covered(ranges), "layers": layers })))
            .collect();
        json!({ "workers": workers, "coverage": coverage })
    }
}

impl Row {
    fn to_json(&self, peer: &str) -> Option<Value> {
        let work = self.offer.work.as_ref()?;
        let mut row = json!({
            "peer_id": peer,
            "model": hex::encode(work.model.0),
            "layers": [work.layers.first(), work.layers.end()],
            "tokens_per_s": 1e6 / f64::from(work.us_per_token.max(1)),
            "backend": match self.offer.backend {
                Backend::Gpu => "gpu",
                Backend::Cpu => "cpu",
                _ => "other",
            },
            "since": self.since_unix_s,
        });
        // Older workers say nothing of it, and so does the row.
        if let Some(batch_invariant) = work.batch_invariant {
            row["batch_invariant"] = json!(batch_invariant);
        }
        Some(row)
    }
}

/// The offer in `bytes`, if `sender` signed it for that swarm just now.
///
/// # Errors
/// When it is no sound offer, in another's name, or for another swarm.
pub fn sound(sender: &str, bytes: &[u8], swarm: &[u8; 32]) -> Result<Offer, OfferError> {
    let offer = Offer::open(bytes, clock::now())?.offer;
    if offer.peer.as_str() != sender {
        return Err(OfferError::NotTheSender);
    }
    if offer.swarm.0 != *swarm {
        return Err(OfferError::OtherSwarm);
    }
    Ok(offer)
}

/// How many layers lie in at least one of the ranges.
fn covered(mut ranges: Vec<(u32, u32)>) -> u32 {
    ranges.sort_unstable();
    let mut reached = 0;
    let mut count = 0;
    for (first, end) in ranges {
        count += end.saturating_sub(first.max(reached));
        reached = reached.max(end);
    }
    count
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gguf::{LayerRange, ModelId};
    use identity::{LocalKey, Signed, SigningKey as _};
    use protocol::{PeerId, Power, SwarmId, Terms, Work};

    use super::*;

    const SWARM: [u8; 32] = [1; 32];
    const A: u8 = 1;
    const B: u8 = 2;
    const C: u8 = 3;

    /// The peers of these tests, by number.
    fn key(peer: u8) -> LocalKey {
        LocalKey::eddsa(&[peer; 32]).unwrap()
    }

    fn name(peer: u8) -> String {
        let id = key(peer).public_key().peer_id().unwrap();
        PeerId::from_bytes(&id).unwrap().to_string()
    }

    /// An offer of `peer` for layers `first..end` of a model of eight.
    fn offer(peer: u8, sequence: u64, first: u32, end: u32) -> Vec<u8> {
        let offer = Offer {
            swarm: SwarmId(SWARM),
            peer: PeerId::new(&name(peer)).unwrap(),
            addresses: Default::default(),
            kinds: Default::default(),
            work: Some(Work {
                model: ModelId([2; 32]),
                layers: LayerRange::new(first, end).unwrap(),
                model_layers: 8,
                us_per_token: 1000,
                sessions: 1,
                positions: 64,
                whole: true,
                batch_invariant: None,
            }),
            memory_bytes: 0,
            keep_bytes: 0,
            backend: Backend::Gpu,
            power: Power::Unknown,
            background: false,
            terms: Terms::Anybody,
            sequence,
            lifetime_s: 10,
            links: Default::default(),
            issued_at: clock::now(),
            credential: None,
            registry: None,
        };
        Signed::sign(&offer, &key(peer)).unwrap().to_bytes()
    }

    impl Board {
        fn hear(&mut self, from: u8, bytes: &[u8], now: Instant) -> Result<(), OfferError> {
            self.take(&name(from), bytes, now)
        }
    }

    #[test]
    fn layers_are_counted_once_however_many_hold_them() {
        let check = |ranges: &[(u32, u32)], expect: u32| {
            assert_eq!(covered(ranges.to_vec()), expect, "{ranges:?}");
        };
        check(&[], 0);
        check(&[(0, 4), (4, 8)], 8);
        check(&[(0, 4), (2, 6), (2, 6)], 6);
        check(&[(6, 8), (0, 2)], 4);
        check(&[(0, 8), (3, 4)], 8);
    }

    #[test]
    fn a_newer_offer_replaces_an_older_one_and_never_the_other_way() {
        let mut board = Board::new(SWARM, 10);
        let now = Instant::now();
        board.hear(A, &offer(A, 5, 0, 4), now).unwrap();
        for old in [4, 5] {
            let refused = board.hear(A, &offer(A, old, 0, 8), now);
            assert!(matches!(refused, Err(OfferError::Old)), "{old}");
        }
        board.hear(A, &offer(A, 6, 4, 8), now).unwrap();
        let shown = board.to_json(&[(hex::encode([3; 32]), 5)]);
        assert_eq!(shown["workers"][0]["layers"], json!([4, 8]));
        assert_eq!(
            shown["workers"][0].get("batch_invariant"),
            None,
            "nothing was said of it"
        );
        assert_eq!(
            shown["coverage"][hex::encode([2; 32])],
            json!({ "covered": 4, "layers": 8 })
        );
        assert_eq!(
            shown["coverage"][hex::encode([3; 32])],
            json!({ "covered": 0, "layers": 5 })
        );
    }

    #[test]
    fn a_newcomer_is_told_what_was_signed_and_no_more_than_a_phone_reads_in_a_moment() {
        let mut board = Board::new(SWARM, 10);
        let now = Instant::now();
        let sound = offer(A, 1, 0, 4);
        board.hear(A, &sound, now).unwrap();
        let told = board.told();
        assert_eq!(told["offers"][0]["peer_id"], name(A));
        assert_eq!(told["offers"][0]["offer"], URL_SAFE_NO_PAD.encode(&sound));
        board.hear(B, &offer(B, 1, 4, 8), now).unwrap();
        for row in board.rows.values_mut() {
            row.bytes.resize(MAX_TOLD_BYTES * 2 / 3, 0);
        }
        assert_eq!(board.told()["offers"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn an_offer_ends_with_its_lifetime_or_its_worker() {
        let mut board = Board::new(SWARM, 10);
        let now = Instant::now();
        board.hear(A, &offer(A, 1, 0, 4), now).unwrap();
        board.hear(B, &offer(B, 1, 4, 8), now).unwrap();
        board.forget(&name(A));
        assert_eq!(board.len(), 1);
        board.expire(now + Duration::from_secs(9));
        assert_eq!(board.len(), 1);
        board.expire(now + Duration::from_secs(11));
        assert!(board.is_empty());
    }

    #[test]
    fn only_the_senders_own_sound_offer_for_this_swarm_is_taken() {
        let mut board = Board::new(SWARM, 10);
        let now = Instant::now();
        let forged = board.hear(B, &offer(A, 1, 0, 4), now);
        assert!(matches!(forged, Err(OfferError::NotTheSender)));
        let garbage = board.hear(A, b"garbage", now);
        assert!(matches!(garbage, Err(OfferError::Unsound(_))));
        let mut broken = offer(A, 1, 0, 4);
        if let Some(last) = broken.last_mut() {
            *last ^= 1;
        }
        let broken = board.hear(A, &broken, now);
        assert!(matches!(broken, Err(OfferError::Unsound(_))));
        let elsewhere = Board::new([9; 32], 10).hear(A, &offer(A, 1, 0, 4), now);
        assert!(matches!(elsewhere, Err(OfferError::OtherSwarm)));
        assert!(board.is_empty());
    }

    #[test]
    fn a_full_board_takes_nobody_new_until_somebody_ends() {
        let mut board = Board::new(SWARM, 2);
        let now = Instant::now();
        for peer in [A, B] {
            board.hear(peer, &offer(peer, 1, 0, 4), now).unwrap();
        }
        let refused = board.hear(C, &offer(C, 1, 0, 4), now);
        assert!(matches!(refused, Err(OfferError::Full(2))));
        board.hear(A, &offer(A, 2, 0, 4), now).unwrap();
        let later = now + Duration::from_secs(11);
        board.hear(C, &offer(C, 1, 0, 4), later).unwrap();
        assert_eq!(board.len(), 1);
    }
}
