//! Entries: small pieces of state that an identity signs and leaves where anybody finds them by its key and a name.
//! It does not store or send them; both ends of a distributed table call [`vet`] on whatever comes in.
//!
//! The key in the table is the hash of owner and name, so nobody can put anything under another's name; the
//! signature covers the name, so an entry cannot be moved; the sequence grows, so what was replaced does not come
//! back for longer than it was signed for, at most [`MAX_ENTRY_LIFE`].

use core::time::Duration;

use identity::{IdentityError, NodeId, Publication, Record, RecordHash, State, Timestamp, Validity, cbor};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

/// Longest life of an entry: bounds how long a replaced one can be shown to somebody who knows no better. Whoever
/// publishes signs again well before.
pub const MAX_ENTRY_LIFE: Duration = Duration::from_secs(72 * 60 * 60);
/// Longest name of an entry: a swarm's id, a word and a number.
pub const MAX_ENTRY_NAME_BYTES: usize = 96;
/// What an entry says at most: with signatures and delegation it stays below the 16 KiB of a message of the table.
pub const MAX_ENTRY_PAYLOAD_BYTES: usize = 8 * 1024;
/// An entry as it travels: payload, name, and two signatures, one of which may be a passkey's.
pub const MAX_ENTRY_BYTES: usize = 14 * 1024;

/// The beginning of every key of an entry.
const PREFIX: &[u8] = b"/manyhands/entry/1/";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Which of the owner's entries.
    #[n(0)]
    pub name: String,
    /// Grows with every version of this name.
    #[n(1)]
    pub sequence: u64,
    /// From when until when it may be believed, at most [`MAX_ENTRY_LIFE`].
    #[n(2)]
    pub validity: Validity,
    /// What it says; what that means follows from the name.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub payload: Vec<u8>,
}

impl Record for Entry {
    const CONTEXT: &'static str = "entry/1";
    const MAX_BYTES: usize = MAX_ENTRY_PAYLOAD_BYTES + 256;
}

impl State for Entry {}

/// Why an entry is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryRefusal {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the {what} of an entry has {bytes} bytes, at most {max} are accepted")]
    TooLong {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    #[error("not an entry: {0}")]
    Malformed(String),
    #[error("the entry belongs under another key")]
    OtherKey,
    #[error("a newer version, {held}, is here already; this is {offered}")]
    Stale { held: u64, offered: u64 },
}

/// An entry that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vetted {
    owner: NodeId,
    entry: Entry,
    hash: RecordHash,
}

/// Where `owner`'s entry `name` is kept.
pub fn entry_key(owner: NodeId, name: &str) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(owner.as_bytes())
        .chain_update([0])
        .chain_update(name)
        .finalize();
    [PREFIX, &hash[..]].concat()
}

/// The bytes of an entry for the table.
pub fn entry_bytes(publication: &Publication<Entry>) -> Result<Vec<u8>, EntryRefusal> {
    let bytes = minicbor::to_vec(publication).map_err(|e| EntryRefusal::Malformed(e.to_string()))?;
    within("encoding", bytes.len(), MAX_ENTRY_BYTES)?;
    Ok(bytes)
}

/// Checks what is, or is to be, kept under `key`: size, form, owner, signature, life. The cheap checks come first.
pub fn vet(key: &[u8], bytes: &[u8], now: Timestamp) -> Result<Vetted, EntryRefusal> {
    within("encoding", bytes.len(), MAX_ENTRY_BYTES)?;
    if !key.starts_with(PREFIX) || key.len() != PREFIX.len() + 32 {
        return Err(EntryRefusal::OtherKey);
    }
    cbor::check_deterministic(bytes)?;
    let publication: Publication<Entry> =
        minicbor::decode(bytes).map_err(|e| EntryRefusal::Malformed(e.to_string()))?;
    let hash = publication.state.hash();
    let (entry, owner) = publication.verify(now)?;
    within("name", entry.name.len(), MAX_ENTRY_NAME_BYTES)?;
    within("payload", entry.payload.len(), MAX_ENTRY_PAYLOAD_BYTES)?;
    let owner = owner.node_id();
    if entry_key(owner, &entry.name) != key {
        return Err(EntryRefusal::OtherKey);
    }
    entry.validity.check(now, MAX_ENTRY_LIFE)?;
    Ok(Vetted { owner, entry, hash })
}

impl Vetted {
    /// Whose word it is.
    pub fn owner(&self) -> NodeId {
        self.owner
    }

    /// What it says.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Whether this takes the place of `other`, which has the same key: the higher sequence does; of two with the
    /// same one (their owner signed twice) the one that lasts longer, then the higher hash, so that all agree.
    pub fn replaces(&self, other: &Vetted) -> bool {
        let rank = |v: &Vetted| (v.entry.sequence, v.entry.validity.until, v.hash);
        rank(self) > rank(other)
    }

    /// Whether it says the same in the same version.
    pub fn is_same_as(&self, other: &Vetted) -> bool {
        self.hash == other.hash
    }
}

fn within(what: &'static str, bytes: usize, max: usize) -> Result<(), EntryRefusal> {
    if bytes > max {
        Err(EntryRefusal::TooLong { what, bytes, max })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use identity::{LocalKey, MAX_PUBLISHER, PublisherDelegation, Signed, SigningKey as _};
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{RngCore as _, SeedableRng as _},
    };

    use super::*;
    use crate::testing::{at, id, key};

    fn entry(sequence: u64) -> Entry {
        Entry {
            name: "profile".to_owned(),
            sequence,
            validity: Validity::starting(at(0), MAX_ENTRY_LIFE),
            payload: b"hello".to_vec(),
        }
    }

    fn signed(entry: &Entry, by: &LocalKey) -> Publication<Entry> {
        Publication {
            state: Signed::sign(entry, by).unwrap(),
            publisher: None,
        }
    }

    fn bytes(entry: &Entry, by: &LocalKey) -> Vec<u8> {
        entry_bytes(&signed(entry, by)).unwrap()
    }

    fn mine() -> Vec<u8> {
        entry_key(id(1), "profile")
    }

    #[test]
    fn an_owner_and_whom_they_delegate_to_may_speak_under_the_owners_key() {
        let direct = vet(&mine(), &bytes(&entry(3), &key(1)), at(1)).unwrap();
        assert_eq!((direct.owner(), direct.entry()), (id(1), &entry(3)));

        let relay = LocalKey::eddsa(&[9; 32]).unwrap();
        let delegation = PublisherDelegation {
            publisher: relay.public_key(),
            validity: Validity::starting(at(0), MAX_PUBLISHER),
        };
        let by_relay = Publication {
            state: Signed::sign(&entry(4), &relay).unwrap(),
            publisher: Some(Signed::sign(&delegation, &key(1)).unwrap()),
        };
        let vetted = vet(&mine(), &entry_bytes(&by_relay).unwrap(), at(1)).unwrap();
        assert_eq!(vetted.owner(), id(1));
        assert!(vetted.replaces(&direct));

        // The relay alone, and with a paper that somebody else signed.
        let alone = Publication {
            publisher: None,
            ..by_relay.clone()
        };
        assert_eq!(
            vet(&mine(), &entry_bytes(&alone).unwrap(), at(1)),
            Err(EntryRefusal::OtherKey)
        );
        let stranger = Publication {
            publisher: Some(Signed::sign(&delegation, &key(2)).unwrap()),
            ..by_relay
        };
        assert_eq!(
            vet(&mine(), &entry_bytes(&stranger).unwrap(), at(1)),
            Err(EntryRefusal::OtherKey)
        );
    }

    #[test]
    fn of_two_versions_all_choose_the_same() {
        let vetted = |entry: &Entry| vet(&mine(), &bytes(entry, &key(1)), at(1)).unwrap();
        let (old, new) = (vetted(&entry(1)), vetted(&entry(2)));
        assert!(new.replaces(&old) && !old.replaces(&new));
        let mut short = entry(2);
        short.validity = Validity::starting(at(0), Duration::from_secs(3600));
        assert!(new.replaces(&vetted(&short)));
        let mut other = entry(2);
        other.payload = b"other".to_vec();
        let other = vetted(&other);
        assert_ne!(new.replaces(&other), other.replaces(&new));
        assert!(new.is_same_as(&new) && !new.replaces(&new));
    }

    #[test]
    fn an_entry_has_its_limits_in_size_and_in_time() {
        let refused = |entry: Entry, now| vet(&mine(), &bytes(&entry, &key(1)), now).unwrap_err();
        let expired = refused(entry(1), at(0).plus(MAX_ENTRY_LIFE));
        assert!(matches!(
            expired,
            EntryRefusal::Identity(IdentityError::Expired { .. })
        ));
        let mut far = entry(1);
        far.validity.until = Timestamp::MAX;
        let far = refused(far, at(1));
        assert!(matches!(
            far,
            EntryRefusal::Identity(IdentityError::BadLifetime { .. })
        ));
        let mut tomorrow = entry(1);
        tomorrow.validity = Validity::starting(at(60 * 24), MAX_ENTRY_LIFE);
        let early = refused(tomorrow, at(1));
        assert!(matches!(
            early,
            EntryRefusal::Identity(IdentityError::NotYetValid { .. })
        ));

        let mut long = entry(1);
        long.payload = vec![0; MAX_ENTRY_PAYLOAD_BYTES];
        assert!(vet(&mine(), &bytes(&long, &key(1)), at(1)).is_ok());
        long.payload.push(0);
        assert!(matches!(
            refused(long, at(1)),
            EntryRefusal::TooLong { what: "payload", .. }
        ));
        let mut named = entry(1);
        named.name = "n".repeat(MAX_ENTRY_NAME_BYTES + 1);
        let key_of_named = entry_key(id(1), &named.name);
        let long_name = vet(&key_of_named, &bytes(&named, &key(1)), at(1));
        assert!(matches!(
            long_name,
            Err(EntryRefusal::TooLong { what: "name", .. })
        ));
        let huge = vec![0; MAX_ENTRY_BYTES + 1];
        assert!(matches!(
            vet(&mine(), &huge, at(1)),
            Err(EntryRefusal::TooLong { .. })
        ));
    }

    #[test]
    fn of_ten_thousand_forgeries_none_is_taken() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let sound = bytes(&entry(5), &key(1));
        assert!(vet(&mine(), &sound, at(1)).is_ok());
        let strangers: Vec<LocalKey> = (0..16).map(|n| LocalKey::eddsa(&[50 + n; 32]).unwrap()).collect();
        let mut tried = 0;
        while tried < 10_000 {
            let pick = random.next_u32();
            let stranger = &strangers[pick as usize % strangers.len()];
            let forged = match pick % 5 {
                // A bit of a sound one turned.
                0 => {
                    let mut bent = sound.clone();
                    let at = random.next_u32() as usize % bent.len();
                    bent[at] ^= 1 << (random.next_u32() % 8);
                    bent
                }
                // A stranger's signature under the owner's key.
                1 => bytes(&entry(u64::from(random.next_u32())), stranger),
                // A stranger's signature with the owner's key written over theirs.
                2 => {
                    let theirs = bytes(&entry(6), stranger);
                    let (from, to) = (stranger.public_key().to_bytes(), key(1).public_key().to_bytes());
                    replace(&theirs, &from[1..], &to[1..])
                }
                // Cut, and noise.
                3 => sound[..random.next_u32() as usize % sound.len()].to_vec(),
                _ => {
                    let mut noise = vec![0; random.next_u32() as usize % 600];
                    random.fill_bytes(&mut noise);
                    noise
                }
            };
            assert!(
                vet(&mine(), &forged, at(1)).is_err(),
                "forgery {tried} of kind {}",
                pick % 5
            );
            tried += 1;
        }
        // The sound one under a key that is not its own.
        for at_byte in mine().len() - 32..mine().len() {
            let mut elsewhere = mine();
            elsewhere[at_byte] ^= 1;
            assert_eq!(vet(&elsewhere, &sound, at(1)), Err(EntryRefusal::OtherKey));
        }
    }

    fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = bytes
            .windows(from.len())
            .position(|window| window == from)
            .unwrap();
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    }
}
