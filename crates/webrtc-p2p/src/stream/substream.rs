//! One libp2p stream over one data channel: what is buffered, what may still be read or
//! written, and when the channel is to be closed.
//! It owns no channel and no clock: the shell moves the frames and says when time is up.

use std::collections::VecDeque;

use bytes::{Buf as _, BytesMut};

use super::{Decoder, Flag, Frame, FrameError, MAX_PAYLOAD_BYTES, StreamError, encode};

/// How long the acknowledgement of a FIN may take; the value of js-libp2p and go-libp2p.
pub const FIN_ACK_TIMEOUT_MS: u64 = 10_000;

/// How long the channel of a stream that we reset stays open for the peer to close it. js-libp2p
/// reads frames later than it sees the channel close, so a RESET_STREAM right before the close
/// would look like an orderly end.
pub const RESET_LINGER_MS: u64 = 1_000;

/// What a peer may send before somebody reads it. WebRTC has no back-pressure for the
/// receiver, so this cap is all that stands between a flood and the tab's memory; it is as
/// large as the queue that a browser lets a sender fill in one go.
pub const MAX_RECEIVE_BYTES: usize = 16 * 1024 * 1024;

/// The state of one stream. After every call the shell sends what [`Substream::next_frame`]
/// yields until `None`, then closes the channel if [`Substream::wants_channel_closed`].
#[derive(Debug)]
pub struct Substream {
    decoder: Decoder,
    received: BytesMut,
    max_receive_bytes: usize,
    writing: Writing,
    /// FIN has come: what is buffered is all there will be.
    fin_received: bool,
    /// Nobody will read here: data is dropped, flags are still obeyed.
    stopped_reading: bool,
    /// The peer will not read: there is no point in sending data.
    stopped_by_peer: bool,
    /// Nobody holds the stream any more; it only waits for its orderly end.
    abandoned: bool,
    end: Option<End>,
    /// A stream that we reset had its time to be closed by the peer.
    lingered: bool,
    outbox: VecDeque<Vec<u8>>,
}

/// Our own half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Open,
    FinSent,
    FinAcknowledged,
}

/// The stream is over.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// Both halves finished.
    Complete,
    /// It broke; nothing more can be read.
    Failed(StreamError),
    /// The channel went away; what was received before may still be read.
    ChannelGone,
}

impl Substream {
    /// A stream over a fresh channel that buffers at most `max_receive_bytes` of unread data.
    pub fn new(max_receive_bytes: usize) -> Substream {
        Substream {
            decoder: Decoder::default(),
            received: BytesMut::new(),
            max_receive_bytes,
            writing: Writing::Open,
            fin_received: false,
            stopped_reading: false,
            stopped_by_peer: false,
            abandoned: false,
            end: None,
            lingered: false,
            outbox: VecDeque::new(),
        }
    }

    /// Takes one message of the data channel. Bytes that are no frames reset the stream.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.end.is_some() {
            return;
        }
        let mut decoder = std::mem::take(&mut self.decoder);
        let result = decoder.decode(bytes, |frame| self.on_frame(frame));
        self.decoder = decoder;
        if let Err(error) = result {
            self.fail(error.into());
        }
    }

    /// A message that was not binary came in.
    pub fn receive_text(&mut self) {
        self.fail(FrameError::NotBinary.into());
    }

    /// Copies received bytes. `Ok(None)`: nothing there yet; `Ok(Some(0))`: the end.
    pub fn read(&mut self, into: &mut [u8]) -> Result<Option<usize>, StreamError> {
        if let Some(End::Failed(error)) = &self.end {
            return Err(error.clone());
        }
        if into.is_empty() {
            return Ok(Some(0));
        }
        if !self.received.is_empty() {
            let count = self.received.len().min(into.len());
            self.received.copy_to_slice(&mut into[..count]);
            if self.received.is_empty() {
                // A burst must not hold its memory for the rest of the stream.
                self.received = BytesMut::new();
            }
            return Ok(Some(count));
        }
        match self.end {
            _ if self.fin_received => Ok(Some(0)),
            Some(_) => Err(StreamError::ChannelClosed),
            None => Ok(None),
        }
    }

    /// Whether data may be written now or later.
    pub fn check_writable(&self) -> Result<(), StreamError> {
        match &self.end {
            Some(End::Failed(error)) => Err(error.clone()),
            Some(End::ChannelGone) => Err(StreamError::ChannelClosed),
            _ if self.stopped_by_peer => Err(StreamError::StoppedByPeer),
            _ if self.writing != Writing::Open => Err(StreamError::WriteClosed),
            _ => Ok(()),
        }
    }

    /// Puts up to one frame of data into the outbox; answers how many bytes it took.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, StreamError> {
        self.check_writable()?;
        let count = bytes.len().min(MAX_PAYLOAD_BYTES);
        if count > 0 {
            self.outbox.push_back(encode(None, &bytes[..count]));
        }
        Ok(count)
    }

    /// Closes our half: FIN, once.
    pub fn close_write(&mut self) {
        if self.end.is_none() && self.writing == Writing::Open {
            self.send_flag(Flag::Fin);
            self.writing = Writing::FinSent;
        }
    }

    /// Whether our half is closed on both sides, `Ok(false)` while the acknowledgement is
    /// awaited.
    pub fn write_closed(&self) -> Result<bool, StreamError> {
        if self.writing == Writing::FinAcknowledged {
            return Ok(true);
        }
        match &self.end {
            None => Ok(false),
            Some(End::Complete) => Ok(true),
            Some(End::Failed(error)) => Err(error.clone()),
            Some(End::ChannelGone) => Err(StreamError::ChannelClosed),
        }
    }

    /// Gives up both halves and tells the peer.
    pub fn reset(&mut self) {
        self.fail(StreamError::Reset);
    }

    /// Resets the stream because of a cap that the shell keeps for several streams together.
    pub fn refuse(&mut self, error: StreamError) {
        self.fail(error);
    }

    /// Nobody holds the stream any more. What was closed ends in order; what was not is reset.
    pub fn abandon(&mut self) {
        self.abandoned = true;
        if self.end.is_some() {
            self.received = BytesMut::new();
        } else if self.writing == Writing::Open {
            self.reset();
        } else {
            self.received = BytesMut::new();
            if !self.fin_received && !self.stopped_reading {
                self.stopped_reading = true;
                self.send_flag(Flag::StopSending);
            }
        }
    }

    /// How long the stream may wait for what it waits for now, where a peer could withhold it
    /// for ever. When that time has passed the shell calls [`Substream::time_is_up`].
    pub fn patience_ms(&self) -> Option<u64> {
        match &self.end {
            None if self.writing == Writing::FinSent || self.abandoned => Some(FIN_ACK_TIMEOUT_MS),
            Some(End::Failed(_)) if !self.wants_channel_closed() => Some(RESET_LINGER_MS),
            _ => None,
        }
    }

    /// Whether something of ours is still on its way to the peer: a connection that closes now
    /// would throw it away.
    pub fn has_undelivered(&self) -> bool {
        match self.end {
            None => self.writing == Writing::FinSent || self.has_frames(),
            Some(End::Complete | End::Failed(_)) => true, // Until the channel has closed.
            Some(End::ChannelGone) => false,
        }
    }

    /// The peer had its time: the stream is reset, or its channel closed after a reset.
    pub fn time_is_up(&mut self) {
        if self.patience_ms().is_none() {
            return;
        }
        self.lingered = self.end.is_some();
        self.fail(StreamError::FinAckTimeout);
    }

    /// The data channel is gone, whoever closed it.
    pub fn channel_closed(&mut self) {
        if self.end.is_some() {
            return;
        }
        // Peers that know no FIN_ACK close the channel instead.
        let finished = self.fin_received && self.writing != Writing::Open;
        self.end = Some(if finished { End::Complete } else { End::ChannelGone });
        self.outbox.clear();
    }

    /// The next frame to send: one message of the data channel each.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    /// Whether frames wait to be sent.
    pub fn has_frames(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The channel has served: to be closed once the outbox is sent, so that its id is reused.
    pub fn wants_channel_closed(&self) -> bool {
        match &self.end {
            Some(End::Complete | End::Failed(StreamError::ResetByPeer)) => true,
            Some(End::Failed(_)) => self.lingered,
            Some(End::ChannelGone) | None => false,
        }
    }

    /// Received bytes that nobody has read yet.
    pub fn unread_bytes(&self) -> usize {
        self.received.len()
    }

    fn on_frame(&mut self, frame: Frame<'_>) {
        if self.end.is_some() {
            return; // The rest of a message whose first frame ended the stream.
        }
        // Data first: a frame may carry the last bytes and the FIN.
        if !frame.payload.is_empty() && !self.fin_received && !self.stopped_reading {
            let max = self.max_receive_bytes;
            if self.received.len() + frame.payload.len() > max {
                return self.fail(StreamError::ReceiveBufferFull { max });
            }
            self.received.extend_from_slice(frame.payload);
        }
        match frame.flag {
            None => {}
            Some(Flag::Fin) if self.fin_received => {} // One answer: a flood of FIN is not amplified.
            Some(Flag::Fin) => {
                self.fin_received = true;
                self.send_flag(Flag::FinAck);
                self.complete_if_finished();
            }
            Some(Flag::FinAck) if self.writing == Writing::FinSent => {
                self.writing = Writing::FinAcknowledged;
                self.complete_if_finished();
            }
            Some(Flag::FinAck) => {}
            Some(Flag::StopSending) => {
                self.stopped_by_peer = true;
                // Nothing will be written any more, so say so: the peer waits for this FIN.
                self.close_write();
            }
            Some(Flag::ResetStream) => {
                self.received = BytesMut::new();
                self.outbox.clear();
                self.end = Some(End::Failed(StreamError::ResetByPeer));
            }
        }
    }

    fn complete_if_finished(&mut self) {
        if self.fin_received && self.writing == Writing::FinAcknowledged {
            self.end = Some(End::Complete);
        }
    }

    fn fail(&mut self, error: StreamError) {
        if self.end.is_some() {
            return;
        }
        self.received = BytesMut::new();
        self.outbox.clear();
        self.send_flag(Flag::ResetStream);
        self.end = Some(End::Failed(error));
    }

    fn send_flag(&mut self, flag: Flag) {
        self.outbox.push_back(encode(Some(flag), &[]));
    }
}

#[cfg(test)]
mod tests {
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
}
