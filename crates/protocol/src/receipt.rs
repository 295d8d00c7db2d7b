//! The receipt of work that was done: what, by whom, for whom; signed by both when a session closes.
//! It gives no credit and keeps no balance: a ledger reads receipts.

use identity::{CoSigned, Credential, IdentityError, NodeId, PublicKey, Record, RecordHash, Timestamp};

use crate::message::{JobId, JobKind, SwarmId};
use crate::{Blob, LayerRange, ModelId, model_codec};

/// A libp2p peer id is a multihash of at most 42 bytes; with room for longer hashes.
const MAX_PEER_ID_BYTES: usize = identity::MAX_PEER_ID_BYTES;

/// What both sides say was done.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Receipt {
    /// Which job, as the requester named it.
    #[n(0)]
    pub job: JobId,
    /// What kind of work.
    #[n(1)]
    pub kind: JobKind,
    /// In which swarm.
    #[n(2)]
    pub swarm: SwarmId,
    /// By which model.
    #[cbor(n(3), with = "model_codec::id")]
    pub model: ModelId,
    /// Which of its layers.
    #[cbor(n(4), with = "model_codec::layers")]
    pub layers: LayerRange,
    /// Positions computed without a sample: the prompt, and what was computed again after a loss.
    #[n(5)]
    pub tokens_in: u64,
    /// Positions computed with one: the answer, and guesses at it.
    #[n(6)]
    pub tokens_out: u64,
    /// Time spent computing, as the requester was told step by step.
    #[n(7)]
    pub compute_ms: u64,
    /// When the session closed: the delegations must hold then, not when the receipt is read.
    #[n(8)]
    pub ended: Timestamp,
    /// Who computed.
    #[n(9)]
    pub worker: Party,
    /// Who asked.
    #[n(10)]
    pub requester: Party,
}

/// One side of a receipt. The receipts of each peer id are numbered and each names the one before: whoever shows
/// two with the same number has said two different things, and whoever hides one leaves a gap. They are counted by
/// peer id, not by identity: a session lives in one place, while an identity may work in several tabs at once.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Party {
    /// The identity that signs.
    #[n(0)]
    pub key: PublicKey,
    /// Counts the receipts of this side's peer id from 1.
    #[n(1)]
    pub number: u64,
    /// The receipt before; none before the first.
    #[n(2)]
    pub previous: Option<RecordHash>,
    /// The peer that took part in the session, as bytes.
    #[n(3)]
    pub peer_id: Blob<MAX_PEER_ID_BYTES>,
    /// That this peer acted for the identity.
    #[n(4)]
    pub credential: Credential,
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// A signature or a delegation does not hold.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Nobody is paid by themselves.
    #[error("worker and requester are the same identity, {0}")]
    OneParty(NodeId),
    /// Exactly the two sides sign.
    #[error("signed by others than worker and requester")]
    Signers,
    /// The delegation speaks for somebody else.
    #[error("the delegation of {0} is another's")]
    Delegation(NodeId),
    /// The number and the receipt before do not go together.
    #[error("receipt {0} must name the one before, and only the first has none")]
    Chain(u64),
}

impl Record for Receipt {
    const CONTEXT: &'static str = "receipt/1";
    const MAX_BYTES: usize = 16 * 1_024;
}

impl Receipt {
    /// Checks both signatures, both delegations as of the end of the session, and the numbers.
    ///
    /// # Errors
    /// Whatever keeps the receipt from proving that these two said this.
    pub fn verify(signed: &CoSigned<Receipt>) -> Result<Receipt, ReceiptError> {
        let verified = signed.verify()?;
        verified.check()?;
        let mut parties = [verified.worker.key, verified.requester.key];
        parties.sort_unstable();
        if verified.signers() != parties {
            return Err(ReceiptError::Signers);
        }
        Ok(verified.into_value())
    }

    /// Checks what the worker alone has signed, before the requester signs too: all but the second signature.
    ///
    /// # Errors
    /// As [`Receipt::verify`].
    pub fn verify_half(signed: &CoSigned<Receipt>) -> Result<Receipt, ReceiptError> {
        let verified = signed.verify()?;
        if verified.signers() != [verified.worker.key] {
            return Err(ReceiptError::Signers);
        }
        verified.check()?;
        Ok(verified.into_value())
    }

    fn check(&self) -> Result<(), ReceiptError> {
        if self.worker.key == self.requester.key {
            return Err(ReceiptError::OneParty(self.worker.key.node_id()));
        }
        [&self.worker, &self.requester]
            .into_iter()
            .try_for_each(|party| party.check(self.ended))
    }
}

impl Party {
    /// Checks the delegation as of `ended`, and the number.
    ///
    /// # Errors
    /// Whatever keeps this from being the side of a sound receipt.
    pub fn check(&self, ended: Timestamp) -> Result<(), ReceiptError> {
        if self.credential.verify(&self.peer_id, ended)? != self.key {
            return Err(ReceiptError::Delegation(self.key.node_id()));
        }
        if self.number == 0 || (self.number == 1) != self.previous.is_none() {
            return Err(ReceiptError::Chain(self.number));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use identity::{LocalKey, SessionDelegation, Signed, SigningKey as _, Validity};

    use super::*;

    fn key(seed: u8) -> LocalKey {
        LocalKey::es256(&[seed; 32]).unwrap()
    }

    fn party(seed: u8, number: u64) -> Party {
        let peer_id = vec![seed; 38];
        let validity = Validity::starting(Timestamp::from_seconds(1_000), Duration::from_secs(3_600));
        let delegation = SessionDelegation {
            peer_id: peer_id.clone(),
            validity,
        };
        Party {
            key: key(seed).public_key(),
            number,
            previous: (number > 1).then(|| RecordHash::from_bytes([seed; 32])),
            peer_id: Blob::new(peer_id).unwrap(),
            credential: Credential {
                session: Signed::sign(&delegation, &key(seed)).unwrap(),
                device: None,
            },
        }
    }

    fn receipt() -> Receipt {
        Receipt {
            job: JobId(3),
            kind: JobKind::Inference,
            swarm: SwarmId([7; 32]),
            model: ModelId([9; 32]),
            layers: LayerRange::new(0, 4).unwrap(),
            tokens_in: 300,
            tokens_out: 64,
            compute_ms: 2_500,
            ended: Timestamp::from_seconds(2_000),
            worker: party(1, 7),
            requester: party(2, 1),
        }
    }

    fn check(change: impl Fn(&mut Receipt), signers: &[u8]) -> Result<Receipt, ReceiptError> {
        let mut receipt = receipt();
        change(&mut receipt);
        let mut signed = CoSigned::unsigned(&receipt).unwrap();
        for seed in signers {
            let key = key(*seed);
            let signature = key.sign(&signed.to_be_signed(&key.public_key(), key.scheme()));
            signed.add(key.public_key(), signature).unwrap();
        }
        // Over the wire and back.
        Receipt::verify(&CoSigned::from_bytes(&signed.to_bytes())?)
    }

    #[test]
    fn what_both_sides_signed_is_proved_years_later() {
        assert_eq!(check(|_| {}, &[1, 2]), Ok(receipt()));
    }

    #[test]
    fn one_signature_is_not_enough_and_a_third_is_one_too_many() {
        for signers in [&[1][..], &[2], &[1, 2, 3], &[1, 3]] {
            assert_eq!(check(|_| {}, signers), Err(ReceiptError::Signers), "{signers:?}");
        }
    }

    #[test]
    fn nobody_signs_a_receipt_for_themselves() {
        let of_oneself = |receipt: &mut Receipt| receipt.requester = party(1, 8);
        assert_eq!(
            check(of_oneself, &[1]),
            Err(ReceiptError::OneParty(key(1).public_key().node_id()))
        );
    }

    #[test]
    fn a_delegation_that_did_not_hold_then_or_was_made_for_another_proves_nothing() {
        let late = |receipt: &mut Receipt| receipt.ended = Timestamp::from_seconds(9_000);
        assert!(matches!(
            check(late, &[1, 2]),
            Err(ReceiptError::Identity(IdentityError::Expired { .. }))
        ));
        let borrowed = |receipt: &mut Receipt| receipt.worker.credential = party(3, 1).credential;
        assert!(matches!(
            check(borrowed, &[1, 2]),
            Err(ReceiptError::Identity(IdentityError::WrongPeer))
        ));
        let anothers = |receipt: &mut Receipt| {
            let other = party(3, 1);
            (receipt.worker.credential, receipt.worker.peer_id) = (other.credential, other.peer_id);
        };
        assert!(matches!(
            check(anothers, &[1, 2]),
            Err(ReceiptError::Delegation(_))
        ));
    }

    #[test]
    fn the_chain_has_no_number_without_the_one_before() {
        for (number, previous) in [(0, None), (2, None), (1, Some(RecordHash::from_bytes([5; 32])))] {
            let broken = |receipt: &mut Receipt| {
                (receipt.worker.number, receipt.worker.previous) = (number, previous);
            };
            assert_eq!(check(broken, &[1, 2]), Err(ReceiptError::Chain(number)));
        }
    }
}
