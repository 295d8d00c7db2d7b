//! The DHT's store: entries that their owners signed, and who provides what.
//! It takes nobody's word: `registry::vet` reads whatever comes in, and an expired entry is gone for readers too.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map},
    iter,
    time::Instant,
};

use identity::{IdentityError, NodeId, Timestamp};
use libp2p::{
    PeerId,
    kad::{
        ProviderRecord, Record, RecordKey,
        store::{Error, MemoryStore, RecordStore, Result},
    },
};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use registry::{EntryRefusal, Vetted, vet};

use crate::{
    clock,
    limits::Limits,
    metrics::{Metrics, Reason},
};

/// Entries and providers, within their limits.
pub struct Records {
    held: HashMap<RecordKey, Held>,
    of_owner: HashMap<NodeId, usize>,
    bytes: usize,
    max_records: usize,
    max_of_owner: usize,
    max_bytes: usize,
    refused: Family<Reason, Counter>,
    kept: Gauge,
    providers: MemoryStore,
    now: fn() -> Timestamp,
}

struct Held {
    record: Record,
    vetted: Vetted,
}

impl Records {
    /// Nothing yet.
    pub fn new(me: PeerId, limits: &Limits, metrics: &Metrics) -> Self {
        Records::at(me, limits, metrics, clock::now)
    }

    fn at(me: PeerId, limits: &Limits, metrics: &Metrics, now: fn() -> Timestamp) -> Self {
        let count = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Records {
            held: HashMap::new(),
            of_owner: HashMap::new(),
            bytes: 0,
            max_records: count(limits.max_records),
            max_of_owner: count(limits.max_records_per_owner),
            max_bytes: count(limits.max_record_bytes),
            refused: metrics.records_refused.clone(),
            kept: metrics.records.clone(),
            providers: MemoryStore::new(me),
            now,
        }
    }

    /// Takes an entry in, or says what is wrong with it.
    fn take(&mut self, record: Record) -> core::result::Result<(), &'static str> {
        let now = (self.now)();
        let vetted = vet(record.key.as_ref(), &record.value, now).map_err(|refusal| reason(&refusal))?;
        let before = self.held.get(&record.key);
        match before {
            // Somebody repeats it: nothing to do, and nothing wrong.
            Some(held) if held.vetted.is_same_as(&vetted) => return Ok(()),
            Some(held) if !vetted.replaces(&held.vetted) => return Err("stale"),
            _ => {}
        }
        // A new version takes the old one's place, not another's.
        let (places, freed) = before.map_or((0, 0), |held| (1, held.record.value.len()));
        let of_owner = self.of_owner.get(&vetted.owner()).copied().unwrap_or_default();
        if of_owner >= self.max_of_owner.saturating_add(places) {
            return Err("owner_full");
        }
        let fits = |this: &Records| {
            this.held.len() < this.max_records.saturating_add(places)
                && this.bytes + record.value.len() <= this.max_bytes.saturating_add(freed)
        };
        if !fits(self) {
            self.drop_expired(now);
        }
        if !fits(self) {
            return Err("full");
        }
        self.drop_record(&record.key);
        *self.of_owner.entry(vetted.owner()).or_default() += 1;
        self.bytes += record.value.len();
        // What the sender says of publisher and lifetime is not signed.
        let record = Record {
            publisher: None,
            expires: Instant::now().checked_add(vetted.entry().validity.until.since(now)),
            ..record
        };
        self.held.insert(record.key.clone(), Held { record, vetted });
        Ok(())
    }

    fn drop_record(&mut self, key: &RecordKey) {
        let Some(held) = self.held.remove(key) else { return };
        self.bytes = self.bytes.saturating_sub(held.record.value.len());
        if let hash_map::Entry::Occupied(mut count) = self.of_owner.entry(held.vetted.owner()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn drop_expired(&mut self, now: Timestamp) {
        let expired: Vec<RecordKey> = self
            .held
            .iter()
            .filter(|(_, held)| !held.lasts(now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &expired {
            self.drop_record(key);
        }
    }

    fn count(&self) {
        self.kept.set(i64::try_from(self.held.len()).unwrap_or(i64::MAX));
    }
}

impl Held {
    fn lasts(&self, now: Timestamp) -> bool {
        now < self.vetted.entry().validity.until
    }
}

impl RecordStore for Records {
    type RecordsIter<'a> = Box<dyn Iterator<Item = Cow<'a, Record>> + 'a>;
    type ProvidedIter<'a> = iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        let held = self.held.get(key).filter(|held| held.lasts((self.now)()))?;
        Some(Cow::Borrowed(&held.record))
    }

    fn put(&mut self, record: Record) -> Result<()> {
        let taken = self.take(record);
        self.count();
        taken.map_err(|reason| {
            self.refused.get_or_create(&Reason { reason }).inc();
            // The trait knows no better word; its sender only hears that it was not stored.
            Error::ValueTooLarge
        })
    }

    fn remove(&mut self, key: &RecordKey) {
        self.drop_record(key);
        self.count();
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        let now = (self.now)();
        let lasting = self.held.values().filter(move |held| held.lasts(now));
        Box::new(lasting.map(|held| Cow::Borrowed(&held.record)))
    }

    fn add_provider(&mut self, record: ProviderRecord) -> Result<()> {
        let added = self.providers.add_provider(record);
        if added.is_err() {
            self.refused
                .get_or_create(&Reason {
                    reason: "providers_full",
                })
                .inc();
        }
        added
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        self.providers.providers(key)
    }

    /// The relay provides nothing itself.
    fn provided(&self) -> Self::ProvidedIter<'_> {
        iter::empty()
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        self.providers.remove_provider(key, provider);
    }
}

/// The refusal as a label.
fn reason(refusal: &EntryRefusal) -> &'static str {
    match refusal {
        EntryRefusal::TooLong { .. } => "too_long",
        EntryRefusal::OtherKey => "other_key",
        EntryRefusal::Stale { .. } => "stale",
        EntryRefusal::Identity(
            IdentityError::Expired { .. }
            | IdentityError::NotYetValid { .. }
            | IdentityError::BadLifetime { .. },
        ) => "lifetime",
        EntryRefusal::Identity(IdentityError::BadSignature | IdentityError::WrongSigner { .. }) => {
            "signature"
        }
        EntryRefusal::Identity(_) | EntryRefusal::Malformed(_) => "malformed",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use identity::{LocalKey, Publication, Signed, SigningKey as _, Validity};
    use registry::{Entry, MAX_ENTRY_LIFE, entry_bytes, entry_key};

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key(n: u8) -> LocalKey {
        LocalKey::eddsa(&[n; 32]).unwrap()
    }

    /// Version `sequence` of key `n`'s entry `name`.
    fn record(n: u8, name: &str, sequence: u64, payload: usize) -> Record {
        let entry = Entry {
            name: name.to_owned(),
            sequence,
            validity: Validity::starting(START, MAX_ENTRY_LIFE),
            payload: vec![0; payload],
        };
        let state = Signed::sign(&entry, &key(n)).unwrap();
        let bytes = entry_bytes(&Publication {
            state,
            publisher: None,
        })
        .unwrap();
        Record::new(entry_key(key(n).public_key().node_id(), name), bytes)
    }

    fn store(limits: &Limits, now: fn() -> Timestamp) -> (Records, Metrics) {
        let metrics = Metrics::new(limits);
        (Records::at(PeerId::random(), limits, &metrics, now), metrics)
    }

    fn refusals(metrics: &Metrics, reason: &'static str) -> u64 {
        metrics.records_refused.get_or_create(&Reason { reason }).get()
    }

    #[test]
    fn the_newest_version_is_kept_and_an_older_one_does_not_come_back() {
        let (mut store, metrics) = store(&Limits::default(), || START);
        let (old, new) = (record(1, "a", 1, 10), record(1, "a", 2, 10));
        store.put(old.clone()).unwrap();
        store.put(new.clone()).unwrap();
        store.put(new.clone()).unwrap();
        assert!(store.put(old).is_err());
        assert_eq!(store.get(&new.key).unwrap().value, new.value);
        assert_eq!((store.records().count(), metrics.records.get()), (1, 1));
        assert_eq!(refusals(&metrics, "stale"), 1);
    }

    #[test]
    fn what_has_expired_is_neither_taken_nor_given_and_makes_room() {
        let one = Limits {
            max_records: 1,
            ..Limits::default()
        };
        let (mut store, metrics) = store(&one, || START);
        let (a, b) = (record(1, "a", 1, 10), record(2, "b", 1, 10));
        store.put(a.clone()).unwrap();
        assert!(store.put(b.clone()).is_err());
        assert_eq!(refusals(&metrics, "full"), 1);
        store.now = || START.plus(MAX_ENTRY_LIFE);
        assert!(store.get(&a.key).is_none());
        assert_eq!(store.records().count(), 0);
        assert!(store.put(a).is_err());
        assert_eq!(refusals(&metrics, "lifetime"), 1);
        store.now = || START.plus(Duration::from_secs(60));
        store.remove(&record(1, "a", 1, 10).key);
        store.put(b).unwrap();
    }

    #[test]
    fn one_owner_and_all_together_have_their_limits() {
        let limits = Limits {
            max_records_per_owner: 2,
            max_record_bytes: 3_000,
            ..Limits::default()
        };
        let (mut store, metrics) = store(&limits, || START);
        store.put(record(1, "a", 1, 10)).unwrap();
        store.put(record(1, "b", 1, 10)).unwrap();
        assert!(store.put(record(1, "c", 1, 10)).is_err());
        assert_eq!(refusals(&metrics, "owner_full"), 1);
        store.put(record(1, "b", 2, 10)).unwrap();
        store.put(record(2, "c", 1, 2_000)).unwrap();
        assert!(store.put(record(3, "d", 1, 2_000)).is_err());
        assert_eq!(refusals(&metrics, "full"), 1);
        assert_eq!(store.records().count(), 3);
    }

    #[test]
    fn nobody_puts_anything_under_anothers_key() {
        let (mut store, metrics) = store(&Limits::default(), || START);
        let mut moved = record(1, "a", 1, 10);
        moved.key = record(2, "a", 1, 10).key;
        assert!(store.put(moved).is_err());
        assert!(
            store
                .put(Record::new(b"anything".to_vec(), b"unsigned".to_vec()))
                .is_err()
        );
        assert_eq!(refusals(&metrics, "other_key"), 2);
        assert_eq!(store.records().count(), 0);
    }
}
