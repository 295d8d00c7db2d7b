//! What js-libp2p 3.3.11 really sends, recorded by `playwright/interop/record.mjs`, and what the
//! state machines make of it.
//! It starts no js-libp2p; the interop run does.

#![allow(clippy::unwrap_used)]

use webrtc_p2p::signaling::{Event, Role, Session};
use webrtc_p2p::stream::{Flag, MAX_RECEIVE_BYTES, StreamError, Substream, encode};

const RECORDINGS: &str = include_str!("fixtures/js-libp2p-3.3.11.txt");
/// How js-libp2p begins a stream: multistream-select, and the protocol that it wants.
const OPENING: &[u8] = b"\x13/multistream/1.0.0\n\x10/example/echo/1\n";

/// The messages of one recording, in order.
fn recording(name: &str) -> Vec<Vec<u8>> {
    let line = RECORDINGS
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap().split(' ').map(unhex).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// A stream that received these messages, and what could be read from it.
fn replay(messages: &[Vec<u8>]) -> (Substream, Vec<u8>) {
    let mut stream = Substream::new(MAX_RECEIVE_BYTES);
    let mut data = Vec::new();
    for message in messages {
        stream.receive(message);
        let mut buffer = [0; 64];
        while let Ok(Some(count @ 1..)) = stream.read(&mut buffer) {
            data.extend_from_slice(&buffer[..count]);
        }
    }
    (stream, data)
}

fn sent(stream: &mut Substream) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| stream.next_frame()).collect()
}

#[test]
fn length_and_body_of_a_flag_come_in_two_messages() {
    let messages = recording("stream-closed-in-order");
    let fin = messages.iter().position(|message| message == &[8, 0]).unwrap();
    assert_eq!(messages[fin - 1], [2]);
}

#[test]
fn a_stream_that_js_closes_is_read_to_its_end() {
    let (mut stream, data) = replay(&recording("stream-closed-in-order"));
    assert_eq!(data[..OPENING.len()], *OPENING);
    assert_eq!(data[OPENING.len()..], (0..20).collect::<Vec<u8>>());
    assert_eq!(stream.read(&mut [0; 1]), Ok(Some(0)));
    assert_eq!(sent(&mut stream), [encode(Some(Flag::FinAck), b"")]);
}

#[test]
fn a_stream_that_js_stops_reading_is_finished_by_us() {
    let (mut stream, data) = replay(&recording("stream-stopped-reading"));
    assert_eq!(data[OPENING.len()..], [4; 20]);
    assert_eq!(stream.write(b"x"), Err(StreamError::StoppedByPeer));
    assert_eq!(
        sent(&mut stream),
        [encode(Some(Flag::Fin), b""), encode(Some(Flag::FinAck), b"")]
    );
}

#[test]
fn a_stream_that_js_aborts_is_reset() {
    let (mut stream, _) = replay(&recording("stream-reset"));
    assert_eq!(stream.read(&mut [0; 1]), Err(StreamError::ResetByPeer));
    assert!(stream.wants_channel_closed());
}

#[test]
fn an_offer_and_the_candidates_of_js_are_understood() {
    let mut session = Session::new(Role::Responder);
    for message in recording("signaling-offer-and-candidates") {
        session.receive(&message).unwrap();
    }
    let events: Vec<Event> = std::iter::from_fn(|| session.next_event()).collect();
    let [Event::RemoteDescription(sdp), candidates @ ..] = events.as_slice() else {
        panic!("no description: {events:?}");
    };
    assert!(sdp.contains("m=application"));
    assert!(!candidates.is_empty());
    for candidate in candidates {
        let Event::RemoteCandidate(json) = candidate else {
            panic!("not a candidate: {candidate:?}");
        };
        assert!(json.contains(" typ host"), "{json}");
    }
}
