//! The five tests of the blob messages: their bytes, the way there and back, their length, broken bytes, the version rule.
//! The bytes are in `vectors/blob-1.txt`, one name and one hexadecimal string per line, for anybody to read.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use protocol::*;

mod support;

const VECTORS: &str = include_str!("vectors/blob-1.txt");

/// One of each.
fn messages() -> Vec<(&'static str, BlobMessage)> {
    vec![
        (
            "seek",
            BlobMessage::Seek(List::new(vec![ChunkHash([1; 32]), ChunkHash([2; 32])]).unwrap()),
        ),
        (
            "have",
            BlobMessage::have(&[true, false, false, true, false, false, false, false, true]).unwrap(),
        ),
        ("want", BlobMessage::Want(ChunkHash([3; 32]))),
        ("want_manifest", BlobMessage::WantManifest(ModelId([9; 32]))),
        ("piece", BlobMessage::Piece(Blob::new(vec![1, 2, 3]).unwrap())),
        ("missing", BlobMessage::Missing),
    ]
}

#[test]
fn the_bytes_are_those_of_the_published_vectors_and_none_is_skipped() {
    let vectors: BTreeMap<&str, &str> = VECTORS.lines().filter_map(|line| line.split_once(' ')).collect();
    assert_eq!(vectors.len(), messages().len());
    for (name, message) in messages() {
        assert_eq!(hex(&message.encode().unwrap()), vectors[name], "{name}");
    }
}

#[test]
#[ignore = "writes the vectors anew: only when a version changes"]
fn write_the_vectors() {
    let line = |(name, message): (&str, BlobMessage)| format!("{name} {}\n", hex(&message.encode().unwrap()));
    let lines: String = messages().into_iter().map(line).collect();
    let path = "tests/vectors/blob-1.txt";
    std::fs::write(path, lines).unwrap();
}

#[test]
fn what_was_written_is_read_again_and_every_kind_of_message_is_here() {
    for (name, message) in messages() {
        assert_eq!(
            BlobMessage::decode(&message.encode().unwrap()).unwrap(),
            message,
            "{name}"
        );
    }
    let tags: Vec<u8> = messages().iter().map(|(_, m)| m.encode().unwrap()[1]).collect();
    assert_eq!(tags, (0..=5).collect::<Vec<_>>(), "a kind of message has no test");
}

#[test]
fn no_byte_is_missing_or_left_over() {
    for (name, message) in messages() {
        let bytes = message.encode().unwrap();
        for end in 0..bytes.len() {
            assert!(
                BlobMessage::decode(&bytes[..end]).is_err(),
                "{name} cut after {end} bytes"
            );
        }
        let longer = [bytes, vec![0]].concat();
        assert!(
            BlobMessage::decode(&longer).is_err(),
            "{name} with a byte too many"
        );
    }
}

#[test]
fn broken_bytes_are_an_error_or_another_message_never_a_panic() {
    for (name, message) in messages() {
        let bytes = message.encode().unwrap();
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut broken = bytes.clone();
                broken[at] = value;
                if let Ok(other) = BlobMessage::decode(&broken) {
                    let again = other.encode().unwrap();
                    assert_eq!(
                        BlobMessage::decode(&again).unwrap(),
                        other,
                        "{name}: byte {at} is {value}"
                    );
                }
            }
        }
    }
}

#[test]
fn extreme_numbers_in_every_field_are_an_error_or_another_message_never_a_panic() {
    for (name, message) in messages() {
        for (start, changed) in support::with_extremes(&message.encode().unwrap()) {
            if let Ok(other) = BlobMessage::decode(&changed) {
                let again = other.encode().unwrap();
                assert_eq!(
                    BlobMessage::decode(&again).unwrap(),
                    other,
                    "{name}: number at {start}"
                );
            }
        }
    }
}

#[test]
fn what_a_newer_version_adds_is_skipped_and_what_it_renumbers_is_refused() {
    for (name, message) in messages() {
        // A message is [number, [fields]]: one field more.
        let mut newer = message.encode().unwrap();
        newer[2] += 1;
        newer.extend([0x61, b'x']);
        assert_eq!(
            BlobMessage::decode(&newer).unwrap(),
            message,
            "{name} with a field more"
        );
    }
    let mut unknown = BlobMessage::Missing.encode().unwrap();
    unknown[1] = 6;
    assert!(
        BlobMessage::decode(&unknown).is_err(),
        "a kind of message of another version"
    );
}

#[test]
fn one_question_names_so_many_chunks_and_one_answer_carries_one_chunk() {
    let many = |count: usize| List::<ChunkHash, MAX_SOUGHT>::new(vec![ChunkHash([0; 32]); count]);
    assert!(many(MAX_SOUGHT).is_ok());
    assert!(many(MAX_SOUGHT + 1).is_err());
    assert!(BlobMessage::have(&[true; MAX_SOUGHT]).is_ok());
    assert!(BlobMessage::have(&[true; MAX_SOUGHT + 1]).is_err());
    // The same from the wire: [0, [513 times nothing]] and [4, [bytes that are one too many]].
    assert!(BlobMessage::decode(&[0x82, 0x00, 0x81, 0x99, 0x02, 0x01]).is_err());
    let head = [0x82, 0x04, 0x81, 0x5a, 0x00, 0x10, 0x00, 0x01];
    let piece = [&head[..], &vec![0; MAX_BLOB_BYTES + 1]].concat();
    assert!(BlobMessage::decode(&piece).is_err());
}

#[test]
fn a_have_that_says_too_little_or_too_much_is_read_for_what_was_sought() {
    let said = [true, false, true, true, false, false, false, false, false, true];
    let BlobMessage::Have(bits) = BlobMessage::have(&said).unwrap() else {
        panic!()
    };
    assert_eq!(BlobMessage::held(&bits, said.len()), said);
    assert_eq!(BlobMessage::held(&bits, 3), said[..3]);
    assert_eq!(BlobMessage::held(&bits[..1], 10)[8..], [false, false]);
    assert_eq!(BlobMessage::held(&[], 2), [false, false]);
}

#[test]
fn a_whole_chunk_passes_the_frames_and_one_byte_more_is_refused_at_the_limit() {
    let whole = BlobMessage::Piece(Blob::new(vec![7; MAX_BLOB_BYTES]).unwrap());
    let stream = whole.frames().unwrap().concat();
    for piece in [1_000, 65_536, stream.len()] {
        let (mut assembler, mut received) = (BlobAssembler::new(), Vec::new());
        for mut bytes in stream.chunks(piece) {
            while let Some(message) = assembler.read(&mut bytes).unwrap() {
                received.push(message);
            }
        }
        assert_eq!(received, std::slice::from_ref(&whole), "in pieces of {piece}");
    }
    let chunk = [&(16_000u16 | 0x8000).to_be_bytes()[..], &[0; 16_000]].concat();
    let (mut assembler, mut chunks) = (BlobAssembler::new(), 0);
    while assembler.read(&mut chunk.as_slice()).is_ok() {
        chunks += 1;
    }
    assert_eq!(chunks, MAX_BLOB_MESSAGE_BYTES / 16_000);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
