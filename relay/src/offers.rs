//! The board of offers: what each worker last announced, for `/api/v1/peers` and for nobody's
//! decisions; peers choose for themselves from what they hear.
//! It has no clock and does not verify who sent an offer; gossip's signature does, and `take`
//! compares the names.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use protocol::{Backend, Offer, ProtocolError};
use serde_json::{Value, json};

/// The offers of one swarm.
pub struct Board {
    max_offers: usize,
    swarm: [u8; 32],
    rows: BTreeMap<String, Row>,
}

struct Row {
    offer: Offer,
    since_unix_s: u64,
    expires: Instant,
}

/// Why an offer was not taken; its sender's message is not forwarded either.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    #[error(transparent)]
    Malformed(#[from] ProtocolError),
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

    /// Takes the offer in `bytes` that `sender` signed.
    ///
    /// # Errors
    /// When it is no sound offer, in another's name, for another swarm, or older than the last.
    pub fn take(&mut self, sender: &str, bytes: &[u8], now: Instant) -> Result<(), OfferError> {
        let offer = Offer::decode(bytes)?;
        if offer.peer.as_str() != sender {
            return Err(OfferError::NotTheSender);
        }
        if offer.swarm.0 != self.swarm {
            return Err(OfferError::OtherSwarm);
        }
        self.expire(now);
        let last = self.rows.get(sender);
        if last.is_some_and(|row| row.offer.sequence >= offer.sequence) {
            return Err(OfferError::Old);
        }
        if last.is_none() && self.rows.len() >= self.max_offers {
            return Err(OfferError::Full(self.max_offers));
        }
        let since_unix_s = last.map_or_else(unix_s, |row| row.since_unix_s);
        let row = Row {
            expires: now + Duration::from_secs(offer.lifetime_s.into()),
            since_unix_s,
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
        Some(json!({
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
        }))
    }
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

fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
