//! A model as a swarm publishes it: its manifest, signed by an Admin of the swarm or somebody above.
//! It does not know who is an Admin: whoever opens it says so, from the registry.

use identity::{Authority, CoSigned, IdentityError, NodeId, Record, Timestamp};

use gguf::{Manifest, ManifestError, limits::MAX_MANIFEST_BYTES};

use crate::message::SwarmId;

/// What is signed. The model's id is that of the manifest's core, the same in every swarm; what is signed is this
/// swarm's word that it runs here, and what it says about it.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ModelRecord {
    /// Where.
    #[n(0)]
    pub swarm: SwarmId,
    /// Who says so: a key, or a quorum.
    #[n(1)]
    pub author: Authority,
    /// When: of two about the same model the later one counts.
    #[n(2)]
    pub issued_at: Timestamp,
    /// The manifest's bytes.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub manifest: Vec<u8>,
}

/// A model that somebody who may has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedModel {
    /// Where.
    pub swarm: SwarmId,
    /// By whom.
    pub author: NodeId,
    /// When.
    pub issued_at: Timestamp,
    /// What it is.
    pub manifest: Manifest,
}

/// Why a model is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelRecordError {
    /// A signature does not hold.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Signed by others than its author.
    #[error("not signed by its author {0}")]
    Signers(NodeId),
    /// The author has no such right in this swarm.
    #[error("{0} may not publish models in this swarm")]
    NotAllowed(NodeId),
    /// The manifest itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Record for ModelRecord {
    const CONTEXT: &'static str = "model/1";
    const MAX_BYTES: usize = MAX_MANIFEST_BYTES + 4_096;
}

impl ModelRecord {
    /// Opens a signed record. `may` says whether somebody is at least an Admin of a swarm.
    ///
    /// # Errors
    /// Whatever keeps it from being that swarm's word.
    pub fn open(
        signed: &CoSigned<ModelRecord>,
        may: impl Fn(SwarmId, NodeId) -> bool,
    ) -> Result<PublishedModel, ModelRecordError> {
        let verified = signed.verify()?;
        let author = verified.author.id();
        if !verified.author.is_met_by(verified.signers()) {
            return Err(ModelRecordError::Signers(author));
        }
        if !may(verified.swarm, author) {
            return Err(ModelRecordError::NotAllowed(author));
        }
        Ok(PublishedModel {
            swarm: verified.swarm,
            author,
            issued_at: verified.issued_at,
            manifest: Manifest::decode(&verified.manifest)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gguf::{About, synthetic::Model};
    use identity::{LocalKey, SigningKey};

    use super::*;

    const SWARM: SwarmId = SwarmId([7; 32]);

    fn key(seed: u8) -> LocalKey {
        LocalKey::es256(&[seed; 32]).unwrap()
    }

    fn manifest() -> Manifest {
        let file = Model::tiny().to_bytes().unwrap();
        Manifest::build(file.as_slice(), file.len() as u64, About::default()).unwrap()
    }

    fn record(author: Authority) -> ModelRecord {
        ModelRecord {
            swarm: SWARM,
            author,
            issued_at: Timestamp::from_seconds(5),
            manifest: manifest().encode(),
        }
    }

    fn open(record: &ModelRecord, by: &[u8]) -> Result<PublishedModel, ModelRecordError> {
        let keys: Vec<LocalKey> = by.iter().map(|seed| key(*seed)).collect();
        let keys: Vec<&dyn SigningKey> = keys.iter().map(|key| key as &dyn SigningKey).collect();
        let bytes = CoSigned::sign(record, &keys).unwrap().to_bytes();
        let admins = [key(1).public_key().node_id(), record.author.id()];
        let may =
            |swarm, who| swarm == SWARM && admins.contains(&who) && who != key(9).public_key().node_id();
        ModelRecord::open(&CoSigned::from_bytes(&bytes)?, may)
    }

    fn by(seed: u8) -> Authority {
        Authority::Key(key(seed).public_key())
    }

    #[test]
    fn an_admins_word_about_a_model_is_read_with_its_manifest() {
        let published = open(&record(by(1)), &[1]).unwrap();
        assert_eq!(published.manifest, manifest());
        assert_eq!((published.swarm, published.author), (SWARM, by(1).id()));
        let keys = [1, 2, 3].map(|seed| key(seed).public_key());
        let quorum = Authority::quorum(2, keys.to_vec()).unwrap();
        assert!(open(&record(quorum.clone()), &[1, 3]).is_ok());
        assert_eq!(
            open(&record(quorum.clone()), &[1]),
            Err(ModelRecordError::Signers(quorum.id()))
        );
    }

    #[test]
    fn nobody_elses_word_counts_nor_one_for_another_swarm_nor_about_nothing() {
        assert_eq!(
            open(&record(by(1)), &[2]),
            Err(ModelRecordError::Signers(by(1).id()))
        );
        assert_eq!(
            open(&record(by(9)), &[9]),
            Err(ModelRecordError::NotAllowed(by(9).id()))
        );
        let elsewhere = ModelRecord {
            swarm: SwarmId([8; 32]),
            ..record(by(1))
        };
        assert_eq!(
            open(&elsewhere, &[1]),
            Err(ModelRecordError::NotAllowed(by(1).id()))
        );
        let mut broken = record(by(1));
        broken.manifest.pop();
        assert!(matches!(open(&broken, &[1]), Err(ModelRecordError::Manifest(_))));
    }

    #[test]
    fn one_model_has_one_id_whoever_publishes_it() {
        let ids = [1, 2].map(|seed| {
            let published = open(&record(by(seed)), &[seed]).unwrap();
            published.manifest.id()
        });
        assert_eq!(ids[0], ids[1]);
    }
}
