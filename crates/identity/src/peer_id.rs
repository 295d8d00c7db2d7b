//! The libp2p peer id of an Ed25519 key, which is the key itself in an envelope: so a record that a session signed
//! proves its peer id without anybody's word.
//! It does not print or parse base58, and knows no other kind of peer id: of those the key cannot be told.

use crate::{Alg, PublicKey};

/// The multihash "identity" of 36 bytes; in them the protobuf field 1 (key type: 1, Ed25519) and 2 (32 bytes follow).
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

impl PublicKey {
    /// The peer id under which libp2p knows this key; `None` for keys that are no sessions.
    pub fn peer_id(&self) -> Option<Vec<u8>> {
        (self.alg() == Alg::EdDsa).then(|| [&PREFIX, self.key()].concat())
    }

    /// The key that is written in a peer id; `None` where it holds only a hash, or no sound key.
    pub fn of_peer_id(peer_id: &[u8]) -> Option<PublicKey> {
        PublicKey::new(Alg::EdDsa, peer_id.strip_prefix(&PREFIX)?).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{LocalKey, SigningKey as _};

    #[test]
    fn an_ed25519_key_is_its_peer_id_and_nothing_else_is() {
        let key = LocalKey::eddsa(&[7; 32]).unwrap().public_key();
        let id = key.peer_id().unwrap();
        assert_eq!(id.len(), 38);
        assert_eq!(PublicKey::of_peer_id(&id), Some(key));
        let p256 = LocalKey::es256(&[7; 32]).unwrap().public_key();
        assert_eq!(p256.peer_id(), None);
        for at in 0..PREFIX.len() {
            let mut other = id.clone();
            other[at] ^= 1;
            assert_eq!(PublicKey::of_peer_id(&other), None, "byte {at}");
        }
        for cut in 0..id.len() {
            assert_eq!(PublicKey::of_peer_id(&id[..cut]), None);
        }
        assert_eq!(PublicKey::of_peer_id(&[id, vec![0]].concat()), None);
    }
}
