//! Half-closing, resets, caps and every order in which two sides can end a stream.
//! No channel and no browser: frames are handed from one side to the other.

#![allow(clippy::unwrap_used)]

use super::*;

fn stream() -> Substream {
    Substream::new(MAX_RECEIVE_BYTES)
}

fn read_all(stream: &mut Substream) -> Result<Vec<u8>, StreamError> {
    let mut out = Vec::new();
    let mut buffer = [0; 7];
    while let Some(count) = stream.read(&mut buffer)? {
        if count == 0 {
            break;
        }
        out.extend_from_slice(&buffer[..count]);
    }
    Ok(out)
}

fn at_end(stream: &mut Substream) -> bool {
    stream.read(&mut [0; 1]) == Ok(Some(0))
}

/// Moves all frames both ways, as two channels that close when either side closes.
fn settle(a: &mut Substream, b: &mut Substream) {
    loop {
        let mut moved = false;
        while let Some(frame) = a.next_frame() {
            b.receive(&frame);
            moved = true;
        }
        while let Some(frame) = b.next_frame() {
            a.receive(&frame);
            moved = true;
        }
        if !moved {
            break;
        }
    }
    if a.wants_channel_closed() || b.wants_channel_closed() {
        a.channel_closed();
        b.channel_closed();
    }
}

fn flags(stream: &mut Substream) -> Vec<Flag> {
    let mut out = Vec::new();
    while let Some(frame) = stream.next_frame() {
        Decoder::default().decode(&frame, |f| out.extend(f.flag)).unwrap();
    }
    out
}

#[test]
fn a_request_and_its_response_end_in_either_order_of_closing() {
    for client_first in [true, false] {
        let (mut client, mut server) = (stream(), stream());
        client.write(b"ask").unwrap();
        if client_first {
            client.close_write();
        }
        settle(&mut client, &mut server);
        assert_eq!(read_all(&mut server).unwrap(), b"ask");
        assert_eq!(at_end(&mut server), client_first);
        server.write(b"answer").unwrap();
        server.close_write();
        settle(&mut client, &mut server);
        assert_eq!(read_all(&mut client).unwrap(), b"answer");
        assert!(at_end(&mut client));
        if !client_first {
            client.write(b"thanks").unwrap();
            client.close_write();
            settle(&mut client, &mut server);
            assert_eq!(read_all(&mut server).unwrap(), b"thanks");
        }
        for side in [&mut client, &mut server] {
            assert_eq!(side.write_closed(), Ok(true));
            assert!(side.wants_channel_closed());
            assert!(at_end(side));
            assert_eq!(side.write(b"late"), Err(StreamError::WriteClosed));
        }
    }
}

#[test]
fn the_channel_is_closed_only_after_fin_and_fin_ack_have_both_come() {
    for order in [[Flag::FinAck, Flag::Fin], [Flag::Fin, Flag::FinAck]] {
        let mut stream = stream();
        stream.close_write();
        stream.receive(&encode(Some(order[0]), b""));
        assert!(!stream.wants_channel_closed());
        stream.receive(&encode(Some(order[1]), b""));
        assert!(stream.wants_channel_closed());
        assert_eq!(flags(&mut stream), [Flag::Fin, Flag::FinAck]);
    }
}

#[test]
fn an_acknowledgement_before_our_fin_does_not_close_anything() {
    let mut stream = stream();
    stream.receive(&encode(Some(Flag::FinAck), b""));
    stream.receive(&encode(Some(Flag::Fin), b""));
    assert!(!stream.wants_channel_closed());
    assert_eq!(stream.write(b"still open"), Ok(10));
}

#[test]
fn the_four_histories_that_break_other_implementations_are_read_right() {
    // A FIN_ACK before the response.
    let mut s = stream();
    s.close_write();
    s.receive(&encode(Some(Flag::FinAck), b""));
    s.receive(&encode(None, b"data"));
    s.receive(&encode(Some(Flag::Fin), b""));
    assert_eq!(read_all(&mut s).unwrap(), b"data");
    assert!(at_end(&mut s));
    // Data and FIN in one frame.
    let mut s = stream();
    s.receive(&encode(Some(Flag::Fin), b"last"));
    assert_eq!(read_all(&mut s).unwrap(), b"last");
    assert!(at_end(&mut s));
    // STOP_SENDING, then data.
    let mut s = stream();
    s.receive(&encode(Some(Flag::StopSending), b""));
    s.receive(&encode(None, b"more"));
    assert_eq!(read_all(&mut s).unwrap(), b"more");
    assert!(!at_end(&mut s));
    // An empty frame, then data.
    let mut s = stream();
    s.receive(&encode(None, b""));
    assert_eq!(s.read(&mut [0; 4]), Ok(None));
    s.receive(&encode(None, b"data"));
    assert_eq!(read_all(&mut s).unwrap(), b"data");
}

#[test]
fn a_reset_drops_what_was_buffered_and_both_halves() {
    let mut s = stream();
    s.receive(&encode(None, b"unread"));
    s.write(b"unsent").unwrap();
    s.receive(&encode(Some(Flag::ResetStream), b""));
    assert_eq!(s.read(&mut [0; 4]), Err(StreamError::ResetByPeer));
    assert_eq!(s.write(b"x"), Err(StreamError::ResetByPeer));
    assert_eq!(s.write_closed(), Err(StreamError::ResetByPeer));
    assert_eq!(s.next_frame(), None, "a reset needs no answer");
    assert!(s.wants_channel_closed());
}

#[test]
fn a_peer_that_stops_reading_gets_a_fin_and_writes_fail_from_then_on() {
    let mut s = stream();
    s.receive(&encode(Some(Flag::StopSending), b""));
    assert_eq!(s.write(b"x"), Err(StreamError::StoppedByPeer));
    assert_eq!(flags(&mut s), [Flag::Fin]);
    s.receive(&encode(Some(Flag::FinAck), b""));
    s.receive(&encode(Some(Flag::Fin), b""));
    assert!(s.wants_channel_closed());
}

#[test]
fn a_stream_dropped_while_open_is_reset() {
    let mut s = stream();
    s.write(b"unsent").unwrap();
    s.abandon();
    assert_eq!(flags(&mut s), [Flag::ResetStream]);
    assert!(
        !s.wants_channel_closed(),
        "the peer is to see the reset before the close"
    );
    assert_eq!(s.patience_ms(), Some(RESET_LINGER_MS));
    s.time_is_up();
    assert!(s.wants_channel_closed());
    assert_eq!(s.patience_ms(), None);
    assert_eq!(s.next_frame(), None);
}

#[test]
fn a_stream_dropped_after_closing_asks_for_the_end_and_waits_for_it() {
    let mut s = stream();
    s.write(b"sent").unwrap();
    s.close_write();
    s.abandon();
    assert_eq!(s.patience_ms(), Some(FIN_ACK_TIMEOUT_MS));
    let mut out = Vec::new();
    while let Some(frame) = s.next_frame() {
        out.push(frame);
    }
    assert_eq!(out.last(), Some(&encode(Some(Flag::StopSending), b"")));
    assert_eq!(
        out[0],
        encode(None, b"sent"),
        "what was written is still delivered"
    );
    // Flags are obeyed after our STOP_SENDING, data is dropped.
    s.receive(&encode(None, b"for nobody"));
    assert_eq!(s.unread_bytes(), 0);
    s.receive(&encode(Some(Flag::FinAck), b""));
    assert_eq!(
        s.patience_ms(),
        Some(FIN_ACK_TIMEOUT_MS),
        "a peer that never finishes is timed as well"
    );
    s.receive(&encode(Some(Flag::Fin), b"x"));
    assert!(s.wants_channel_closed());
    assert_eq!(s.patience_ms(), None);
}

#[test]
fn what_a_closing_connection_must_wait_for_is_known() {
    let mut s = stream();
    assert!(!s.has_undelivered(), "a peer that says nothing holds nobody up");
    s.write(b"data").unwrap();
    assert!(s.has_undelivered());
    s.next_frame();
    s.close_write();
    s.next_frame();
    assert!(s.has_undelivered(), "until it is acknowledged");
    s.receive(&encode(Some(Flag::FinAck), b""));
    assert!(!s.has_undelivered());
    s.reset();
    assert!(s.has_undelivered(), "the reset is to arrive");
}

#[test]
fn a_peer_that_never_acknowledges_is_reset_when_time_is_up() {
    let mut s = stream();
    s.time_is_up();
    assert_eq!(s.next_frame(), None, "an open stream may be silent for ever");
    s.close_write();
    s.time_is_up();
    assert_eq!(flags(&mut s), [Flag::ResetStream]);
    assert_eq!(s.write_closed(), Err(StreamError::FinAckTimeout));
}

#[test]
fn more_than_the_cap_unread_resets_the_stream() {
    let mut s = Substream::new(10);
    s.receive(&encode(None, &[1; 10]));
    assert_eq!(s.unread_bytes(), 10);
    s.receive(&encode(None, &[1]));
    assert_eq!(
        s.read(&mut [0; 1]),
        Err(StreamError::ReceiveBufferFull { max: 10 })
    );
    assert_eq!(flags(&mut s), [Flag::ResetStream]);
    assert_eq!(s.unread_bytes(), 0);
}

#[test]
fn whoever_flushes_does_not_wait_for_a_channel_that_is_gone() {
    for end in [Substream::reset, Substream::close_write] {
        let mut stream = stream();
        end(&mut stream);
        stream.channel_closed();
        assert!(!stream.has_frames());
    }
}

#[test]
fn a_channel_that_goes_away_lets_the_buffer_be_read_and_then_fails() {
    let mut s = stream();
    s.receive(&encode(None, b"rest"));
    s.channel_closed();
    let mut buffer = [0; 8];
    assert_eq!(s.read(&mut buffer), Ok(Some(4)));
    assert_eq!(s.read(&mut buffer), Err(StreamError::ChannelClosed));
    assert_eq!(s.write(b"x"), Err(StreamError::ChannelClosed));
    // After both FIN it is no failure, with or without FIN_ACK.
    let mut s = stream();
    s.close_write();
    s.receive(&encode(Some(Flag::Fin), b"rest"));
    s.channel_closed();
    assert_eq!(read_all(&mut s).unwrap(), b"rest");
    assert!(at_end(&mut s));
    assert_eq!(s.write_closed(), Ok(true));
}

#[test]
fn a_flood_of_flags_is_answered_once() {
    let mut s = stream();
    for _ in 0..10_000 {
        s.receive(&encode(Some(Flag::Fin), b""));
        s.receive(&encode(Some(Flag::StopSending), b""));
    }
    assert_eq!(flags(&mut s), [Flag::FinAck, Flag::Fin]);
}

#[test]
fn garbage_and_text_reset_the_stream() {
    let mut s = stream();
    s.receive(&[0xff, 0xff, 0xff]);
    assert!(matches!(
        s.read(&mut [0; 1]),
        Err(StreamError::Frame(FrameError::TooLong { .. }))
    ));
    assert_eq!(flags(&mut s), [Flag::ResetStream]);
    let mut s = stream();
    s.receive_text();
    assert_eq!(
        s.read(&mut [0; 1]),
        Err(StreamError::Frame(FrameError::NotBinary))
    );
}

#[test]
fn frames_after_the_one_that_ended_the_stream_are_ignored() {
    let mut s = stream();
    let mut message = encode(Some(Flag::ResetStream), b"");
    message.extend(encode(None, b"late"));
    s.receive(&message);
    assert_eq!(s.unread_bytes(), 0);
    assert_eq!(s.read(&mut [0; 1]), Err(StreamError::ResetByPeer));
}

#[test]
fn a_long_write_goes_out_in_frames_of_at_most_sixteen_kibibytes() {
    let data: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
    let (mut a, mut b) = (stream(), stream());
    let mut rest = &data[..];
    while !rest.is_empty() {
        let count = a.write(rest).unwrap();
        rest = &rest[count..];
    }
    while let Some(frame) = a.next_frame() {
        assert!(frame.len() <= super::super::MAX_FRAME_BYTES);
        b.receive(&frame);
    }
    assert_eq!(read_all(&mut b).unwrap(), data);
}

/// All interleavings of what two sides can do, each side's steps in its own order.
#[test]
fn every_order_of_closing_dropping_and_resetting_ends_with_the_channel_closed() {
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Write,
        Close,
        Abandon,
        Reset,
    }
    use Step::*;
    let scripts: [&[Step]; 5] = [
        &[Close, Abandon],
        &[Write, Close, Abandon],
        &[Write, Abandon],
        &[Reset, Abandon],
        &[Write, Write, Close, Abandon],
    ];
    let apply = |s: &mut Substream, step: Step| match step {
        Write => {
            let _ = s.write(b"data");
        }
        Close => s.close_write(),
        Abandon => s.abandon(),
        Reset => s.reset(),
    };
    for left in scripts {
        for right in scripts {
            let total = left.len() + right.len();
            for pattern in 0..1_u32 << total {
                if pattern.count_ones() as usize != left.len() {
                    continue;
                }
                for eager in [true, false] {
                    let (mut a, mut b) = (stream(), stream());
                    let (mut l, mut r) = (left.iter(), right.iter());
                    for bit in 0..total {
                        if pattern & 1 << bit != 0 {
                            apply(&mut a, *l.next().unwrap());
                        } else {
                            apply(&mut b, *r.next().unwrap());
                        }
                        if eager {
                            settle(&mut a, &mut b);
                        }
                    }
                    settle(&mut a, &mut b);
                    assert!(
                        a.end.is_some() && b.end.is_some(),
                        "{left:?} {right:?} {pattern:b} {eager}"
                    );
                    assert_eq!(a.unread_bytes() + b.unread_bytes(), 0);
                }
            }
        }
    }
}
