//! The register of the relay's swarm: who has which role. Until somebody claims the swarm a founder's key that lies
//! here is its Owner and signs; the claim makes its signer the Owner and ends that key. It asks for no secret: see
//! `owner` and `invites`.

use std::{
    fs, io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::{Authority, CoSigned, IdentityError, LocalKey, NodeId, PublicKey, SigningKey, Timestamp};
use registry::{
    Action, Genesis, MAX_NAME_BYTES, PARCEL_PREFIX, Parcel, Record, Refusal, Registry, Role, SwarmId, Terms,
};

use crate::store::{Store, StoreError, random};

const FOUNDER_FILE: &str = "founder.key";
const REGISTER_FILE: &str = "register.cbor";
/// Records of the copy here, some 300 KiB: it serves those who join. Members keep and exchange the whole themselves.
const MAX_RECORDS: usize = 1024;
/// News in one message: whoever joins has two, whoever claims three.
const MAX_NEWS: usize = 16;

/// The register of one data folder.
pub struct Register {
    store: Store,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Until the swarm has an owner.
    founder: Option<LocalKey>,
    /// None in a folder that was claimed before there were registers.
    registry: Option<Registry>,
}

/// The register cannot be kept, or says no.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{file} in the data folder is damaged: {why}; restore it from a backup")]
    Damaged { file: &'static str, why: String },
    #[error("cannot forget the founder's key: {0}")]
    Forget(io::Error),
    #[error("this swarm has an owner: roles are theirs to give, on the Keys page")]
    Owned,
    #[error("the register says no: {0}")]
    Refused(#[from] Refusal),
    #[error("a record cannot be signed: {0}")]
    Sign(#[from] IdentityError),
    #[error("no room for more records: the relay keeps {MAX_RECORDS}")]
    Full,
    #[error("{0}")]
    News(&'static str),
}

impl Register {
    /// Opens the register of this folder; founded if there is none and nobody owns the swarm.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or what is kept in it is damaged.
    pub fn open(store: &Store, name: &str, owned: bool, now: Timestamp) -> Result<Register, RegisterError> {
        let register = |founder, registry| Register {
            store: store.clone(),
            inner: Mutex::new(Inner { founder, registry }),
        };
        if let Some(bytes) = store.read(REGISTER_FILE)? {
            let registry = read(&bytes, now)?;
            let founder = match store.read(FOUNDER_FILE)? {
                // The power went between the claim and the end of the key.
                Some(_) if owned => {
                    forget_founder(store)?;
                    None
                }
                Some(secret) => Some(founder(&secret)?),
                None => None,
            };
            return Ok(register(founder, Some(registry)));
        }
        if owned {
            return Ok(register(None, None));
        }
        let secret = store.read_or_create::<RegisterError>(FOUNDER_FILE, || Ok(random::<32>()?.to_vec()))?;
        let key = founder(&secret)?;
        let owner: Authority = key.public_key().into();
        let genesis = Record {
            swarm: None,
            sequence: 0,
            previous: None,
            author: owner.id(),
            issued_at: now,
            action: Action::Genesis(Genesis {
                name: first_bytes(name, MAX_NAME_BYTES).to_owned(),
                owner,
                parent: None,
                salt: random()?,
            }),
        };
        let registry = Registry::found(CoSigned::sign(&genesis, &[&key])?)?;
        store.write(REGISTER_FILE, &Parcel::of(&registry).to_bytes())?;
        Ok(register(Some(key), Some(registry)))
    }

    /// Its id, where there is one.
    pub fn id(&self) -> Option<SwarmId> {
        self.lock().registry.as_ref().map(Registry::id)
    }

    /// All of it as text, as the app takes it in.
    pub fn text(&self) -> Option<String> {
        self.lock().registry.as_ref().map(text)
    }

    /// Whether roles can be granted here: only until the swarm has an owner.
    pub fn grants(&self) -> bool {
        self.lock().founder.is_some()
    }

    /// Offers `role` to a key, which accepts it itself; nothing is changed where it has that or a higher one.
    ///
    /// # Errors
    /// When the swarm has an owner, the register says no, or the disk does.
    pub fn offer(&self, to: PublicKey, role: Role, now: Timestamp) -> Result<(), RegisterError> {
        let mut inner = self.lock();
        let Inner {
            founder: Some(founder),
            registry: Some(registry),
        } = &mut *inner
        else {
            return Err(RegisterError::Owned);
        };
        let member: NodeId = to.node_id();
        let terms = match role {
            Role::Owner => Terms::OWNER,
            role => Terms::plain(role),
        };
        let action = match registry.state().member(member).and_then(registry::Member::reach) {
            Some(has) if has >= role => return Ok(()),
            Some(_) => Action::Promote { member, terms },
            None => Action::Grant {
                holder: to.into(),
                terms,
            },
        };
        if registry.len() >= MAX_RECORDS {
            return Err(RegisterError::Full);
        }
        let record = registry.next(founder.public_key().node_id(), now, action);
        let mut next = registry.clone();
        next.apply(CoSigned::sign(&record, &[founder])?, now)?;
        self.keep(&next)?;
        *registry = next;
        Ok(())
    }

    /// Takes in what members have signed since: an acceptance, mostly.
    ///
    /// # Errors
    /// When this is no news of this register, there is too much of it, or the disk says no.
    pub fn take_in(&self, news: &str, now: Timestamp) -> Result<(), RegisterError> {
        let bad = RegisterError::News("this is no part of a register");
        let bytes = news
            .strip_prefix(PARCEL_PREFIX)
            .map(|text| URL_SAFE_NO_PAD.decode(text));
        let Some(Ok(bytes)) = bytes else { return Err(bad) };
        let parcel = Parcel::from_bytes(&bytes).map_err(|_| bad)?;
        let count = parcel.records.len() + parcel.statements.len();
        if count > MAX_NEWS {
            return Err(RegisterError::News("too much at once"));
        }
        let mut inner = self.lock();
        let Some(registry) = &mut inner.registry else {
            return Err(RegisterError::Owned);
        };
        if registry.len() + registry.statements().count() + count > MAX_RECORDS {
            return Err(RegisterError::Full);
        }
        let mut next = registry.clone();
        if parcel.merge(&mut next, now) > 0 {
            self.keep(&next)?;
            *registry = next;
        }
        Ok(())
    }

    /// Ends the founder's key: the swarm has an owner.
    ///
    /// # Errors
    /// When the disk says no; the next start does it then.
    pub fn retire_founder(&self) -> Result<(), RegisterError> {
        let mut inner = self.lock();
        inner.founder = None;
        forget_founder(&self.store)
    }

    fn keep(&self, registry: &Registry) -> Result<(), RegisterError> {
        Ok(self
            .store
            .write(REGISTER_FILE, &Parcel::of(registry).to_bytes())?)
    }

    /// Whoever panicked with it in hand left a whole register behind.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(registry: &Registry) -> String {
    format!(
        "{PARCEL_PREFIX}{}",
        URL_SAFE_NO_PAD.encode(Parcel::of(registry).to_bytes())
    )
}

fn read(bytes: &[u8], now: Timestamp) -> Result<Registry, RegisterError> {
    let damaged = |why: String| RegisterError::Damaged {
        file: REGISTER_FILE,
        why,
    };
    let parcel = Parcel::from_bytes(bytes).map_err(|error| damaged(error.to_string()))?;
    let mut registry = parcel.found().map_err(|error| damaged(error.to_string()))?;
    parcel.merge(&mut registry, now);
    Ok(registry)
}

fn founder(secret: &[u8]) -> Result<LocalKey, RegisterError> {
    let damaged = |why: String| RegisterError::Damaged {
        file: FOUNDER_FILE,
        why,
    };
    let secret = secret
        .try_into()
        .map_err(|_| damaged(format!("{} bytes", secret.len())))?;
    LocalKey::eddsa(secret).map_err(|error| damaged(error.to_string()))
}

fn forget_founder(store: &Store) -> Result<(), RegisterError> {
    match fs::remove_file(store.path(FOUNDER_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RegisterError::Forget(error)),
        _ => Ok(()),
    }
}

/// As many whole letters as fit.
fn first_bytes(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key(n: u8) -> LocalKey {
        LocalKey::es256(&[n; 32]).unwrap()
    }

    fn opened(dir: &std::path::Path, owned: bool) -> Register {
        Register::open(&Store::open(dir).unwrap(), "hands", owned, NOW).unwrap()
    }

    fn told(register: &Register) -> Registry {
        let text = register.text().unwrap();
        let bytes = URL_SAFE_NO_PAD
            .decode(text.strip_prefix(PARCEL_PREFIX).unwrap())
            .unwrap();
        read(&bytes, NOW).unwrap()
    }

    fn news(records: Vec<CoSigned<Record>>) -> String {
        let parcel = Parcel {
            records: records.iter().map(|record| record.to_bytes().into()).collect(),
            ..Parcel::default()
        };
        format!("{PARCEL_PREFIX}{}", URL_SAFE_NO_PAD.encode(parcel.to_bytes()))
    }

    /// A member's acceptance of what was offered last.
    fn acceptance(registry: &Registry, by: &LocalKey) -> CoSigned<Record> {
        let offer = registry.head().hash;
        let record = registry.next(by.public_key().node_id(), NOW, Action::Accept { offer });
        CoSigned::sign(&record, &[by]).unwrap()
    }

    #[test]
    fn roles_are_offered_until_there_is_an_owner_and_members_words_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let register = opened(dir.path(), false);
        let (member, owner) = (key(1), key(2));
        register.offer(member.public_key(), Role::Worker, NOW).unwrap();
        register.offer(member.public_key(), Role::Worker, NOW).unwrap();
        assert_eq!(told(&register).len(), 2, "the same again changes nothing");
        register.offer(member.public_key(), Role::Admin, NOW).unwrap();
        let accepted = acceptance(&told(&register), &member);
        register.take_in(&news(vec![accepted]), NOW).unwrap();
        let standing = |register: &Register, key: &LocalKey| {
            told(register).standing(key.public_key().node_id(), NOW).role
        };
        assert_eq!(standing(&register, &member), Some(Role::Admin));

        register.offer(owner.public_key(), Role::Owner, NOW).unwrap();
        register.retire_founder().unwrap();
        assert!(!dir.path().join(FOUNDER_FILE).exists());
        let accepted = acceptance(&told(&register), &owner);
        register.take_in(&news(vec![accepted]), NOW).unwrap();
        assert_eq!(standing(&register, &owner), Some(Role::Owner));
        assert!(matches!(
            register.offer(key(3).public_key(), Role::Worker, NOW),
            Err(RegisterError::Owned)
        ));
        // The owner sends the founder away; nobody else may.
        let founder = told(&register).genesis().unwrap().owner.id();
        let kick = |by: &LocalKey| {
            let record =
                told(&register).next(by.public_key().node_id(), NOW, Action::Kick { member: founder });
            news(vec![CoSigned::sign(&record, &[by]).unwrap()])
        };
        register.take_in(&kick(&member), NOW).unwrap();
        assert_eq!(told(&register).state().owners().count(), 2);
        register.take_in(&kick(&owner), NOW).unwrap();
        assert_eq!(told(&register).state().owners().count(), 1);

        let again = opened(dir.path(), true);
        assert_eq!(again.id(), register.id());
        assert_eq!(standing(&again, &owner), Some(Role::Owner));
        assert_eq!(
            standing(&again, &member),
            Some(Role::Admin),
            "whom the relay brought stays"
        );
    }

    #[test]
    fn a_founders_key_that_outlived_the_claim_ends_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        drop(opened(dir.path(), false));
        assert!(opened(dir.path(), false).grants());
        assert!(!opened(dir.path(), true).grants());
        assert!(!dir.path().join(FOUNDER_FILE).exists());
    }

    #[test]
    fn a_folder_claimed_before_there_were_registers_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let register = opened(dir.path(), true);
        assert_eq!((register.id(), register.text()), (None, None));
        assert!(matches!(
            register.offer(key(1).public_key(), Role::Worker, NOW),
            Err(RegisterError::Owned)
        ));
    }

    #[test]
    fn the_copy_here_is_bounded_and_strangers_add_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let register = opened(dir.path(), false);
        let stranger = key(9);
        let record = told(&register).next(stranger.public_key().node_id(), NOW, Action::Seal);
        let signed = CoSigned::sign(&record, &[&stranger]).unwrap();
        register.take_in(&news(vec![signed.clone()]), NOW).unwrap();
        assert_eq!(told(&register).len(), 1);
        assert!(matches!(
            register.take_in(&news(vec![signed; MAX_NEWS + 1]), NOW),
            Err(RegisterError::News(_))
        ));
        for bad in ["", "s1.", "s1.%", "s1.AAAA", "x"] {
            assert!(register.take_in(bad, NOW).is_err(), "{bad}");
        }
        // Filled in memory: each signature costs time, a thousand writes to the disk more.
        {
            let mut inner = register.lock();
            let founder = inner.founder.clone().unwrap();
            let registry = inner.registry.as_mut().unwrap();
            while registry.len() < MAX_RECORDS {
                let seal = registry.next(founder.public_key().node_id(), NOW, Action::Seal);
                registry
                    .apply(CoSigned::sign(&seal, &[&founder]).unwrap(), NOW)
                    .unwrap();
            }
        }
        assert!(matches!(
            register.offer(key(1).public_key(), Role::Worker, NOW),
            Err(RegisterError::Full)
        ));
        let seal = CoSigned::sign(&record, &[&stranger]).unwrap();
        assert!(matches!(
            register.take_in(&news(vec![seal]), NOW),
            Err(RegisterError::Full)
        ));
    }

    #[test]
    fn a_long_name_is_cut_between_letters() {
        let name = "\u{e9}".repeat(40);
        assert_eq!(first_bytes(&name, 64).chars().count(), 32);
        assert_eq!(first_bytes("short", 64), "short");
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert!(Register::open(&store, &"x".repeat(500), false, NOW).is_ok());
    }
}
