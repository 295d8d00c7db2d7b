//! One libp2p stream over one data channel: what is buffered, what may still be read or
//! written, and when the channel is to be closed.
//! It owns no channel and no clock: the shell moves the frames and says when time is up.

use std::collections::VecDeque;

use bytes::{Buf as _, BytesMut};

use crate::refusals::Refusal;

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
        self.outbox.clear();
        if self.end.is_some() {
            return;
        }
        // Peers that know no FIN_ACK close the channel instead.
        let finished = self.fin_received && self.writing != Writing::Open;
        self.end = Some(if finished { End::Complete } else { End::ChannelGone });
    }

    /// The next frame to send: one message of the data channel each.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    /// Puts frames that were sent where nobody heard them before all that wait.
    pub fn say_again(&mut self, frames: Vec<Vec<u8>>) {
        for frame in frames.into_iter().rev() {
            self.outbox.push_front(frame);
        }
    }

    /// Whether frames wait to be sent.
    pub fn has_frames(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether the stream has ended, well or not.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
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
        if let Some(refusal) = Refusal::of_stream(&error) {
            refusal.happened();
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
mod tests;
