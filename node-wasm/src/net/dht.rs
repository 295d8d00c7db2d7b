//! A tab's part in the DHT: puts entries, looks for them, and corrects whoever holds an old one.
//! It holds nothing for others: tabs come and go, relays keep the table.

use std::collections::HashMap;

use futures::channel::oneshot;
use identity::Timestamp;
use libp2p::PeerId;
use libp2p::kad::{self, QueryId, store::MemoryStore};
use registry::{Found, Search};

/// Queries at once: a registry is 64 pages at most.
const MAX_QUERIES: usize = 80;

/// What a query for an entry has heard so far, and who waits for it.
type Get = (Search<PeerId>, oneshot::Sender<Option<Found<PeerId>>>);

/// The queries under way.
#[derive(Default)]
pub(super) struct Dht {
    gets: HashMap<QueryId, Get>,
    puts: HashMap<QueryId, oneshot::Sender<Result<(), String>>>,
}

type Kad = kad::Behaviour<MemoryStore>;

impl Dht {
    /// Puts an entry at those whom the table finds responsible.
    pub(super) fn put(
        &mut self,
        kad: &mut Kad,
        key: Vec<u8>,
        bytes: Vec<u8>,
        stored: oneshot::Sender<Result<(), String>>,
    ) {
        if self.puts.len() >= MAX_QUERIES {
            let _ = stored.send(Err("too many entries at once".to_owned()));
            return;
        }
        match kad.put_record(kad::Record::new(key, bytes), kad::Quorum::One) {
            Ok(query) => {
                self.puts.insert(query, stored);
            }
            Err(error) => {
                let _ = stored.send(Err(error.to_string()));
            }
        }
    }

    /// Looks for an entry.
    pub(super) fn get(&mut self, kad: &mut Kad, key: Vec<u8>, found: oneshot::Sender<Option<Found<PeerId>>>) {
        if self.gets.len() >= MAX_QUERIES {
            let _ = found.send(None);
            return;
        }
        let query = kad.get_record(kad::RecordKey::new(&key));
        self.gets.insert(query, (Search::new(key), found));
    }

    /// News of a query.
    pub(super) fn hear(&mut self, kad: &mut Kad, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { id, result, step, .. } = event else {
            return;
        };
        match result {
            kad::QueryResult::PutRecord(result) => {
                if let Some(stored) = self.puts.remove(&id) {
                    let _ = stored.send(result.map(|_| ()).map_err(|error| error.to_string()));
                }
            }
            kad::QueryResult::GetRecord(result) => {
                if let (Ok(kad::GetRecordOk::FoundRecord(found)), Some((search, _))) =
                    (result, self.gets.get_mut(&id))
                    // What we hold ourselves is no news, and we need no correction.
                    && let Some(holder) = found.peer
                {
                    search.hear(holder, &found.record.value, now());
                }
                if step.last
                    && let Some((search, answer)) = self.gets.remove(&id)
                {
                    let found = finish(kad, search);
                    let _ = answer.send(found);
                }
            }
            _ => {}
        }
    }
}

/// The end of a search; whoever had an old version is handed the new one.
fn finish(kad: &mut Kad, search: Search<PeerId>) -> Option<Found<PeerId>> {
    let key = search.key().to_vec();
    let found = search.finish()?;
    if !found.outdated.is_empty() {
        let record = kad::Record::new(key, found.bytes.clone());
        kad.put_record_to(record, found.outdated.iter().copied(), kad::Quorum::One);
    }
    Some(found)
}

fn now() -> Timestamp {
    Timestamp::from_ms(js_sys::Date::now() as u64)
}
