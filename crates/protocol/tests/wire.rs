//! The five tests of every wire type: its bytes, the way there and back, its length, broken bytes, the version rule.
//! The bytes are in `vectors/session-1.txt`, one name and one hexadecimal string per line, for anybody to read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use identity::{CoSigned, Credential, LocalKey, SessionDelegation, Signed, SigningKey, Timestamp};
use protocol::*;

mod support;

use support::samples::{
    NOW, credential, delegation, messages, offer, owner, quick_owners, receipt, receipt_of, row_by_row,
    session, signed_offer, signed_receipt,
};
use support::{EXTREMES, Raw, payload, with_extremes};

const VECTORS: &str = include_str!("vectors/session-1.txt");

/// All wire types as bytes, by name.
fn encoded() -> BTreeMap<&'static str, Vec<u8>> {
    let mut all: BTreeMap<_, _> = messages()
        .into_iter()
        .map(|(name, m)| (name, m.encode().unwrap()))
        .collect();
    all.insert("offer", signed_offer(&offer()));
    all.insert("offer_row_by_row", signed_offer(&row_by_row()));
    all
}

/// Reads what a name stands for; its bytes written again.
fn read(name: &str, bytes: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    if name.starts_with("offer") {
        Offer::open(bytes, NOW)?;
        Ok(Signed::<Offer>::from_bytes(bytes)?.to_bytes())
    } else {
        Message::decode(bytes)?.encode()
    }
}

/// What is signed in an offer, in its credential and in a receipt: bytes that a liar may choose and still sign.
fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("offer", payload(&offer())),
        ("offer_row_by_row", payload(&row_by_row())),
        ("delegation", payload(&delegation(1))),
        ("receipt", payload(&receipt_of(quick_owners().each_ref()))),
    ]
}

/// Signs a payload, whatever it says, and reads it as a receiver does; what was read, written again.
fn lie(name: &str, payload: Vec<u8>) -> Result<Vec<u8>, String> {
    let refuse = |error: &dyn std::fmt::Display| error.to_string();
    if name.starts_with("offer") {
        let signed = Signed::sign(&Raw::<Offer>::new(payload), &session(1)).map_err(|e| refuse(&e))?;
        let heard = Offer::open(&signed.to_bytes(), NOW).map_err(|e| refuse(&e))?;
        Ok(support::payload(&heard.offer))
    } else if name == "delegation" {
        let signed =
            Signed::sign(&Raw::<SessionDelegation>::new(payload), owner(1)).map_err(|e| refuse(&e))?;
        let session = Signed::from_bytes(&signed.to_bytes()).map_err(|e| refuse(&e))?;
        let credential = Some(Credential {
            session,
            device: None,
        });
        let lying = signed_offer(&Offer {
            credential,
            ..offer()
        });
        let heard = Offer::open(&lying, NOW).map_err(|e| refuse(&e))?;
        let shown = heard.offer.credential.unwrap().session.verify();
        Ok(support::payload(&shown.map_err(|e| refuse(&e))?.into_value()))
    } else {
        let [worker, requester] = quick_owners();
        let signed = CoSigned::sign(&Raw::<Receipt>::new(payload), &[&worker, &requester]);
        let signed = signed.map_err(|e| refuse(&e))?.to_bytes();
        let signed = CoSigned::<Receipt>::from_bytes(&signed).map_err(|e| refuse(&e))?;
        Ok(support::payload(
            &Receipt::verify(&signed).map_err(|e| refuse(&e))?,
        ))
    }
}

/// What can be read can be written, and is read as the same again. What comes out as it went in does so twice.
fn is_read_as_the_same_again(
    bytes: Vec<u8>,
    read: impl Fn(Vec<u8>) -> Option<Vec<u8>>,
    what: impl Fn() -> String,
) {
    if let Some(again) = read(bytes.clone()).filter(|again| *again != bytes) {
        assert_eq!(read(again.clone()), Some(again), "{}", what());
    }
}

#[test]
fn the_bytes_are_those_of_the_published_vectors_and_none_is_skipped() {
    let vectors: BTreeMap<&str, &str> = VECTORS.lines().filter_map(|line| line.split_once(' ')).collect();
    let encoded = encoded();
    assert_eq!(
        vectors.keys().collect::<Vec<_>>(),
        encoded.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in encoded {
        assert_eq!(hex(&bytes), vectors[name], "{name}");
    }
}

#[test]
#[ignore = "writes the vectors anew: only when a version changes"]
fn write_the_vectors() {
    let lines: String = encoded()
        .iter()
        .map(|(name, bytes)| format!("{name} {}\n", hex(bytes)))
        .collect();
    std::fs::write("tests/vectors/session-1.txt", lines).unwrap();
}

#[test]
fn what_was_written_is_read_again_and_every_kind_of_message_is_here() {
    for (name, message) in messages() {
        assert_eq!(
            Message::decode(&message.encode().unwrap()).unwrap(),
            message,
            "{name}"
        );
    }
    for offer in [offer(), row_by_row()] {
        let heard = Offer::open(&signed_offer(&offer), NOW).unwrap();
        assert_eq!(heard.offer, offer);
        assert_eq!(heard.owner, Some(owner(1).public_key()));
    }
    assert_eq!(Receipt::verify(&signed_receipt()).unwrap(), receipt());
    let tags: std::collections::BTreeSet<u8> =
        messages().iter().map(|(_, m)| m.encode().unwrap()[1]).collect();
    assert_eq!(
        tags.into_iter().collect::<Vec<_>>(),
        (0..=16).collect::<Vec<_>>(),
        "a kind of message has no test"
    );
}

#[test]
fn no_byte_is_missing_or_left_over() {
    for (name, bytes) in encoded() {
        for end in 0..bytes.len() {
            assert!(read(name, &bytes[..end]).is_err(), "{name} cut after {end} bytes");
        }
        assert!(
            read(name, &[bytes.clone(), vec![0]].concat()).is_err(),
            "{name} with a byte too many"
        );
    }
}

#[test]
fn broken_bytes_are_an_error_or_another_message_never_a_panic() {
    for (name, bytes) in encoded() {
        // Every value of every byte; of long ones, which take long to read, every single bit and the ends.
        let all: Vec<u8> = (0..=255).collect();
        for at in 0..bytes.len() {
            let bits: Vec<u8> = (0..8).map(|bit| bytes[at] ^ 1 << bit).chain([0, 255]).collect();
            for value in if bytes.len() > 128 { bits } else { all.clone() } {
                let mut broken = bytes.clone();
                broken[at] = value;
                is_read_as_the_same_again(
                    broken,
                    |bytes| read(name, &bytes).ok(),
                    || format!("{name}: byte {at} is {value}"),
                );
            }
        }
    }
}

#[test]
fn extreme_numbers_in_every_field_are_an_error_or_another_message_never_a_panic() {
    let mut tried = 0;
    for (name, bytes) in encoded() {
        for (start, changed) in with_extremes(&bytes) {
            is_read_as_the_same_again(
                changed,
                |bytes| read(name, &bytes).ok(),
                || format!("{name}: number at {start}"),
            );
            tried += 1;
        }
    }
    for (name, bytes) in payloads() {
        for (start, changed) in with_extremes(&bytes) {
            is_read_as_the_same_again(
                changed,
                |bytes| lie(name, bytes).ok(),
                || format!("{name}: number at {start}"),
            );
            tried += 1;
        }
    }
    // 82 are in the messages outside what is signed, 30 in the payloads.
    assert!(tried >= 112 * EXTREMES.len(), "{tried} numbers");
}

#[test]
fn a_liar_who_signs_broken_bytes_is_refused_or_says_something_else() {
    // One offer is the other with a field more.
    for (name, bytes) in payloads().into_iter().filter(|(name, _)| *name != "offer") {
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                is_read_as_the_same_again(
                    broken,
                    |bytes| lie(name, bytes).ok(),
                    || format!("{name}: byte {at}, bit {bit}"),
                );
            }
        }
    }
}

#[test]
fn only_the_peer_itself_or_its_owner_signs_an_offer_and_only_just_now() {
    let open = |offer: &Offer, key: &dyn SigningKey, now: Timestamp| {
        struct By<'a>(&'a dyn SigningKey);
        impl SigningKey for By<'_> {
            fn public_key(&self) -> identity::PublicKey {
                self.0.public_key()
            }
            fn sign(&self, message: &[u8]) -> identity::Signature {
                self.0.sign(message)
            }
        }
        Offer::open(&Signed::sign(offer, &By(key)).unwrap().to_bytes(), now)
    };
    let owner = LocalKey::es256(&[1; 32]).unwrap();
    assert!(open(&offer(), &session(1), NOW).is_ok());
    assert!(open(&offer(), &owner, NOW).is_ok());
    for other in [
        &session(2) as &dyn SigningKey,
        &LocalKey::es256(&[2; 32]).unwrap(),
    ] {
        assert_eq!(open(&offer(), other, NOW), Err(ProtocolError::NotTheSigner));
    }
    let nameless = Offer {
        credential: None,
        ..offer()
    };
    assert_eq!(open(&nameless, &session(1), NOW).unwrap().owner, None);
    assert_eq!(open(&nameless, &owner, NOW), Err(ProtocolError::NotTheSigner));
    let borrowed = Offer {
        credential: Some(credential(2)),
        ..offer()
    };
    assert!(matches!(
        open(&borrowed, &session(1), NOW),
        Err(ProtocolError::Identity(_))
    ));
    let minutes = |minutes: u64| std::time::Duration::from_secs(60 * minutes);
    for (now, sound) in [
        (NOW.minus(minutes(5)), true),
        (NOW.minus(minutes(6)), false),
        (NOW.plus(minutes(5)), true),
        (NOW.plus(minutes(6)), false),
        (Timestamp::MAX, false),
        (Timestamp::from_ms(0), false),
    ] {
        assert_eq!(open(&nameless, &session(1), now).is_ok(), sound, "{now}");
    }
}

#[test]
fn what_a_newer_version_adds_is_skipped_and_what_it_renumbers_is_refused() {
    // An optional last field that is absent is not written: one more would be taken for it. What is signed has its
    // fields inside the signature.
    let whole = ["refused", "step_hidden", "offer", "offer_row_by_row", "receipt"];
    for (name, bytes) in encoded().into_iter().filter(|(name, _)| !whole.contains(name)) {
        // A message is [number, [fields]].
        let mut newer = bytes.clone();
        assert!((0x80..0x97).contains(&newer[3]), "{name}: {:x}", newer[3]);
        newer[3] += 1;
        newer.extend([0x82, 0x01, 0x61, b'x']);
        assert_eq!(read(name, &newer).unwrap(), bytes, "{name} with a field more");
    }
    for (name, bytes) in payloads() {
        let mut newer = bytes.clone();
        assert!((0x80..0x97).contains(&newer[0]), "{name}: {:x}", newer[0]);
        newer[0] += 1;
        newer.extend([0x82, 0x01, 0x61, b'x']);
        assert_eq!(lie(name, newer).unwrap(), bytes, "{name} with a field more");
    }
    let mut unknown = encoded()["close"].clone();
    unknown[1] = 17;
    assert!(
        Message::decode(&unknown).is_err(),
        "a kind of message of another version"
    );
}

#[test]
fn a_number_that_an_open_enumeration_does_not_know_is_kept() {
    let mut offer = offer();
    offer.backend = Backend::Other(700);
    assert_eq!(
        Offer::open(&signed_offer(&offer), NOW).unwrap().offer.backend,
        Backend::Other(700)
    );
}

/// Every ground that has a number, and the first that has none yet.
const GROUNDS: [(Ground, u16); 13] = [
    (Ground::Halted, 0),
    (Ground::Blocked, 1),
    (Ground::NotForYou, 2),
    (Ground::TooPrivate, 3),
    (Ground::Kind, 4),
    (Ground::Model, 5),
    (Ground::Budget, 6),
    (Ground::SessionsPerHour, 7),
    (Ground::Positions, 8),
    (Ground::QueueFull, 9),
    (Ground::OtherSwarm, 10),
    (Ground::SessionsAtOnce, 11),
    (Ground::Other(12), 12),
];

#[test]
fn a_refusal_says_on_which_ground_by_a_number_that_older_readers_skip_and_newer_ones_may_add_to() {
    let mut refused = Refused {
        why: Refusal::Policy,
        detail: Text::new("no").unwrap(),
        quote: None,
        ground: None,
    };
    // As it was before there were grounds: [3, [[why, detail, quote]]], a last field that is absent not written.
    let before = [0x82, 0x03, 0x81, 0x82, 0x00, 0x62, b'n', b'o'];
    assert_eq!(Message::Refused(refused.clone()).encode().unwrap(), before);
    for old in [
        &before[..],
        &[0x82, 0x03, 0x81, 0x83, 0x00, 0x62, b'n', b'o', 0xf6],
    ] {
        assert_eq!(Message::decode(old).unwrap(), Message::Refused(refused.clone()));
    }
    for (ground, number) in GROUNDS {
        refused.ground = Some(ground);
        let message = Message::Refused(refused.clone());
        let bytes = message.encode().unwrap();
        assert_eq!(bytes[..9], [0x82, 0x03, 0x81, 0x84, 0x00, 0x62, b'n', b'o', 0xf6]);
        assert_eq!(bytes[9..], [number as u8], "{ground:?}");
        assert_eq!(Message::decode(&bytes).unwrap(), message);
    }
    for number in [24, 700, u16::MAX] {
        refused.ground = Some(Ground::from(number));
        assert_eq!(refused.ground, Some(Ground::Other(number)));
        let message = Message::Refused(refused.clone());
        assert_eq!(Message::decode(&message.encode().unwrap()).unwrap(), message);
    }
}

#[test]
fn senseless_values_are_refused_although_they_are_well_formed() {
    let refuse = |message: Message| {
        assert!(
            Message::decode(&message.encode().unwrap()).is_err(),
            "{message:?}"
        )
    };
    let step = |first_position, ids: Vec<u32>, samples| {
        let payload = Payload::Tokens(List::new(ids).unwrap());
        Message::Step(Step {
            epoch: 1,
            first_position,
            payload,
            samples,
            recent: None,
        })
    };
    refuse(step(0, vec![], 0));
    refuse(step(0, vec![1], 2));
    refuse(step(MAX_POSITIONS, vec![1], 0));
    refuse(step(u32::MAX, vec![1], 0));
    refuse(Message::Token(Token {
        epoch: 1,
        position: 1,
        ids: List::default(),
    }));
    refuse(Message::Token(Token {
        epoch: 1,
        position: MAX_POSITIONS,
        ids: List::new(vec![1]).unwrap(),
    }));
    refuse(Message::Trace(Trace {
        epoch: 1,
        first_position: 1,
        positions: u32::MAX,
        queue_ms: 0,
        compute_ms: 0,
        bytes: 0,
    }));
    let Some((_, Message::Open(open))) = messages().into_iter().find(|(name, _)| *name == "open") else {
        panic!()
    };
    for max_positions in [0, MAX_POSITIONS + 1, u32::MAX] {
        refuse(Message::Open(Box::new(Open {
            max_positions,
            ..(*open).clone()
        })));
    }
    let sampling = Some(Sampling {
        temperature: f32::NAN,
        ..Sampling::GREEDY
    });
    refuse(Message::Open(Box::new(Open {
        sampling,
        ..(*open).clone()
    })));
    for change in [
        |offer: &mut Offer| offer.lifetime_s = 0,
        |offer: &mut Offer| offer.lifetime_s = u32::MAX,
        |offer: &mut Offer| offer.work.as_mut().unwrap().us_per_token = 0,
        |offer: &mut Offer| offer.work.as_mut().unwrap().model_layers = 3,
        |offer: &mut Offer| offer.work.as_mut().unwrap().model_layers = u32::MAX,
        |offer: &mut Offer| offer.work.as_mut().unwrap().positions = u32::MAX,
    ] {
        let mut offer = offer();
        change(&mut offer);
        assert!(Offer::open(&signed_offer(&offer), NOW).is_err(), "{offer:?}");
    }
}

#[test]
fn messages_pass_the_frames_in_whatever_pieces_they_arrive() {
    let large = Activations::new(WireType::F32, 100, 2_048, vec![3; 819_200].into()).unwrap();
    let step = Step {
        epoch: 1,
        first_position: 0,
        payload: Payload::Hidden(large),
        samples: 0,
        recent: None,
    };
    let sent: Vec<Message> = messages()
        .into_iter()
        .map(|(_, m)| m)
        .chain([Message::Step(step)])
        .collect();
    let frames: Vec<Vec<u8>> = sent.iter().flat_map(|message| frames(message).unwrap()).collect();
    assert!(
        frames
            .iter()
            .all(|frame| frame.len() <= MAX_CHUNK_PAYLOAD_BYTES + 2)
    );
    let stream = frames.concat();
    for piece in [1, 7, 1_000, 65_536, stream.len()] {
        let (mut assembler, mut received) = (Assembler::new(), Vec::new());
        for mut bytes in stream.chunks(piece) {
            while let Some(message) = assembler.read(&mut bytes).unwrap() {
                received.push(message);
            }
        }
        assert_eq!(received, sent, "in pieces of {piece}");
    }
}

#[test]
fn frames_that_grow_without_end_are_refused_at_the_limit() {
    let chunk = [&(16_000u16 | 0x8000).to_be_bytes()[..], &[0; 16_000]].concat();
    let (mut assembler, mut chunks) = (Assembler::new(), 0);
    let error = loop {
        match assembler.read(&mut chunk.as_slice()) {
            Ok(message) => assert!(message.is_none()),
            Err(error) => break error,
        }
        chunks += 1;
    };
    assert!(matches!(error, ProtocolError::TooLong { .. }), "{error}");
    assert_eq!(chunks, MAX_MESSAGE_BYTES / 16_000);
    for (bytes, what) in [
        (&[0x80, 0][..], "an empty chunk that is not the last"),
        (&[0x3e, 0x81], "a chunk of 16,001"),
        (&[0, 0], "an empty message"),
    ] {
        assert!(Assembler::new().read(&mut &bytes[..]).is_err(), "{what}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
