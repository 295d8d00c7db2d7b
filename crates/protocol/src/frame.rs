//! Messages cut into chunks for the wire, and put together again.
//! It reads no stream: bytes go in, messages come out.
//!
//! A chunk is two bytes, big endian (the top bit: more chunks of this message follow; the rest:
//! length of the payload), and a payload of at most 16,000 bytes: with its head and the framing of
//! the transport it stays under the 16 KiB that one message of a WebRTC data channel may have.

use crate::{Message, ProtocolError};

/// The payload of a chunk.
pub const MAX_CHUNK_PAYLOAD_BYTES: usize = 16_000;
/// A message put together: the hard limit for what one peer can make another hold per stream.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

const HEAD_BYTES: usize = 2;
const MORE: u16 = 0x8000;

/// The chunks of one message, each to be sent as one transport message.
pub fn frames(message: &Message) -> Result<Vec<Vec<u8>>, ProtocolError> {
    Ok(cut(&message.encode()?))
}

/// The chunks of a message's bytes.
pub(crate) fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = bytes.chunks(MAX_CHUNK_PAYLOAD_BYTES).peekable();
    let mut frames = Vec::with_capacity(pieces.len());
    while let Some(piece) = pieces.next() {
        let more = if pieces.peek().is_some() { MORE } else { 0 };
        let mut frame = Vec::with_capacity(HEAD_BYTES + piece.len());
        frame.extend_from_slice(&(piece.len() as u16 | more).to_be_bytes());
        frame.extend_from_slice(piece);
        frames.push(frame);
    }
    frames
}

/// Puts the messages of one session stream together from whatever pieces the transport delivers.
#[derive(Debug)]
pub struct Assembler(Joiner);

impl Assembler {
    /// Nothing read yet.
    pub fn new() -> Assembler {
        Assembler(Joiner::new(MAX_MESSAGE_BYTES))
    }

    /// Reads from the front of `bytes` until a message is complete or nothing is left. Call again
    /// until it answers `None`. After an error the stream is of no more use.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, ProtocolError> {
        self.0
            .read(bytes)?
            .map(|whole| Message::decode(&whole))
            .transpose()
    }
}

impl Default for Assembler {
    fn default() -> Assembler {
        Assembler::new()
    }
}

/// Puts the bytes of messages together; what they say is for others to read.
#[derive(Debug)]
pub(crate) struct Joiner {
    max_message_bytes: usize,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    /// Payload bytes still to come of the current chunk.
    due: usize,
    more: bool,
    message: Vec<u8>,
}

impl Joiner {
    /// Nothing read yet; a message has at most `max_message_bytes`.
    pub(crate) fn new(max_message_bytes: usize) -> Joiner {
        Joiner {
            max_message_bytes,
            head: [0; HEAD_BYTES],
            head_bytes: 0,
            due: 0,
            more: false,
            message: Vec::new(),
        }
    }

    /// As [`Assembler::read`].
    pub(crate) fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, ProtocolError> {
        while !bytes.is_empty() {
            if self.head_bytes < HEAD_BYTES {
                self.read_head(bytes)?;
            }
            let take = self.due.min(bytes.len());
            let (now, rest) = bytes.split_at(take);
            self.message.extend_from_slice(now);
            self.due -= take;
            *bytes = rest;
            if self.head_bytes == HEAD_BYTES && self.due == 0 {
                self.head_bytes = 0;
                if !self.more {
                    return Ok(Some(std::mem::take(&mut self.message)));
                }
            }
        }
        Ok(None)
    }

    fn read_head(&mut self, bytes: &mut &[u8]) -> Result<(), ProtocolError> {
        while let (true, Some((first, rest))) = (self.head_bytes < HEAD_BYTES, bytes.split_first()) {
            self.head[self.head_bytes] = *first;
            self.head_bytes += 1;
            *bytes = rest;
        }
        if self.head_bytes < HEAD_BYTES {
            return Ok(());
        }
        let head = u16::from_be_bytes(self.head);
        self.more = head & MORE != 0;
        self.due = usize::from(head & !MORE);
        if self.due > MAX_CHUNK_PAYLOAD_BYTES {
            let what = "bytes of payload in a chunk";
            return Err(ProtocolError::TooLong {
                what,
                is: self.due,
                most: MAX_CHUNK_PAYLOAD_BYTES,
            });
        }
        if self.due == 0 && self.more {
            return Err(ProtocolError::EmptyChunk);
        }
        let whole = self.message.len() + self.due;
        if whole > self.max_message_bytes {
            let what = "bytes in a message";
            return Err(ProtocolError::TooLong {
                what,
                is: whole,
                most: self.max_message_bytes,
            });
        }
        Ok(())
    }
}
