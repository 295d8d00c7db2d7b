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
}
