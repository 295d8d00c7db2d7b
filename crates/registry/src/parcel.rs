//! A register as bytes that one party gives another, with or without the key of a role that waits for the taker.
//! What comes out is no more trusted than what a stranger sent: every record is checked as it is taken in.

use identity::{CoSigned, Timestamp};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use crate::{Record, Refusal, Registry, Statement};

/// How a parcel as text begins, wherever one is passed on; its bytes follow in base64url without padding.
pub const PARCEL_PREFIX: &str = "s1.";

/// Records and statements, each as it was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Parcel {
    /// The genesis first.
    #[n(0)]
    pub records: Vec<ByteVec>,
    #[n(1)]
    pub statements: Vec<ByteVec>,
    /// The key that a role was granted to.
    #[n(2)]
    pub secret: Option<ByteArray<32>>,
}

impl Parcel {
    /// All of a register.
    pub fn of(registry: &Registry) -> Self {
        Self {
            records: registry
                .records()
                .map(|record| record.to_bytes().into())
                .collect(),
            statements: registry.statements().map(|said| said.to_bytes().into()).collect(),
            secret: None,
        }
    }

    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory does not fail.
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Reads such bytes. How long they may be is for the caller to say.
    ///
    /// # Errors
    /// When they are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        minicbor::decode(bytes)
    }

    /// The register that the first record founds, and nothing more of it yet.
    ///
    /// # Errors
    /// When that record founds none.
    pub fn found(&self) -> Result<Registry, Refusal> {
        let genesis = self.records.first().ok_or(Refusal::NotAGenesis)?;
        Registry::found(CoSigned::<Record>::from_bytes(genesis)?)
    }

    /// Takes in whatever of this holds and is new, and says how much that was; the rest is somebody's mistake.
    pub fn merge(&self, registry: &mut Registry, now: Timestamp) -> usize {
        let mut taken = 0;
        for record in &self.records {
            if let Ok(record) = CoSigned::<Record>::from_bytes(record) {
                taken += usize::from(registry.apply(record, now).is_ok());
            }
        }
        for statement in &self.statements {
            if let Ok(statement) = CoSigned::<Statement>::from_bytes(statement) {
                taken += usize::from(registry.hear(statement).is_ok());
            }
        }
        taken
    }

    /// What `other` lacks of this.
    pub fn beyond(mut self, other: &Self) -> Self {
        self.records.retain(|record| !other.records.contains(record));
        self.statements.retain(|said| !other.statements.contains(said));
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Role;
    use crate::testing::Stage;

    #[test]
    fn a_register_comes_out_as_it_went_in_and_only_what_is_new_counts() {
        let mut stage = Stage::new();
        let before = Parcel::of(&stage.registry);
        stage.seat(1, 2, Role::Worker).seat(1, 3, Role::Admin);
        let parcel = Parcel::from_bytes(&Parcel::of(&stage.registry).to_bytes()).unwrap();
        let mut copy = parcel.found().unwrap();
        assert_eq!(parcel.merge(&mut copy, stage.now()), 4);
        assert_eq!(copy.head(), stage.registry.head());
        assert_eq!(parcel.merge(&mut copy, stage.now()), 0);
        let news = parcel.beyond(&before);
        assert_eq!((news.records.len(), news.statements.len()), (3, 1));
        assert!(news.found().is_err(), "no genesis");
        let mut late = before.found().unwrap();
        assert_eq!(news.merge(&mut late, stage.now()), 4);
    }

    #[test]
    fn what_is_forged_or_of_another_register_is_left_out() {
        let mut stage = Stage::new();
        let mut parcel = Parcel::of(&stage.registry);
        stage.seat(1, 2, Role::Worker);
        let mut forged = Parcel::of(&stage.registry).records.pop().unwrap().to_vec();
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        parcel.records.push(forged.into());
        parcel.records.push(vec![0xff; 40].into());
        let mut copy = parcel.found().unwrap();
        assert_eq!(parcel.merge(&mut copy, stage.now()), 0);
        assert!(Parcel::default().found().is_err());
        assert!(Parcel::from_bytes(b"x").is_err());
    }
}
