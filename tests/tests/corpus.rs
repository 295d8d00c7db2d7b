//! The fuzzers' corpora, replayed on the stable compiler: what once was a finding stays one that is fixed.
//! It does not fuzz: `cargo +nightly fuzz run --fuzz-dir tests/fuzz frame` does.
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/once.rs"]
mod once;
#[path = "../../crates/protocol/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use identity::{Authority, SigningKey as _};
use registry::{Action, Registry, Role, Said, Statement, Terms};

const VECTORS: &str = include_str!("../../crates/protocol/tests/vectors/session-1.txt");

fn folder(target: &str) -> PathBuf {
    Path::new("fuzz/corpus").join(target)
}

/// What the corpora begin with: every published message in frames, an offer, and a record of every kind.
fn seeds() -> BTreeMap<(&'static str, String), Vec<u8>> {
    let mut seeds = BTreeMap::new();
    for (name, hex) in VECTORS.lines().filter_map(|line| line.split_once(' ')) {
        let bytes: Vec<u8> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        if name.starts_with("offer") {
            seeds.insert(("offer", format!("{name}-signed")), bytes.clone());
            let signed = identity::Signed::<protocol::Offer>::from_bytes(&bytes).unwrap();
            let offer = signed.verify().unwrap().into_value();
            seeds.insert(
                ("offer", format!("{name}-payload")),
                minicbor::to_vec(&offer).unwrap(),
            );
        } else {
            let message = protocol::Message::decode(&bytes).unwrap();
            let stream = protocol::frames(&message).unwrap().concat();
            for piece in [7, 255] {
                seeds.insert(
                    ("frame", format!("{name}-{piece}")),
                    [vec![piece], stream.clone()].concat(),
                );
            }
        }
    }
    for (name, action) in actions() {
        let registry = once::founded();
        let owner = once::key(1).public_key().node_id();
        let record = registry.next(owner, once::NOW, action);
        seeds.insert(
            ("record", format!("{name}-signed")),
            once::signed(&record, 1).to_bytes(),
        );
        seeds.insert(
            ("record", format!("{name}-payload")),
            minicbor::to_vec(&record).unwrap(),
        );
    }
    let genesis = once::genesis();
    seeds.insert(
        ("record", "genesis-signed".to_owned()),
        once::signed(&genesis, 1).to_bytes(),
    );
    seeds.insert(
        ("record", "genesis-payload".to_owned()),
        minicbor::to_vec(&genesis).unwrap(),
    );
    let registry = once::founded();
    let word = Statement {
        swarm: registry.id(),
        grant: registry.head().hash,
        holder: Authority::Key(once::key(3).public_key()),
        said: Said::Accept,
    };
    seeds.insert(
        ("record", "statement-signed".to_owned()),
        once::signed(&word, 3).to_bytes(),
    );
    seeds.insert(
        ("record", "statement-payload".to_owned()),
        minicbor::to_vec(&word).unwrap(),
    );
    seeds
}

/// One of each kind, all allowed to the Owner of [`once::founded`] but the last.
fn actions() -> Vec<(&'static str, Action)> {
    let id = |seed: u8| once::key(seed).public_key().node_id();
    let key = |seed: u8| Authority::Key(once::key(seed).public_key());
    let keys = [4, 5, 6].map(|seed| once::key(seed).public_key());
    let quorum = Authority::quorum(2, keys.to_vec()).unwrap();
    let (admin, worker) = (id(2), id(3));
    let terms = |role| Terms::plain(role);
    vec![
        (
            "grant",
            Action::Grant {
                holder: key(7),
                terms: terms(Role::Coordinator),
            },
        ),
        (
            "grant-quorum",
            Action::Grant {
                holder: quorum,
                terms: terms(Role::Admin),
            },
        ),
        (
            "promote",
            Action::Promote {
                member: worker,
                terms: terms(Role::Coordinator),
            },
        ),
        (
            "demote",
            Action::Demote {
                member: admin,
                terms: terms(Role::Coordinator),
            },
        ),
        ("revoke", Action::Revoke { member: admin }),
        ("kick", Action::Kick { member: worker }),
        ("block", Action::Block { member: id(9) }),
        (
            "halt",
            Action::Halt {
                reason: "enough".to_owned(),
            },
        ),
        (
            "child",
            Action::Child {
                owner: key(8),
                name: "child".to_owned(),
            },
        ),
        ("seal", Action::Seal),
        ("resign", Action::Resign),
    ]
}

#[test]
fn the_corpora_are_read_without_a_panic() {
    // The target, what it does with a file, and how many files it has at least.
    type Target = (&'static str, fn(&[u8]), usize);
    let targets: [Target; 3] = [
        ("frame", once::frame, 30),
        ("record", once::record, 20),
        ("offer", once::offer, 4),
    ];
    for (target, once, least) in targets {
        let files: Vec<PathBuf> = fs::read_dir(folder(target))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.len() >= least, "{target}: {} files", files.len());
        for file in files {
            once(&fs::read(&file).unwrap());
        }
    }
}

#[test]
fn extreme_numbers_in_every_field_of_what_is_signed_are_survived() {
    let mut tried = 0;
    for ((target, name), bytes) in seeds() {
        let once = match target {
            "record" => once::record,
            "offer" => once::offer,
            _ => continue,
        };
        if name.ends_with("payload") {
            for (_, changed) in support::with_extremes(&bytes) {
                once(&changed);
                tried += 1;
            }
        }
    }
    assert!(tried >= 60 * support::EXTREMES.len(), "{tried} numbers");
}

#[test]
fn the_seeds_are_those_of_the_published_vectors_and_what_is_sound_is_taken() {
    for ((target, name), bytes) in seeds() {
        let kept = fs::read(folder(target).join(&name)).unwrap_or_default();
        assert!(
            kept == bytes,
            "{target}/{name} is another: run the ignored test that writes the corpora"
        );
    }
    for (name, action) in actions().into_iter().filter(|(name, _)| *name != "resign") {
        let mut registry = once::founded();
        let record = registry.next(once::key(1).public_key().node_id(), once::NOW, action);
        assert!(
            registry.apply(once::signed(&record, 1), once::NOW).is_ok(),
            "{name}"
        );
    }
    assert!(Registry::found(once::signed(&once::genesis(), 1)).is_ok());
}

#[test]
#[ignore = "writes the corpora: run it after a change to the wire"]
fn write_the_corpora() {
    for ((target, name), bytes) in seeds() {
        fs::write(folder(target).join(name), bytes).unwrap();
    }
}
