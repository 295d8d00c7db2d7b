//! One frame: a varint length, then the protobuf `Message { flag, message }`.
//! What the flags mean for a stream is decided in `substream`.
//!
//! The codec is written by hand, since it runs for every 16 KiB of every stream: it borrows
//! the payload from the bytes that came in and copies it once on the way out.

use super::FrameError;

/// The largest frame, its length prefix included ("MUST NOT exceed 16 KiB", specs/webrtc).
pub const MAX_FRAME_BYTES: usize = 16_384;
/// A body of this size still fits with its two-byte prefix.
const MAX_BODY_BYTES: usize = MAX_FRAME_BYTES - 2;
/// The largest payload: body minus flag (2 bytes), field tag (1) and payload length (2).
pub const MAX_PAYLOAD_BYTES: usize = MAX_BODY_BYTES - 5;

const TAG_FLAG: u8 = 0x08; // field 1, varint
const TAG_MESSAGE: u8 = 0x12; // field 2, length-delimited

/// The flag of a frame, with the numbers that it has on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// The sender will write no more.
    Fin = 0,
    /// The sender will read no more.
    StopSending = 1,
    /// The sender gave up both halves.
    ResetStream = 2,
    /// The sender has received FIN.
    FinAck = 3,
}

impl Flag {
    /// Unknown flags are ignored, as protobuf asks for unknown enumeration values.
    fn from_wire(value: u64) -> Option<Flag> {
        match value {
            0 => Some(Flag::Fin),
            1 => Some(Flag::StopSending),
            2 => Some(Flag::ResetStream),
            3 => Some(Flag::FinAck),
            _ => None,
        }
    }
}

/// A frame as it came in. The payload borrows from the received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the peer says about its halves.
    pub flag: Option<Flag>,
    /// The data; empty where the frame carries a flag alone.
    pub payload: &'a [u8],
}

/// Encodes one frame with its length prefix. The payload is cut at [`MAX_PAYLOAD_BYTES`];
/// the caller sends the rest in further frames.
pub fn encode(flag: Option<Flag>, payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..MAX_PAYLOAD_BYTES).unwrap_or(payload);
    let mut out = Vec::with_capacity(payload.len() + 8);
    let flag_bytes = if flag.is_some() { 2 } else { 0 };
    let message_bytes = match payload.len() {
        0 => 0,
        n => 1 + varint_len(n) + n,
    };
    put_varint(&mut out, flag_bytes + message_bytes);
    if let Some(flag) = flag {
        out.extend_from_slice(&[TAG_FLAG, flag as u8]);
    }
    if !payload.is_empty() {
        out.push(TAG_MESSAGE);
        put_varint(&mut out, payload.len());
        out.extend_from_slice(payload);
    }
    out
}

/// Cuts a sequence of messages into frames. A frame and a data-channel message need not
/// coincide: js-libp2p sends the length prefix of a flag as a message of its own.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a frame whose end has not come yet; at most one frame long.
    partial: Vec<u8>,
}

impl Decoder {
    /// Takes the next bytes and hands over each complete frame, in order. After an error the
    /// byte stream has lost its frame borders: the stream must be reset.
    pub fn decode(&mut self, bytes: &[u8], mut on_frame: impl FnMut(Frame<'_>)) -> Result<(), FrameError> {
        if self.partial.is_empty() {
            let used = decode_all(bytes, &mut on_frame)?;
            self.partial.extend_from_slice(&bytes[used..]);
        } else {
            self.partial.extend_from_slice(bytes);
            let used = decode_all(&self.partial, &mut on_frame)?;
            self.partial.drain(..used);
        }
        Ok(())
    }
}

/// Hands over all complete frames at the beginning of `bytes`; answers how many bytes they had.
fn decode_all(bytes: &[u8], on_frame: &mut impl FnMut(Frame<'_>)) -> Result<usize, FrameError> {
    let mut used = 0;
    while let Some((body_bytes, prefix_bytes)) = take_prefix(&bytes[used..])? {
        let start = used + prefix_bytes;
        let Some(body) = bytes.get(start..start + body_bytes) else {
            break;
        };
        on_frame(decode_body(body)?);
        used = start + body_bytes;
    }
    Ok(used)
}

/// The length prefix, or `None` while it is incomplete.
fn take_prefix(bytes: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    let too_long = FrameError::TooLong { max: MAX_BODY_BYTES };
    match bytes {
        [] => Ok(None),
        [low, ..] if *low < 0x80 => Ok(Some((usize::from(*low), 1))),
        [_] => Ok(None),
        [low, high, ..] if *high < 0x80 => {
            let value = usize::from(low & 0x7f) | usize::from(*high) << 7;
            if value > MAX_BODY_BYTES {
                Err(too_long)
            } else {
                Ok(Some((value, 2)))
            }
        }
        // Three bytes and more: beyond 16,383, or a padded number that no encoder writes.
        _ => Err(too_long),
    }
}

/// The protobuf message. As in every protobuf decoder the last of a repeated field wins and
/// unknown fields are skipped.
fn decode_body(mut body: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut frame = Frame {
        flag: None,
        payload: &[],
    };
    while !body.is_empty() {
        let key = take_varint(&mut body)?;
        match (key >> 3, key & 7) {
            (0, _) => return Err(FrameError::Malformed),
            (1, 0) => frame.flag = Flag::from_wire(take_varint(&mut body)?),
            (2, 2) => frame.payload = take_delimited(&mut body)?,
            (_, 0) => {
                take_varint(&mut body)?;
            }
            (_, 1) => {
                take(&mut body, 8)?;
            }
            (_, 2) => {
                take_delimited(&mut body)?;
            }
            (_, 5) => {
                take(&mut body, 4)?;
            }
            _ => return Err(FrameError::Malformed),
        }
    }
    Ok(frame)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], FrameError> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(FrameError::Malformed)?;
    *bytes = rest;
    Ok(taken)
}

fn take_delimited<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], FrameError> {
    let count = usize::try_from(take_varint(bytes)?).map_err(|_| FrameError::Malformed)?;
    take(bytes, count)
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, FrameError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(FrameError::Malformed)
}

fn varint_len(value: usize) -> usize {
    if value < 0x80 { 1 } else { 2 }
}

/// Lengths here are below 16,384: two bytes at most.
fn put_varint(out: &mut Vec<u8>, value: usize) {
    if value < 0x80 {
        out.push(value as u8);
    } else {
        out.extend_from_slice(&[(value & 0x7f) as u8 | 0x80, (value >> 7) as u8]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use prost::Message as _;

    use super::*;

    /// The message as a protobuf library sees it: the second opinion.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Reference {
        #[prost(int32, optional, tag = "1")]
        flag: Option<i32>,
        #[prost(bytes = "vec", optional, tag = "2")]
        message: Option<Vec<u8>>,
    }

    type Owned = (Option<Flag>, Vec<u8>);

    fn frames(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<Owned>, FrameError> {
        let mut out = Vec::new();
        decoder.decode(bytes, |frame| out.push((frame.flag, frame.payload.to_vec())))?;
        Ok(out)
    }

    #[test]
    fn frames_have_the_bytes_of_the_specification() {
        assert_eq!(encode(Some(Flag::Fin), b""), [2, 0x08, 0]);
        assert_eq!(encode(Some(Flag::FinAck), b""), [2, 0x08, 3]);
        assert_eq!(encode(None, b"hi"), [4, 0x12, 2, b'h', b'i']);
        assert_eq!(encode(Some(Flag::Fin), b"!"), [5, 0x08, 0, 0x12, 1, b'!']);
        assert_eq!(encode(None, b""), [0]);
    }

    #[test]
    fn a_protobuf_library_reads_what_we_write() {
        for size in [0, 1, 127, 128, 300, MAX_PAYLOAD_BYTES] {
            for flag in [
                None,
                Some(Flag::Fin),
                Some(Flag::StopSending),
                Some(Flag::ResetStream),
            ] {
                let payload = vec![7; size];
                let bytes = encode(flag, &payload);
                assert!(bytes.len() <= MAX_FRAME_BYTES);
                let read = Reference::decode_length_delimited(&bytes[..]).unwrap();
                assert_eq!(read.flag, flag.map(|f| f as i32));
                assert_eq!(read.message.unwrap_or_default(), payload);
            }
        }
    }

    #[test]
    fn we_read_what_a_protobuf_library_writes() {
        for flag in [None, Some(0), Some(1), Some(2), Some(3), Some(9)] {
            for message in [None, Some(vec![]), Some(vec![1; 200])] {
                let bytes = Reference {
                    flag,
                    message: message.clone(),
                }
                .encode_length_delimited_to_vec();
                let expect = flag.and_then(|f| Flag::from_wire(f as u64));
                let got = frames(&mut Decoder::default(), &bytes).unwrap();
                assert_eq!(got, [(expect, message.unwrap_or_default())]);
            }
        }
    }

    #[test]
    fn the_largest_frame_fills_sixteen_kibibytes_exactly_and_a_longer_payload_is_cut() {
        let bytes = encode(Some(Flag::Fin), &vec![1; MAX_PAYLOAD_BYTES + 9]);
        assert_eq!(bytes.len(), MAX_FRAME_BYTES);
        assert_eq!(
            frames(&mut Decoder::default(), &bytes).unwrap()[0].1.len(),
            MAX_PAYLOAD_BYTES
        );
    }

    #[test]
    fn frames_are_found_wherever_the_messages_are_cut() {
        let mut bytes = encode(None, &[5; 300]);
        bytes.extend(encode(Some(Flag::Fin), b"end"));
        bytes.extend(encode(None, b""));
        bytes.extend(encode(Some(Flag::FinAck), b""));
        let whole = frames(&mut Decoder::default(), &bytes).unwrap();
        assert_eq!(whole.len(), 4);
        for step in [1, 2, 3, 7, 100, 299, 310] {
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for part in bytes.chunks(step) {
                got.extend(frames(&mut decoder, part).unwrap());
            }
            assert_eq!(got, whole, "cut every {step} bytes");
            assert!(decoder.partial.is_empty());
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_at_its_prefix() {
        let max = MAX_BODY_BYTES;
        for prefix in [&[0xff_u8, 0x7f][..], &[0x80, 0x80, 0x01], &[0xff; 10]] {
            assert_eq!(
                frames(&mut Decoder::default(), prefix),
                Err(FrameError::TooLong { max })
            );
        }
        assert_eq!(
            frames(&mut Decoder::default(), &[0xfe, 0x7f]),
            Ok(vec![]),
            "16,382 is allowed"
        );
    }

    #[test]
    fn a_body_that_is_no_protobuf_is_refused() {
        for body in [
            &[0x12_u8, 5, 1][..], // shorter than it says
            &[0x08],              // flag without value
            &[0x00, 0x00],        // field number 0
            &[0x0b],              // a group
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        ] {
            let mut bytes = vec![body.len() as u8];
            bytes.extend_from_slice(body);
            assert_eq!(
                frames(&mut Decoder::default(), &bytes),
                Err(FrameError::Malformed),
                "{body:?}"
            );
        }
    }

    #[test]
    fn unknown_fields_are_skipped_and_the_last_of_a_repeated_field_wins() {
        let body = [
            0x18, 0x05, // field 3, varint
            0x21, 1, 2, 3, 4, 5, 6, 7, 8, // field 4, 8 bytes
            0x2a, 0x01, 0xff, // field 5, delimited
            0x35, 1, 2, 3, 4, // field 6, 4 bytes
            0x12, 0x01, b'a', 0x12, 0x01, b'b', 0x08, 0x00, 0x08, 0x03,
        ];
        let mut bytes = vec![body.len() as u8];
        bytes.extend_from_slice(&body);
        let got = frames(&mut Decoder::default(), &bytes).unwrap();
        assert_eq!(got, [(Some(Flag::FinAck), b"b".to_vec())]);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_are_never_hoarded() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..2_000 {
            let mut decoder = Decoder::default();
            for _ in 0..20 {
                let bytes: Vec<u8> = (0..state % 97)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (state >> 33) as u8
                    })
                    .collect();
                state = state.wrapping_add(0x1234_5677);
                if frames(&mut decoder, &bytes).is_err() {
                    break;
                }
                assert!(decoder.partial.len() <= MAX_FRAME_BYTES);
            }
        }
    }
}
