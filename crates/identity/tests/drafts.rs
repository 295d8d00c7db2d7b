//! How the rest of the house uses this crate: outside signers, quorums, published state.
//! It does not repeat the vectors.
#![allow(clippy::unwrap_used)]

use core::time::Duration;

use identity::{
    Authority, CoSigned, Credential, IdentityError, LocalKey, MAX_PEER_ID_BYTES, MAX_RECORD_BYTES,
    MAX_SIGNERS, PublicKey, Publication, PublisherDelegation, Record, Scheme, SessionDelegation, Signed,
    SigningKey, State, Timestamp, Validity,
};
use minicbor::{Decode, Encode};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Profile(#[n(0)] String);

impl Record for Profile {
    const CONTEXT: &'static str = "test-profile/1";
}

impl State for Profile {}

fn key(seed: u8) -> LocalKey {
    LocalKey::es256(&[seed; 32]).unwrap()
}

fn profile() -> Profile {
    Profile("many hands".to_owned())
}

#[test]
fn an_outside_signer_gets_bytes_and_gives_a_signature() {
    let outside = key(1);
    let draft = Signed::draft(&profile(), outside.public_key(), Scheme::Es256).unwrap();
    let signature = outside.sign(draft.to_be_signed());
    let wrong = key(2).sign(draft.to_be_signed());
    assert_eq!(draft.clone().assemble(wrong), Err(IdentityError::BadSignature));
    let signed = draft.assemble(signature).unwrap();
    let read = Signed::<Profile>::from_bytes(&signed.to_bytes())
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!((&*read, read.signer()), (&profile(), outside.public_key()));
    assert_eq!(read.hash(), signed.hash());
}

#[test]
fn one_thing_said_twice_has_one_name_and_two_things_have_two() {
    let hash = |seed: u8, text: &str| {
        Signed::sign(&Profile(text.to_owned()), &key(seed))
            .unwrap()
            .hash()
    };
    assert_eq!(hash(1, "a"), hash(1, "a"));
    assert_ne!(hash(1, "a"), hash(1, "b"));
    assert_ne!(hash(1, "a"), hash(2, "a"));
}

#[test]
fn a_quorum_signs_one_record_one_by_one() {
    let keys: Vec<LocalKey> = (1..=3).map(key).collect();
    let owner = Authority::quorum(2, keys.iter().map(SigningKey::public_key).collect()).unwrap();
    let mut record = CoSigned::unsigned(&profile()).unwrap();
    assert_eq!(
        record.verify().unwrap_err(),
        IdentityError::SignerCount {
            got: 0,
            max: MAX_SIGNERS
        }
    );
    for (signers, key) in keys.iter().enumerate() {
        let signature = key.sign(&record.to_be_signed(&key.public_key(), Scheme::Es256));
        record.add(key.public_key(), signature.clone()).unwrap();
        assert!(record.add(key.public_key(), signature).is_err(), "twice");
        let read = CoSigned::<Profile>::from_bytes(&record.to_bytes())
            .unwrap()
            .verify()
            .unwrap();
        assert_eq!(owner.is_met_by(read.signers()), signers + 1 >= 2);
    }
    let names: Vec<_> = [[0, 1], [1, 2]]
        .map(|pair| {
            CoSigned::sign(&profile(), &pair.map(|i| &keys[i] as &dyn SigningKey))
                .unwrap()
                .hash()
        })
        .into();
    assert_eq!(
        names[0], names[1],
        "any sufficient set of signers makes the same record"
    );
}

#[test]
fn a_record_holds_no_more_signers_than_the_limit() {
    let keys: Vec<LocalKey> = (1..=MAX_SIGNERS as u8 + 1).map(key).collect();
    let all: Vec<&dyn SigningKey> = keys.iter().map(|k| k as &dyn SigningKey).collect();
    let full = CoSigned::sign(&profile(), &all[..MAX_SIGNERS]).unwrap();
    assert_eq!(CoSigned::<Profile>::from_bytes(&full.to_bytes()).unwrap(), full);
    let got = CoSigned::sign(&profile(), &all).unwrap_err();
    assert_eq!(
        got,
        IdentityError::SignerCount {
            got: MAX_SIGNERS + 1,
            max: MAX_SIGNERS
        }
    );
}

#[test]
fn a_record_over_its_limit_can_be_neither_signed_nor_read() {
    let long = Profile("x".repeat(MAX_RECORD_BYTES));
    assert!(matches!(
        Signed::sign(&long, &key(1)),
        Err(IdentityError::TooLarge { .. })
    ));
    let huge = vec![0xd2; MAX_RECORD_BYTES * 2];
    assert!(matches!(
        Signed::<Profile>::from_bytes(&huge),
        Err(IdentityError::TooLarge { .. })
    ));
}

#[test]
fn a_publisher_speaks_for_its_owner_until_its_time_is_up() {
    let (owner, publisher, stranger) = (key(1), LocalKey::eddsa(&[9; 32]).unwrap(), key(3));
    let now = Timestamp::from_seconds(2_000_000_000);
    let year = Duration::from_secs(365 * 24 * 3600);
    let paper = |for_key: PublicKey| {
        let paper = PublisherDelegation {
            publisher: for_key,
            validity: Validity::starting(now, year),
        };
        Signed::sign(&paper, &owner).unwrap()
    };
    let publish = |by: &LocalKey, paper| Publication {
        state: Signed::sign(&profile(), by).unwrap(),
        publisher: paper,
    };

    let check = |publication: Publication<Profile>, at: Timestamp, expect: Result<PublicKey, &str>| {
        let bytes = minicbor::to_vec(&publication).unwrap();
        let read: Publication<Profile> = minicbor::decode(&bytes).unwrap();
        let got = read
            .verify(at)
            .map(|(_, whose)| whose)
            .map_err(|e| format!("{e:?}"));
        match (&got, expect) {
            (Ok(got), Ok(expect)) => assert_eq!(*got, expect),
            (Err(got), Err(expect)) => assert!(got.starts_with(expect), "{got}"),
            _ => panic!("{got:?}, expected {expect:?}"),
        }
    };
    check(publish(&owner, None), now, Ok(owner.public_key()));
    check(publish(&publisher, None), now, Ok(publisher.public_key()));
    check(
        publish(&publisher, Some(paper(publisher.public_key()))),
        now,
        Ok(owner.public_key()),
    );
    check(
        publish(&publisher, Some(paper(publisher.public_key()))),
        now.plus(year),
        Err("Expired"),
    );
    check(
        publish(&stranger, Some(paper(publisher.public_key()))),
        now,
        Err("WrongSigner"),
    );
    // It may not name the next publisher: its signature under a delegation is only its own word.
    let mine = PublisherDelegation {
        publisher: stranger.public_key(),
        validity: Validity::starting(now, year),
    };
    let self_made = Signed::sign(&mine, &publisher).unwrap();
    check(
        publish(&stranger, Some(self_made)),
        now,
        Ok(publisher.public_key()),
    );
}

#[test]
fn a_peer_id_over_its_limit_is_refused() {
    let now = Timestamp::from_seconds(2_000_000_000);
    for bytes in [0, 38, MAX_PEER_ID_BYTES, MAX_PEER_ID_BYTES + 1] {
        let peer_id = vec![7; bytes];
        let validity = Validity::starting(now, Duration::from_secs(60));
        let session = Signed::sign(
            &SessionDelegation {
                peer_id: peer_id.clone(),
                validity,
            },
            &key(1),
        )
        .unwrap();
        let credential = Credential {
            session,
            device: None,
        };
        assert_eq!(credential.expires(), Ok(validity.until));
        assert_eq!(
            credential.verify(&peer_id, now).is_ok(),
            bytes <= MAX_PEER_ID_BYTES,
            "{bytes} bytes"
        );
    }
}
