//! Names of peers and the addresses they are reached at, as the transport prints them.
//! It parses neither: libp2p does, in the shells.

use std::fmt;
use std::sync::Arc;

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

use crate::{List, ProtocolError, Text};

/// Base58 of the longest key hash in use is 62 characters; twice that leaves room.
const MAX_PEER_ID_BYTES: usize = 128;
/// A circuit address with two certificate hashes stays under 400 characters.
const MAX_ADDRESS_BYTES: usize = 512;
/// A tab has two or three addresses, a relay with all transports six.
const MAX_ADDRESSES: usize = 8;

/// A libp2p peer id in its text form. The transport proves it; here it is only a name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(Arc<str>);

/// A multiaddr in its text form.
pub type Address = Text<MAX_ADDRESS_BYTES>;
/// Where a peer can be reached.
pub type Addresses = List<Address, MAX_ADDRESSES>;

impl PeerId {
    /// Takes the printed form: 1 to 128 ASCII letters and digits.
    pub fn new(text: &str) -> Result<PeerId, ProtocolError> {
        let sound =
            (1..=MAX_PEER_ID_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if sound {
            Ok(PeerId(text.into()))
        } else {
            Err(ProtocolError::Value("peer id"))
        }
    }

    /// The name of the peer whose id has these bytes, as libp2p prints it.
    pub fn from_bytes(bytes: &[u8]) -> Result<PeerId, ProtocolError> {
        if bytes.len() > identity::MAX_PEER_ID_BYTES {
            return Err(ProtocolError::Value("peer id"));
        }
        PeerId::new(&bs58::encode(bytes).into_string())
    }

    /// The bytes that it prints; `None` where it prints none.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let bytes = bs58::decode(self.as_str()).into_vec().ok()?;
        (bytes.len() <= identity::MAX_PEER_ID_BYTES).then_some(bytes)
    }

    /// The printed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last eight characters: enough for a log line.
    pub fn short(&self) -> &str {
        &self.0[self.0.len().saturating_sub(8)..]
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

impl<C> Encode<C> for PeerId {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PeerId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        PeerId::new(d.str()?).map_err(DecodeError::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_peer_id_is_short_and_plain() {
        assert!(PeerId::new("12D3KooWRnVKhjkNWRH6WyxTjvSSDL4MNqWKGUSTd7vZSn3wJrYs").is_ok());
        for bad in ["", "a b", "ä", "a\0", &"a".repeat(129)] {
            assert!(PeerId::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(PeerId::new("abc").unwrap().short(), "abc");
    }

    #[test]
    fn a_peer_id_prints_its_bytes_and_reads_them_again() {
        let text = "12D3KooWRnVKhjkNWRH6WyxTjvSSDL4MNqWKGUSTd7vZSn3wJrYs";
        let bytes = PeerId::new(text).unwrap().to_bytes().unwrap();
        assert_eq!(bytes[..6], [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]);
        assert_eq!(bytes.len(), 38);
        assert_eq!(PeerId::from_bytes(&bytes).unwrap().as_str(), text);
        // Not base58; longer than any multihash; nothing.
        for bad in ["0OIl", &"z".repeat(128)] {
            assert_eq!(PeerId::new(bad).unwrap().to_bytes(), None, "{bad}");
        }
        assert!(PeerId::from_bytes(&[1; 65]).is_err());
        assert!(PeerId::from_bytes(&[]).is_err());
    }
}
