//! What is done to each input of a fuzzer: it is read as a peer's bytes are, and what can be read must read again.
//! It makes no inputs: the fuzzer does, and the replay of what it kept.
#![allow(clippy::expect_used)]

use std::marker::PhantomData;
use std::sync::LazyLock;
use std::time::Duration;

use identity::{Authority, CoSigned, LocalKey, Signed, SigningKey, Timestamp};
use minicbor::{Decode, Decoder, Encode, Encoder};
use protocol::{Assembler, Message, Offer};
use registry::{Action, Genesis, Record, Registry, Role, Statement, Terms};

/// When everything was signed.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A stream, in pieces as long as its first byte says.
pub(crate) fn frame(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else {
        return;
    };
    let mut assembler = Assembler::new();
    for mut bytes in stream.chunks(usize::from(*piece).max(1)) {
        loop {
            match assembler.read(&mut bytes) {
                Ok(Some(message)) => {
                    let written = message.encode().expect("what was read can be written");
                    let again = Message::decode(&written).expect("and read again");
                    assert_eq!(again.encode().as_ref(), Ok(&written));
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// A record or a statement of a registry: as it comes, and as a payload that an Owner signs.
pub(crate) fn record(data: &[u8]) {
    let mut registry = founded();
    if let Ok(record) = CoSigned::<Record>::from_bytes(data) {
        assert_eq!(CoSigned::from_bytes(&record.to_bytes()), Ok(record.clone()));
        let _ = Registry::found(record.clone());
        take(&mut registry, record);
    }
    if let Ok(statement) = CoSigned::<Statement>::from_bytes(data) {
        let _ = registry.hear(statement);
    }
    let owner = key(1);
    if let Ok(record) = CoSigned::sign(&Raw::<Record>::new(data), &[&owner]) {
        let record = CoSigned::<Record>::from_bytes(&record.to_bytes()).expect("what was signed can be read");
        let _ = Registry::found(record.clone());
        take(&mut registry, record);
    }
    if let Ok(statement) = CoSigned::sign(&Raw::<Statement>::new(data), &[&key(2)]) {
        let read = CoSigned::<Statement>::from_bytes(&statement.to_bytes());
        let _ = registry.hear(read.expect("what was signed can be read"));
    }
}

fn take(registry: &mut Registry, record: CoSigned<Record>) {
    let before = registry.len();
    let taken = registry.apply(record, NOW.plus(Duration::from_secs(60))).is_ok();
    assert_eq!(registry.len(), before + usize::from(taken));
    assert_eq!(registry.state().broken_invariant(), None);
}

/// An offer: as it comes, and as a payload that a session signs.
pub(crate) fn offer(data: &[u8]) {
    let _ = Offer::open(data, NOW);
    let session = LocalKey::eddsa(&[1; 32]).expect("any 32 bytes");
    if let Ok(signed) = Signed::sign(&Raw::<Offer>::new(data), &session)
        && let Ok(heard) = Offer::open(&signed.to_bytes(), NOW)
    {
        let again = Signed::sign(&heard.offer, &session).expect("what was read can be signed");
        assert_eq!(Offer::open(&again.to_bytes(), NOW), Ok(heard));
    }
}

/// A key by its number.
pub(crate) fn key(seed: u8) -> LocalKey {
    LocalKey::es256(&[seed; 32]).expect("a fixed key")
}

/// A swarm of key 1 with an Admin, key 2, who has not accepted yet, and a Worker, key 3, who has not either.
pub(crate) fn founded() -> Registry {
    // Made once: a fuzzer should spend its time on what it makes up.
    static FOUNDED: LazyLock<Registry> = LazyLock::new(found);
    FOUNDED.clone()
}

fn found() -> Registry {
    let mut registry = Registry::found(signed(&genesis(), 1)).expect("a sound genesis");
    for (seed, role) in [(2, Role::Admin), (3, Role::Worker)] {
        let holder = Authority::Key(key(seed).public_key());
        let terms = Terms::plain(role);
        let owner = key(1).public_key().node_id();
        let record = registry.next(owner, NOW, Action::Grant { holder, terms });
        registry.apply(signed(&record, 1), NOW).expect("a sound record");
    }
    registry
}

/// How it begins.
pub(crate) fn genesis() -> Record {
    let owner = Authority::Key(key(1).public_key());
    Record {
        swarm: None,
        sequence: 0,
        previous: None,
        author: owner.id(),
        issued_at: NOW,
        action: Action::Genesis(Genesis {
            name: "fuzz".to_owned(),
            owner,
            parent: None,
            salt: [7; 16],
        }),
    }
}

/// A record signed by key `seed`.
pub(crate) fn signed<T: identity::Record>(record: &T, seed: u8) -> CoSigned<T> {
    CoSigned::sign(record, &[&key(seed)]).expect("a fixed key")
}

/// Bytes that are signed as if they were a `T`.
struct Raw<T>(Vec<u8>, PhantomData<fn() -> T>);

impl<T> Raw<T> {
    fn new(payload: &[u8]) -> Raw<T> {
        Raw(payload.to_vec(), PhantomData)
    }
}

impl<T: identity::Record> identity::Record for Raw<T> {
    const CONTEXT: &'static str = T::CONTEXT;
    const MAX_BYTES: usize = T::MAX_BYTES;
}

impl<C, T> Encode<C> for Raw<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.writer_mut()
            .write_all(&self.0)
            .map_err(minicbor::encode::Error::write)
    }
}

impl<'b, C, T> Decode<'b, C> for Raw<T> {
    fn decode(_: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Err(minicbor::decode::Error::message("only written here"))
    }
}
