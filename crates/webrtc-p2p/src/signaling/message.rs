//! One signalling message: a varint length, then protobuf with a type and a text.
//! Which message may come when is decided in `session`.

use prost::Message as _;

use super::SignalingError;

/// The longest message that is accepted: the largest description and its framing.
pub const MAX_MESSAGE_BYTES: usize = super::MAX_SDP_BYTES + 16;

/// What a message carries, with the numbers that they have on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum MessageType {
    /// The session description of the peer that initiates.
    SdpOffer = 0,
    /// The session description of the other one.
    SdpAnswer = 1,
    /// One way to reach the sender: the JSON of `RTCIceCandidate.toJSON()`.
    IceCandidate = 2,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the text is.
    pub ty: MessageType,
    /// A session description or a candidate; empty where the peer sent none.
    pub data: String,
}

/// The message on the wire. `optional`: an offer has type 0, which must be written all the same.
#[derive(Clone, PartialEq, prost::Message)]
struct Wire {
    #[prost(enumeration = "MessageType", optional, tag = "1")]
    ty: Option<i32>,
    #[prost(string, optional, tag = "2")]
    data: Option<String>,
}

impl Message {
    /// With its length prefix.
    pub fn encode(&self) -> Vec<u8> {
        Wire {
            ty: Some(self.ty as i32),
            data: Some(self.data.clone()),
        }
        .encode_length_delimited_to_vec()
    }

    /// Takes the first message off the front of `buffer`; `None` while it is incomplete.
    pub fn take(buffer: &mut Vec<u8>) -> Result<Option<Message>, SignalingError> {
        let too_long = SignalingError::MessageTooLong {
            max: MAX_MESSAGE_BYTES,
        };
        let (length, prefix_bytes) = match buffer.as_slice() {
            [] => return Ok(None),
            [low, ..] if *low < 0x80 => (usize::from(*low), 1),
            [_] => return Ok(None),
            [low, high, ..] if *high < 0x80 => (usize::from(low & 0x7f) | usize::from(*high) << 7, 2),
            [_, _] => return Ok(None),
            [low, middle, high, ..] if *high < 0x80 => {
                let value =
                    usize::from(low & 0x7f) | usize::from(middle & 0x7f) << 7 | usize::from(*high) << 14;
                (value, 3)
            }
            _ => return Err(too_long),
        };
        if length > MAX_MESSAGE_BYTES {
            return Err(too_long);
        }
        let Some(body) = buffer.get(prefix_bytes..prefix_bytes + length) else {
            return Ok(None);
        };
        let wire = Wire::decode(body).map_err(|_| SignalingError::Malformed)?;
        buffer.drain(..prefix_bytes + length);
        let ty = wire
            .ty
            .and_then(|ty| MessageType::try_from(ty).ok())
            .ok_or(SignalingError::UnknownType)?;
        Ok(Some(Message {
            ty,
            data: wire.data.unwrap_or_default(),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_offer_is_written_with_its_type_although_that_is_zero() {
        let offer = Message {
            ty: MessageType::SdpOffer,
            data: "v=0".into(),
        };
        assert_eq!(offer.encode(), [7, 0x08, 0, 0x12, 3, b'v', b'=', b'0']);
    }

    #[test]
    fn messages_come_back_wherever_the_stream_is_cut() {
        let sent = [
            Message {
                ty: MessageType::SdpOffer,
                data: "x".repeat(300),
            },
            Message {
                ty: MessageType::SdpAnswer,
                data: String::new(),
            },
            Message {
                ty: MessageType::IceCandidate,
                data: "{}".into(),
            },
        ];
        let bytes: Vec<u8> = sent.iter().flat_map(Message::encode).collect();
        for step in [1, 2, 5, 301, bytes.len()] {
            let (mut buffer, mut got) = (Vec::new(), Vec::new());
            for part in bytes.chunks(step) {
                buffer.extend_from_slice(part);
                while let Some(message) = Message::take(&mut buffer).unwrap() {
                    got.push(message);
                }
            }
            assert_eq!(got, sent);
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn hostile_bytes_are_typed_errors() {
        let check = |bytes: &[u8], expect: SignalingError| {
            assert_eq!(Message::take(&mut bytes.to_vec()), Err(expect), "{bytes:?}");
        };
        check(
            &[0xff, 0xff, 0xff, 0xff],
            SignalingError::MessageTooLong {
                max: MAX_MESSAGE_BYTES,
            },
        );
        check(
            &[0xff, 0xff, 0x7f],
            SignalingError::MessageTooLong {
                max: MAX_MESSAGE_BYTES,
            },
        );
        check(&[2, 0xff, 0xff], SignalingError::Malformed);
        check(&[4, 0x12, 2, 0xff, 0xfe], SignalingError::Malformed); // not UTF-8
        check(&[0], SignalingError::UnknownType);
        check(&[2, 0x08, 9], SignalingError::UnknownType);
    }
}
