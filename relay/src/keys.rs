//! The relay's own key: Ed25519, made at the first start, the source of its stable peer id.
//! It signs nothing but handshakes and gossip; swarms are owned by people's keys.

use libp2p::identity::Keypair;

use crate::store::{Store, StoreError};

const KEY_FILE: &str = "peer.key";

/// The key file is damaged.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "{KEY_FILE} in the data folder is no libp2p key: {0}; restore it from a backup, or remove it to become a new peer"
    )]
    Damaged(String),
}

/// The key of this data folder, made if there is none.
///
/// # Errors
/// When the folder cannot be read or written, or the key in it is damaged: a new one would
/// silently change the peer id that others know.
pub fn open(store: &Store) -> Result<Keypair, KeyError> {
    let damaged = |error: libp2p::identity::DecodingError| KeyError::Damaged(error.to_string());
    let bytes = store.read_or_create::<KeyError>(KEY_FILE, || {
        Keypair::generate_ed25519()
            .to_protobuf_encoding()
            .map_err(damaged)
    })?;
    Keypair::from_protobuf_encoding(&bytes).map_err(damaged)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_keeps_its_peer_id_and_a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let first = open(&store).unwrap().public().to_peer_id();
        assert_eq!(open(&store).unwrap().public().to_peer_id(), first);
        store.write(KEY_FILE, b"not a key").unwrap();
        assert!(matches!(open(&store), Err(KeyError::Damaged(_))));
        assert_eq!(store.read(KEY_FILE).unwrap().unwrap(), b"not a key");
    }
}
