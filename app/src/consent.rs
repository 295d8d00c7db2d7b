//! What a person agreed to, and until when.
//! Asks nobody (see `components::consent_dialog`) and starts nothing.

use serde::{Deserialize, Serialize};

/// An agreement lapses after this long.
pub const VALID_MS: f64 = 30.0 * 24.0 * 3600.0 * 1000.0;
/// Raised when the words of a dialog change in meaning: older agreements then no longer count.
pub const TERMS: u32 = 1;

/// What is agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    Lend,
    Swarm,
}

impl Purpose {
    pub fn word(self) -> &'static str {
        match self {
            Self::Lend => "lend",
            Self::Swarm => "swarm",
        }
    }
}

/// One agreement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub purpose: Purpose,
    pub terms: u32,
    pub agreed_ms: f64,
    pub expires_ms: f64,
}

/// All agreements of this browser, at most one per purpose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipts(Vec<Receipt>);

impl Receipts {
    /// From storage. What cannot be read is no agreement.
    pub fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub fn agreed(&self, purpose: Purpose, now_ms: f64) -> bool {
        self.0
            .iter()
            .any(|receipt| receipt.purpose == purpose && counts(receipt, now_ms))
    }

    pub fn agree(&mut self, purpose: Purpose, now_ms: f64) {
        self.withdraw(purpose);
        self.0.push(Receipt {
            purpose,
            terms: TERMS,
            agreed_ms: now_ms,
            expires_ms: now_ms + VALID_MS,
        });
    }

    pub fn withdraw(&mut self, purpose: Purpose) {
        self.0.retain(|receipt| receipt.purpose != purpose);
    }

    /// Those that count now.
    pub fn current(&self, now_ms: f64) -> Vec<Receipt> {
        self.0
            .iter()
            .copied()
            .filter(|receipt| counts(receipt, now_ms))
            .collect()
    }
}

fn counts(receipt: &Receipt, now_ms: f64) -> bool {
    // A record from the future, or one that lasts longer than we grant, was not written by us.
    receipt.terms == TERMS
        && receipt.agreed_ms <= now_ms
        && now_ms < receipt.expires_ms
        && receipt.expires_ms - receipt.agreed_ms <= VALID_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_800_000_000_000.0;

    #[test]
    fn an_agreement_counts_for_its_purpose_until_it_lapses() {
        let mut receipts = Receipts::default();
        assert!(!receipts.agreed(Purpose::Lend, NOW));
        receipts.agree(Purpose::Lend, NOW);
        assert!(receipts.agreed(Purpose::Lend, NOW + VALID_MS - 1.0));
        assert!(!receipts.agreed(Purpose::Lend, NOW + VALID_MS));
        assert!(!receipts.agreed(Purpose::Swarm, NOW));
        receipts.withdraw(Purpose::Lend);
        assert!(!receipts.agreed(Purpose::Lend, NOW));
    }

    #[test]
    fn receipts_read_back_and_nonsense_is_no_agreement() {
        let mut receipts = Receipts::default();
        receipts.agree(Purpose::Swarm, NOW);
        receipts.agree(Purpose::Swarm, NOW + 5.0);
        assert_eq!(receipts.current(NOW + 5.0).len(), 1);
        assert_eq!(Receipts::read(&receipts.write()), receipts);
        assert_eq!(Receipts::read("true"), Receipts::default());
    }

    #[test]
    fn records_that_we_cannot_have_written_do_not_count() {
        let check = |terms, agreed_ms, expires_ms| {
            let receipt = Receipt {
                purpose: Purpose::Lend,
                terms,
                agreed_ms,
                expires_ms,
            };
            assert!(!Receipts(vec![receipt]).agreed(Purpose::Lend, NOW), "{receipt:?}");
        };
        check(TERMS + 1, NOW, NOW + 10.0);
        check(TERMS, NOW + 1.0, NOW + 10.0);
        check(TERMS, NOW, NOW + 2.0 * VALID_MS);
        check(TERMS, NOW, f64::INFINITY);
    }
}
