//! What a person agreed to, as a record that their key signs: for what, on which terms, until when, taken back when.
//! It asks nobody; a screen does, and keeps what it was told.

use core::time::Duration;

use identity::{Record, Timestamp};
use minicbor::{Decode, Encode};

/// An agreement lapses by itself after this long at the latest.
pub const MAX_CONSENT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What is agreed to, open for purposes that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Purpose(#[n(0)] pub u16);

impl Purpose {
    /// Lending this device.
    pub const LEND: Self = Self(0);
    /// Sending text to strangers' devices.
    pub const SWARM: Self = Self(1);
}

/// One agreement, or its withdrawal: the later of two with the same beginning counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Consent {
    #[n(0)]
    pub purpose: Purpose,
    /// Version of the words that were shown.
    #[n(1)]
    pub terms: u32,
    #[n(2)]
    pub agreed_at: Timestamp,
    #[n(3)]
    pub expires_at: Timestamp,
    /// When it was taken back.
    #[n(4)]
    pub withdrawn_at: Option<Timestamp>,
}

impl Record for Consent {
    const CONTEXT: &'static str = "consent/1";
    const MAX_BYTES: usize = 128;
}

impl Consent {
    /// A fresh agreement.
    pub fn new(purpose: Purpose, terms: u32, now: Timestamp) -> Self {
        Self {
            purpose,
            terms,
            agreed_at: now,
            expires_at: now.plus(MAX_CONSENT),
            withdrawn_at: None,
        }
    }

    /// The same, taken back.
    pub fn withdrawn(self, now: Timestamp) -> Self {
        Self {
            withdrawn_at: Some(now.max(self.agreed_at)),
            ..self
        }
    }

    /// Whether it counts at `now` for the words of version `terms`. One from the future, or one that lasts longer
    /// than we ever grant, does not.
    pub fn counts(&self, terms: u32, now: Timestamp) -> bool {
        self.withdrawn_at.is_none()
            && self.terms == terms
            && self.agreed_at <= now
            && now < self.expires_at
            && self.expires_at.since(self.agreed_at) <= MAX_CONSENT
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use identity::{LocalKey, Signed};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn an_agreement_counts_until_it_lapses_or_is_taken_back() {
        let consent = Consent::new(Purpose::LEND, 1, NOW);
        assert!(consent.counts(1, NOW));
        assert!(consent.counts(1, NOW.plus(MAX_CONSENT).minus(Duration::from_millis(1))));
        assert!(!consent.counts(1, NOW.plus(MAX_CONSENT)));
        assert!(!consent.counts(2, NOW));
        assert!(!consent.counts(1, NOW.minus(Duration::from_millis(1))));
        assert!(!consent.withdrawn(NOW).counts(1, NOW));
        let endless = Consent {
            expires_at: Timestamp::MAX,
            ..consent
        };
        assert!(!endless.counts(1, NOW));
    }

    #[test]
    fn a_signed_agreement_reads_back_and_an_altered_one_does_not() {
        let key = LocalKey::es256(&[5; 32]).unwrap();
        let consent = Consent::new(Purpose::SWARM, 3, NOW).withdrawn(NOW.plus(Duration::from_secs(9)));
        let bytes = Signed::sign(&consent, &key).unwrap().to_bytes();
        let read = Signed::<Consent>::from_bytes(&bytes).unwrap();
        assert_eq!(read.verify().unwrap().into_value(), consent);
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let read = Signed::<Consent>::from_bytes(&altered).and_then(|signed| signed.verify());
            assert!(read.is_err(), "byte {at}");
        }
    }
}
