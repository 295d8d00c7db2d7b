//! The relay's own swarm: its id, made at the first start and kept, and its name.
//! It does not hold the registry; whoever claims the swarm signs that.

use sha2::{Digest, Sha256};

use crate::store::{Store, StoreError, random};

const SEED_FILE: &str = "swarm.seed";

/// What the API says about the swarm.
#[derive(Debug, Clone)]
pub struct SwarmState {
    /// 32 bytes in lower-case hex.
    pub id: String,
    /// The same as bytes.
    pub id_bytes: [u8; 32],
    /// What people read.
    pub name: String,
}

/// The file that fixes the swarm's id is not ours.
#[derive(Debug, thiserror::Error)]
pub enum SwarmStateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{SEED_FILE} in the data folder has {0} bytes instead of 32; restore it from a backup")]
    Seed(usize),
}

impl SwarmState {
    /// The swarm of this data folder, made if there is none.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or its seed is damaged.
    pub fn open(store: &Store, name: &str) -> Result<SwarmState, SwarmStateError> {
        let seed = store.read_or_create::<SwarmStateError>(SEED_FILE, || Ok(random::<32>()?.to_vec()))?;
        if seed.len() != 32 {
            return Err(SwarmStateError::Seed(seed.len()));
        }
        let mut hash = Sha256::new();
        hash.update(b"manyhands-swarm-genesis-1");
        hash.update(&seed);
        let id_bytes: [u8; 32] = hash.finalize().into();
        Ok(SwarmState {
            id: hex::encode(id_bytes),
            id_bytes,
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_keeps_its_swarm_and_two_folders_differ() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open = |dir: &std::path::Path| SwarmState::open(&Store::open(dir).unwrap(), "test").unwrap().id;
        assert_eq!(open(a.path()), open(a.path()));
        assert_ne!(open(a.path()), open(b.path()));
        std::fs::write(a.path().join(SEED_FILE), b"short").unwrap();
        assert!(SwarmState::open(&Store::open(a.path()).unwrap(), "test").is_err());
    }
}
