//! Who owns the relay's swarm. The relay itself holds a publisher's key only; whoever opens the
//! one-time claim link signs that key's delegation with their own and is the owner from then on.
//! It grants no role: see `register`.

use std::sync::{Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::{
    IdentityError, LocalKey, MAX_PUBLISHER, NodeId, PublicKey, PublisherDelegation, Record, Signed,
    SigningKey, Timestamp,
};
use sha2::{Digest, Sha256};

use crate::{
    register::RegisterError,
    store::{Store, StoreError, random},
};

const PUBLISHER_FILE: &str = "publisher.key";
const CLAIM_FILE: &str = "claim.sha256";
const OWNER_FILE: &str = "owner.cose";

/// The ownership of one data folder.
pub struct Ownership {
    store: Store,
    publisher: LocalKey,
    /// Two people who open the same link at once must not both win.
    claiming: Mutex<()>,
}

/// A claim that is not granted, or a damaged data folder.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{file} in the data folder is damaged: {why}; restore it from a backup")]
    Damaged { file: &'static str, why: String },
    #[error("this swarm has an owner already")]
    Claimed,
    #[error("this is not the secret of the claim link")]
    Secret,
    #[error("the delegation is not sound: {0}")]
    Delegation(#[from] IdentityError),
    #[error("the delegation is for another publisher's key")]
    OtherPublisher,
    #[error(transparent)]
    Register(#[from] RegisterError),
}

impl Ownership {
    /// Opens the ownership of this data folder; the publisher's key is made if there is none.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or its key is damaged.
    pub fn open(store: &Store) -> Result<Ownership, OwnerError> {
        let damaged = |why: String| OwnerError::Damaged {
            file: PUBLISHER_FILE,
            why,
        };
        let bytes = store.read_or_create::<OwnerError>(PUBLISHER_FILE, || Ok(random::<32>()?.to_vec()))?;
        let secret: [u8; 32] = bytes
            .try_into()
            .map_err(|bytes: Vec<u8>| damaged(format!("{} bytes", bytes.len())))?;
        let key = LocalKey::eddsa(&secret).map_err(|error| damaged(error.to_string()))?;
        Ok(Ownership {
            store: store.clone(),
            publisher: key,
            claiming: Mutex::new(()),
        })
    }

    /// The key that an owner delegates to.
    pub fn publisher(&self) -> PublicKey {
        self.publisher.public_key()
    }

    /// Signs a record of what this relay itself has counted.
    ///
    /// # Errors
    /// When the record is larger than its kind may be.
    pub fn sign<T: Record>(&self, record: &T) -> Result<Signed<T>, IdentityError> {
        Signed::sign(record, &self.publisher)
    }

    /// Who owns the swarm, if somebody does.
    ///
    /// # Errors
    /// When what is kept about it is damaged: nobody may become owner by damaging a file.
    pub fn owner(&self) -> Result<Option<NodeId>, OwnerError> {
        let Some(bytes) = self.store.read(OWNER_FILE)? else {
            return Ok(None);
        };
        let verified = Signed::<PublisherDelegation>::from_bytes(&bytes)
            .and_then(|signed| signed.verify())
            .map_err(|error| OwnerError::Damaged {
                file: OWNER_FILE,
                why: error.to_string(),
            })?;
        Ok(Some(verified.signer_id()))
    }

    /// The fragment of a fresh claim link, or `None` once there is an owner. An earlier link ends.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn new_claim(&self) -> Result<Option<String>, OwnerError> {
        let _one_at_a_time = self.claiming.lock().unwrap_or_else(PoisonError::into_inner);
        if self.owner()?.is_some() {
            return Ok(None);
        }
        let secret: [u8; 16] = random()?;
        self.store.write(CLAIM_FILE, &Sha256::digest(secret))?;
        Ok(Some(format!("claim.v1.{}", URL_SAFE_NO_PAD.encode(secret))))
    }

    /// SHA-256 of the claim link's secret, while it is good: so that a page can tell a link of another relay, or an old
    /// one, without sending the secret or making a key.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn claim_hash(&self) -> Result<Option<Vec<u8>>, OwnerError> {
        let hash = self.store.read(CLAIM_FILE)?;
        Ok(hash.filter(|hash| hash.len() == 32))
    }

    /// Makes the signer of `delegation` the owner, if `secret` is the claim link's. `enter` puts the owner's key into
    /// the register first: where that fails nobody has become owner.
    ///
    /// # Errors
    /// When there is an owner, the secret is wrong, or the delegation is not sound, not valid now
    /// or not for this relay's key; and what `enter` says.
    pub fn claim(
        &self,
        secret: &str,
        delegation: &[u8],
        now: Timestamp,
        enter: impl FnOnce(PublicKey) -> Result<(), RegisterError>,
    ) -> Result<NodeId, OwnerError> {
        let _one_at_a_time = self.claiming.lock().unwrap_or_else(PoisonError::into_inner);
        if self.owner()?.is_some() {
            return Err(OwnerError::Claimed);
        }
        let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| OwnerError::Secret)?;
        let expected = self.store.read(CLAIM_FILE)?.ok_or(OwnerError::Secret)?;
        // Hashes are compared, so the time that takes tells nothing about the secret.
        if expected.as_slice() != Sha256::digest(&secret).as_slice() {
            return Err(OwnerError::Secret);
        }
        let verified = Signed::<PublisherDelegation>::from_bytes(delegation)?.verify()?;
        if verified.publisher != self.publisher() {
            return Err(OwnerError::OtherPublisher);
        }
        verified.validity.check(now, MAX_PUBLISHER)?;
        enter(verified.signer())?;
        self.store.write(OWNER_FILE, delegation)?;
        // From here on the owner's file alone decides.
        self.store.write(CLAIM_FILE, b"")?;
        Ok(verified.signer_id())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use identity::Validity;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn delegation(by: u8, to: PublicKey, validity: Validity) -> Vec<u8> {
        let owner = LocalKey::es256(&[by; 32]).unwrap();
        let record = PublisherDelegation {
            publisher: to,
            validity,
        };
        Signed::sign(&record, &owner).unwrap().to_bytes()
    }

    fn fresh() -> (tempfile::TempDir, Ownership, String) {
        let dir = tempfile::tempdir().unwrap();
        let ownership = Ownership::open(&Store::open(dir.path()).unwrap()).unwrap();
        let fragment = ownership.new_claim().unwrap().unwrap();
        let secret = fragment.strip_prefix("claim.v1.").unwrap().to_owned();
        (dir, ownership, secret)
    }

    #[test]
    fn whoever_opens_the_link_first_is_the_owner_for_good() {
        let (dir, ownership, secret) = fresh();
        let valid = Validity::starting(NOW, DAY);
        let paper = delegation(1, ownership.publisher(), valid);
        let owner = ownership.claim(&secret, &paper, NOW, |_| Ok(())).unwrap();
        assert_eq!(owner, LocalKey::es256(&[1; 32]).unwrap().public_key().node_id());
        let second = delegation(2, ownership.publisher(), valid);
        assert!(matches!(
            ownership.claim(&secret, &second, NOW, |_| Ok(())),
            Err(OwnerError::Claimed)
        ));
        assert_eq!(ownership.new_claim().unwrap(), None);
        assert_eq!(ownership.claim_hash().unwrap(), None);
        let again = Ownership::open(&Store::open(dir.path()).unwrap()).unwrap();
        assert_eq!(again.owner().unwrap(), Some(owner));
    }

    #[test]
    fn a_wrong_secret_key_time_or_signature_claims_nothing() {
        let (_dir, ownership, secret) = fresh();
        let valid = Validity::starting(NOW, DAY);
        let paper = delegation(1, ownership.publisher(), valid);
        let other = LocalKey::eddsa(&[3; 32]).unwrap().public_key();
        let mut forged = paper.clone();
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        for (secret, paper) in [
            ("AAAAAAAAAAAAAAAAAAAAAA", paper.clone()),
            ("", paper.clone()),
            ("%%%", paper.clone()),
            (secret.as_str(), delegation(1, other, valid)),
            (
                &secret,
                delegation(
                    1,
                    ownership.publisher(),
                    Validity::starting(NOW, MAX_PUBLISHER * 2),
                ),
            ),
            (
                &secret,
                delegation(
                    1,
                    ownership.publisher(),
                    Validity::starting(NOW.minus(DAY * 2), DAY),
                ),
            ),
            (&secret, forged),
            (&secret, Vec::new()),
        ] {
            assert!(ownership.claim(secret, &paper, NOW, |_| Ok(())).is_err());
        }
        assert_eq!(ownership.owner().unwrap(), None);
        assert!(
            ownership.claim(&secret, &paper, NOW, |_| Ok(())).is_ok(),
            "the link still works"
        );
    }

    #[test]
    fn a_new_link_ends_the_old_one_and_a_damaged_owner_file_opens_nothing() {
        let (dir, ownership, old) = fresh();
        let paper = delegation(1, ownership.publisher(), Validity::starting(NOW, DAY));
        ownership.new_claim().unwrap().unwrap();
        assert!(matches!(
            ownership.claim(&old, &paper, NOW, |_| Ok(())),
            Err(OwnerError::Secret)
        ));
        std::fs::write(dir.path().join(OWNER_FILE), b"x").unwrap();
        assert!(matches!(ownership.new_claim(), Err(OwnerError::Damaged { .. })));
    }
}
