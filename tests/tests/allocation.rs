//! What reading a peer's bytes costs in memory: never more than four times as many, signed or not.
//! The allocator of this test counts; nothing is estimated.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use identity::{CoSigned, LocalKey, SigningKey, Timestamp};
use protocol::*;

/// What every frame may cost, however small: an error with its words, a message's own place.
const LEAST_FRAME_BYTES: usize = 256;
/// How many times its own size it may cost.
const TIMES: usize = 4;

struct Counting;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(|now| now + layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(|now| now.saturating_sub(layout.size()));
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note(change: impl Fn(usize) -> usize) {
    // A thread that ends has no counter any more.
    let _ = NOW.try_with(|now| {
        now.set(change(now.get()));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
}

/// The most that was allocated at a time while `act` ran.
fn peak<T>(act: impl FnOnce() -> T) -> usize {
    let before = NOW.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    drop(act());
    PEAK.with(Cell::get) - before
}

#[track_caller]
fn check(what: &str, frame: &[u8], read: impl Fn(&[u8])) {
    let most = TIMES * frame.len().max(LEAST_FRAME_BYTES);
    let peak = peak(|| read(frame));
    assert!(
        peak <= most,
        "{what}: {peak} bytes for a frame of {}",
        frame.len()
    );
}

fn message(bytes: &[u8]) {
    let _ = Message::decode(bytes);
}

fn offer(bytes: &[u8]) {
    let _ = Offer::open(bytes, Timestamp::from_seconds(1_800_000_000));
}

/// Every record that a page of a registry brings is read and checked so, before anything is made of it.
fn record(bytes: &[u8]) {
    let _ = CoSigned::<registry::Record>::from_bytes(bytes).map(|record| record.verify().is_ok());
    let _ = CoSigned::<registry::Statement>::from_bytes(bytes).map(|word| word.verify().is_ok());
}

/// The same before the signatures.
fn unchecked(bytes: &[u8]) {
    let _ = CoSigned::<registry::Record>::from_bytes(bytes);
    let _ = CoSigned::<registry::Statement>::from_bytes(bytes);
}

fn receipt(bytes: &[u8]) {
    let _ = CoSigned::<Receipt>::from_bytes(bytes).map(|receipt| Receipt::verify(&receipt).is_ok());
}

fn blob(bytes: &[u8]) {
    let _ = BlobMessage::decode(bytes);
}

fn vectors() -> Vec<(String, Vec<u8>)> {
    read_vectors(include_str!("../../crates/protocol/tests/vectors/session-1.txt"))
}

fn read_vectors(text: &str) -> Vec<(String, Vec<u8>)> {
    let read = |hex: &str| {
        let digits = hex.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, hex)| (name.to_owned(), read(hex)))
        .collect()
}

/// What is sound, cut anywhere, and with any bit of it changed; in full one bit of each byte, since to check a
/// signature takes long.
#[track_caller]
fn check_near(what: &str, bytes: &[u8], read: fn(&[u8]), in_full: fn(&[u8])) {
    check(what, bytes, in_full);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.to_vec();
            broken[at] ^= 1 << bit;
            check(what, &broken, if bit == at % 8 { in_full } else { read });
        }
        check(what, &bytes[..at], in_full);
    }
}

#[test]
fn no_vector_and_nothing_near_one_costs_more_than_its_bound() {
    for (name, bytes) in vectors() {
        let read = if name.starts_with("offer") { offer } else { message };
        check_near(&name, &bytes, read, read);
    }
    let blobs = include_str!("../../crates/protocol/tests/vectors/blob-1.txt");
    for (name, bytes) in read_vectors(blobs) {
        check_near(&name, &bytes, blob, blob);
    }
}

#[test]
fn no_signed_record_costs_more_than_its_bound_read_and_checked() {
    let folder = "fuzz/corpus/record";
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().ends_with("-signed") {
            let bytes = std::fs::read(&path).unwrap();
            check_near(&path.to_string_lossy(), &bytes, unchecked, record);
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} records");
    let (_, settled) = vectors().into_iter().find(|(name, _)| name == "receipt").unwrap();
    let Message::Receipt(settled) = Message::decode(&settled).unwrap() else {
        panic!()
    };
    check("a receipt", &settled.to_bytes(), receipt);
}

#[test]
fn as_many_signers_as_there_may_be_cost_no_more() {
    let keys: Vec<LocalKey> = (1..=identity::MAX_SIGNERS as u8)
        .map(|seed| LocalKey::eddsa(&[seed; 32]).unwrap())
        .collect();
    let keys: Vec<&dyn SigningKey> = keys.iter().map(|key| key as &dyn SigningKey).collect();
    let word = registry::Statement {
        swarm: registry::SwarmId::of_genesis(identity::RecordHash::from_bytes([1; 32])),
        grant: identity::RecordHash::from_bytes([2; 32]),
        holder: identity::Authority::Key(keys[0].public_key()),
        said: registry::Said::Accept,
    };
    let bytes = CoSigned::sign(&word, &keys).unwrap().to_bytes();
    check("sixteen signers", &bytes, record);
    // [98([<<>>, {}, <<0>>, sixteen zeros])]
    let nobody = [&[0xd8, 0x62, 0x84, 0x40, 0xa0, 0x41, 0x00, 0x90][..], &[0; 16]].concat();
    check("sixteen signers of whom none is there", &nobody, record);
}

#[test]
fn the_longest_lists_of_the_smallest_items_cost_no_more() {
    let array = |count: usize| vec![0x99, (count >> 8) as u8, count as u8];
    let step = |tokens: usize, recent: usize| {
        let tokens = [vec![0x82, 0x00, 0x81], array(tokens), vec![0; tokens]].concat();
        let recent = [array(recent), vec![0; recent]].concat();
        [
            vec![0x82, 0x04, 0x81, 0x85, 0x01, 0x00],
            tokens,
            vec![0x01],
            recent,
        ]
        .concat()
    };
    check("tokens", &step(MAX_STEP_POSITIONS as usize, MAX_RECENT), message);
    assert!(Message::decode(&step(MAX_STEP_POSITIONS as usize, MAX_RECENT)).is_ok());
    check("too many tokens", &step(60_000, 0), message);
    let ids = [
        vec![0x82, 0x05, 0x81, 0x83, 0x01, 0x01],
        array(MAX_SAMPLES as usize),
        vec![0; MAX_SAMPLES as usize],
    ]
    .concat();
    assert!(Message::decode(&ids).is_ok());
    check("samples", &ids, message);
    let page = |items: usize| {
        let swarm = [vec![0x58, 32], vec![7; 32]].concat();
        let items = [array(items), vec![0x40; items]].concat();
        [vec![0x82, 0x10, 0x81, 0x83], swarm, items.clone(), items].concat()
    };
    assert!(Message::decode(&page(MAX_PAGE)).is_ok());
    check("a page of empty records", &page(MAX_PAGE), message);
    check("a page of too many", &page(1_000), message);
    for claimed in [[0x9a, 0xff, 0xff, 0xff, 0xff], [0xba, 0xff, 0xff, 0xff, 0xff]] {
        let lie = [&[0x82, 0x0b, 0x81][..], &claimed].concat();
        check("four billion of nothing", &lie, message);
    }
}

#[test]
fn the_largest_message_costs_no_more_while_it_is_put_together_either() {
    let d_model = 2_048;
    let positions = Activations::most_positions(WireType::F32, d_model);
    let bytes = vec![3; WireType::F32.row_bytes(d_model) * positions as usize];
    let hidden = Activations::new(WireType::F32, positions, d_model, bytes.into()).unwrap();
    let step = Message::Step(Step {
        epoch: 1,
        first_position: 0,
        payload: Payload::Hidden(hidden),
        samples: 0,
        recent: None,
    });
    let stream = frames(&step).unwrap().concat();
    assert!(stream.len() > MAX_MESSAGE_BYTES / 2);
    check("a stream", &stream, |mut bytes| {
        let mut assembler = Assembler::new();
        assert!(assembler.read(&mut bytes).unwrap().is_some());
    });
    // A message that never ends is refused at its limit.
    let chunk = [&(16_000u16 | 0x8000).to_be_bytes()[..], &[0; 16_000]].concat();
    let endless = chunk.repeat(2 * MAX_MESSAGE_BYTES / 16_000);
    check("a message without end", &endless, |mut bytes| {
        let mut assembler = Assembler::new();
        assert!(assembler.read(&mut bytes).is_err());
    });
}
