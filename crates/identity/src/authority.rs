//! Whoever a record may speak for: one key, or k of several.
//! It does not know what the authority is allowed to do.

use minicbor::{Decode, Decoder, Encode, Encoder, data::Type};

use crate::{IdentityError, NodeId, PublicKey};

/// Most keys of a quorum: a quorum's record must fit all their signatures.
pub const MAX_QUORUM_KEYS: usize = crate::MAX_SIGNERS;

/// One key, or a quorum of keys: wherever an owner is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// Whoever holds this key, person or program.
    Key(PublicKey),
    /// Any `k` of these keys together.
    Quorum(Quorum),
}

/// `k` of `keys`: sorted, each once, 2 to [`MAX_QUORUM_KEYS`], and 1 ≤ k ≤ their number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quorum {
    k: u8,
    keys: Vec<PublicKey>,
}

impl Authority {
    /// A quorum of `k` of `keys`, given in any order.
    pub fn quorum(k: u8, mut keys: Vec<PublicKey>) -> Result<Self, IdentityError> {
        keys.sort_unstable();
        Self::sorted_quorum(k, keys)
    }

    /// Who this authority is. The same keys with another `k` are somebody else.
    pub fn id(&self) -> NodeId {
        match self {
            Self::Key(key) => key.node_id(),
            // Writing to memory cannot fail.
            Self::Quorum(_) => NodeId::of_quorum(&minicbor::to_vec(self).unwrap_or_default()),
        }
    }

    /// Whether these signers, sorted and each once, are this authority: enough of its keys and nobody else.
    pub fn is_met_by(&self, signers: &[PublicKey]) -> bool {
        let distinct = signers.windows(2).all(|pair| pair[0] < pair[1]);
        match self {
            Self::Key(key) => signers == [*key],
            Self::Quorum(q) => {
                distinct
                    && signers.len() >= usize::from(q.k)
                    && signers.iter().all(|signer| q.keys.binary_search(signer).is_ok())
            }
        }
    }

    /// All keys of this authority.
    pub fn keys(&self) -> &[PublicKey] {
        match self {
            Self::Key(key) => core::slice::from_ref(key),
            Self::Quorum(q) => &q.keys,
        }
    }

    fn sorted_quorum(k: u8, keys: Vec<PublicKey>) -> Result<Self, IdentityError> {
        let sound = (2..=MAX_QUORUM_KEYS).contains(&keys.len())
            && (1..=keys.len()).contains(&usize::from(k))
            && keys.windows(2).all(|pair| pair[0] < pair[1]);
        if !sound {
            return Err(IdentityError::BadQuorum { k, keys: keys.len() });
        }
        Ok(Self::Quorum(Quorum { k, keys }))
    }
}

impl From<PublicKey> for Authority {
    fn from(key: PublicKey) -> Self {
        Self::Key(key)
    }
}

impl<C> Encode<C> for Authority {
    /// A key as bytes, a quorum as `[k, [key, …]]`.
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Key(key) => key.encode(e, ctx),
            Self::Quorum(q) => {
                e.array(2)?.u8(q.k)?;
                q.keys.encode(e, ctx)
            }
        }
    }
}

impl<'b, C> Decode<'b, C> for Authority {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let refuse = |why: &str| minicbor::decode::Error::message(why);
        if d.datatype()? == Type::Bytes {
            return Ok(Self::Key(PublicKey::decode(d, ctx)?));
        }
        if d.array()? != Some(2) {
            return Err(refuse("an authority is a key or [k, keys]"));
        }
        let k = d.u8()?;
        let count = d.array()?.ok_or_else(|| refuse("indefinite length"))?;
        // Before any key is parsed: each costs a square root.
        if count > MAX_QUORUM_KEYS as u64 {
            return Err(refuse("too many keys in a quorum"));
        }
        let keys = (0..count)
            .map(|_| PublicKey::decode(d, ctx))
            .collect::<Result<Vec<_>, _>>()?;
        Self::sorted_quorum(k, keys).map_err(minicbor::decode::Error::message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{LocalKey, SigningKey as _};

    fn keys(n: u8) -> Vec<PublicKey> {
        let mut keys: Vec<_> = (1..=n)
            .map(|i| LocalKey::es256(&[i; 32]).unwrap().public_key())
            .collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn a_quorum_is_met_by_k_of_its_own_keys_and_nobody_else() {
        let k = keys(4);
        let two_of_three = Authority::quorum(2, vec![k[2], k[0], k[1]]).unwrap();
        let check = |signers: &[PublicKey], expect| assert_eq!(two_of_three.is_met_by(signers), expect);
        check(&[], false);
        check(&[k[0]], false);
        check(&[k[0], k[0]], false);
        check(&[k[0], k[1]], true);
        check(&[k[0], k[2]], true);
        check(&[k[0], k[1], k[2]], true);
        check(&[k[0], k[3]], false);
        check(&[k[0], k[1], k[3]], false);
        assert!(Authority::Key(k[0]).is_met_by(&[k[0]]));
        assert!(!Authority::Key(k[0]).is_met_by(&[k[0], k[1]]));
    }

    #[test]
    fn an_impossible_quorum_cannot_be_made_or_read() {
        let k = keys(3);
        for (need, list) in [(0, &k[..]), (4, &k[..]), (1, &k[..1]), (1, &[])] {
            assert!(
                Authority::quorum(need, list.to_vec()).is_err(),
                "{need} of {}",
                list.len()
            );
        }
        assert!(Authority::quorum(2, vec![k[0], k[0], k[1]]).is_err());
        assert!(Authority::quorum(1, keys(17)).is_err());
        let unsorted = minicbor::to_vec((2u8, vec![k[1], k[0]])).unwrap();
        assert!(minicbor::decode::<Authority>(&unsorted).is_err());
        let huge = [0x82, 0x01, 0x9b, 0, 0, 1, 0, 0, 0, 0, 0];
        assert!(minicbor::decode::<Authority>(&huge).is_err());
    }

    #[test]
    fn an_authority_reads_back_and_each_has_its_own_id() {
        let k = keys(3);
        let all = [
            Authority::Key(k[0]),
            Authority::Key(k[1]),
            Authority::quorum(1, k.clone()).unwrap(),
            Authority::quorum(2, k.clone()).unwrap(),
            Authority::quorum(2, k[..2].to_vec()).unwrap(),
        ];
        for a in &all {
            let bytes = minicbor::to_vec(a).unwrap();
            crate::cbor::check_deterministic(&bytes).unwrap();
            assert_eq!(&minicbor::decode::<Authority>(&bytes).unwrap(), a);
        }
        let ids: std::collections::BTreeSet<_> = all.iter().map(Authority::id).collect();
        assert_eq!(ids.len(), all.len());
    }
}
