//! Nothing that was not signed is ever accepted: published records, altered in every way we know.
//! It does not try to break the curve.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use identity::{
    CoSigned, DeviceDelegation, IdentityError, PublisherDelegation, Record, RecordHash, SessionDelegation,
    Signed,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use support::Note;

/// What a reader takes a record for: its context, and by whom and what was said.
type Claim = (&'static str, RecordHash);

fn read_signed<T: Record>(bytes: &[u8]) -> Result<Claim, IdentityError> {
    Ok((T::CONTEXT, Signed::<T>::from_bytes(bytes)?.verify()?.hash()))
}

fn read_cosigned(bytes: &[u8]) -> Result<Claim, IdentityError> {
    let verified = CoSigned::<Note>::from_bytes(bytes)?.verify()?;
    Ok((Note::CONTEXT, verified.hash()))
}

type Reader = fn(&[u8]) -> Result<Claim, IdentityError>;

/// Reads the bytes as every kind there is.
const READERS: [Reader; 4] = [
    read_signed::<SessionDelegation>,
    read_signed::<DeviceDelegation>,
    read_signed::<PublisherDelegation>,
    read_cosigned,
];

/// A genuine record, and where its interesting bytes lie.
struct Genuine {
    bytes: Vec<u8>,
    claim: Claim,
}

fn pool() -> Vec<Genuine> {
    let mut pool = Vec::new();
    for vector in support::all() {
        if matches!(vector.get("form"), "signed" | "cosigned") && vector.get("expect") == "ok" {
            let bytes = vector.bytes("record");
            let claim = READERS.iter().find_map(|read| read(&bytes).ok()).unwrap();
            pool.push(Genuine { bytes, claim });
        }
    }
    assert!(pool.len() >= 7, "too few genuine records to start from");
    pool
}

/// One altered record and the way it was altered.
fn mutate(pool: &[Genuine], rng: &mut ChaCha8Rng) -> (&'static str, Vec<u8>) {
    let pick = |n: usize, rng: &mut ChaCha8Rng| (rng.next_u64() % n as u64) as usize;
    let mut bytes = pool[pick(pool.len(), rng)].bytes.clone();
    let other = &pool[pick(pool.len(), rng)].bytes;
    let at = pick(bytes.len(), rng);
    let way = match rng.next_u32() % 12 {
        0..=3 => {
            bytes[at] ^= 1 << pick(8, rng);
            "one bit flipped"
        }
        4 => {
            for _ in 0..2 + pick(4, rng) {
                let at = pick(bytes.len(), rng);
                bytes[at] ^= 1 << pick(8, rng);
            }
            "several bits flipped"
        }
        5 => {
            bytes[at] = rng.next_u32() as u8;
            "one byte replaced"
        }
        6 => {
            // The last bytes are a signature: of nothing, of everything, or of chance.
            let from = bytes.len() - [64, 32, 1][pick(3, rng)].min(bytes.len());
            let fill = rng.next_u32() as u8;
            let chance = rng.next_u32().is_multiple_of(2);
            bytes[from..]
                .iter_mut()
                .for_each(|b| *b = if chance { rng.next_u32() as u8 } else { fill & 1 });
            "signature replaced"
        }
        7 => {
            let n = 64.min(other.len()).min(bytes.len());
            let from = bytes.len() - n;
            bytes[from..].copy_from_slice(&other[other.len() - n..]);
            "signature of another record"
        }
        8 => {
            // Headers stand at the front, and have one length for one kind of key: another signer's name.
            let n = 47.min(other.len());
            bytes[..n].copy_from_slice(&other[..n]);
            "key of another record"
        }
        9 => {
            let end = (at + 1 + pick(40, rng)).min(bytes.len()).min(other.len());
            let start = at.min(end);
            bytes[start..end].copy_from_slice(&other[start..end]);
            "spliced from another record"
        }
        10 => {
            bytes.truncate(at);
            "cut short"
        }
        _ => {
            for _ in 0..=pick(3, rng) {
                bytes.insert(at, rng.next_u32() as u8);
            }
            "bytes put in"
        }
    };
    (way, bytes)
}

fn attack(rounds: usize, seed: u64) {
    let pool = pool();
    let genuine: BTreeSet<Claim> = pool.iter().map(|g| g.claim).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut tried, mut reached_the_curve, mut same) = (0, 0, 0);
    let mut by_way: BTreeMap<&str, usize> = BTreeMap::new();
    while tried < rounds {
        let (way, bytes) = mutate(&pool, &mut rng);
        if pool.iter().any(|g| g.bytes == bytes) {
            continue;
        }
        tried += 1;
        *by_way.entry(way).or_default() += 1;
        for read in READERS {
            match read(&bytes) {
                Err(IdentityError::BadSignature) => reached_the_curve += 1,
                Err(_) => {}
                // A twin of a genuine signature says nothing new: its name is the genuine one's.
                Ok(claim) if genuine.contains(&claim) => same += 1,
                Ok(claim) => panic!(
                    "forged by {way} (seed {seed}): {claim:?}: {}",
                    hex::encode(&bytes)
                ),
            }
        }
    }
    println!(
        "{tried} altered records, {reached_the_curve} signature checks, {same} twins, 0 accepted: {by_way:?}"
    );
    // Else the mutations only test the parser.
    assert!(
        reached_the_curve > rounds / 4,
        "only {reached_the_curve} signature checks"
    );
}

#[test]
fn none_of_ten_thousand_altered_records_is_accepted() {
    attack(10_000, 1);
}

#[test]
#[ignore = "a million signature checks: minutes in release, an hour without"]
fn none_of_a_million_altered_records_is_accepted() {
    attack(1_000_000, 2);
}

#[test]
fn a_record_is_never_taken_for_another_kind() {
    for genuine in pool() {
        let accepted = READERS.iter().filter(|read| read(&genuine.bytes).is_ok()).count();
        assert_eq!(accepted, 1, "{:?}", genuine.claim);
    }
}

#[test]
fn no_prefix_of_a_record_is_accepted() {
    for genuine in pool() {
        for cut in 0..genuine.bytes.len() {
            assert!(
                READERS.iter().all(|read| read(&genuine.bytes[..cut]).is_err()),
                "{cut} bytes"
            );
        }
    }
}
