//! What a person agreed to, and until when.
//! Asks nobody (see `components::consent_dialog`), signs nothing (the node does) and starts nothing.

/// An agreement lapses after this long.
pub const VALID_MS: f64 = 30.0 * 24.0 * 3600.0 * 1000.0;
/// Raised when the words of a dialog change in meaning: older agreements then no longer count.
pub const TERMS: u32 = 1;

/// What is agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Lend,
    /// Strangers' devices.
    Swarm,
    /// Devices of the members of a swarm of one's own.
    Members,
}

impl Purpose {
    pub fn word(self) -> &'static str {
        match self {
            Self::Lend => "lend",
            Self::Swarm | Self::Members => "swarm",
        }
    }

    /// Whose devices are used.
    pub fn among(self) -> Option<&'static str> {
        match self {
            Self::Lend => None,
            Self::Swarm => Some("strangers"),
            Self::Members => Some("members"),
        }
    }

    /// Who agreed to `self` has agreed to `other` with it: whoever lets strangers read lets members read.
    fn covers(self, other: Self) -> bool {
        self == other || (self, other) == (Self::Swarm, Self::Members)
    }

    /// In a signed record.
    pub fn number(self) -> u16 {
        match self {
            Self::Lend => 0,
            Self::Swarm => 1,
            Self::Members => 2,
        }
    }

    pub fn from_number(number: u16) -> Option<Self> {
        [Self::Lend, Self::Swarm, Self::Members]
            .into_iter()
            .find(|purpose| purpose.number() == number)
    }
}

/// One agreement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Receipt {
    pub purpose: Purpose,
    pub terms: u32,
    pub agreed_ms: f64,
    pub expires_ms: f64,
    /// When it was taken back.
    pub withdrawn_ms: Option<f64>,
    /// The identity signed it and it is kept; else it counts on this page alone.
    pub signed: bool,
}

/// How an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Counts,
    Withdrawn,
    /// Lapsed, or given to words that are no longer ours.
    Ended,
}

impl Receipt {
    pub fn new(purpose: Purpose, now_ms: f64) -> Self {
        Self {
            purpose,
            terms: TERMS,
            agreed_ms: now_ms,
            expires_ms: now_ms + VALID_MS,
            withdrawn_ms: None,
            signed: false,
        }
    }

    pub fn standing(&self, now_ms: f64) -> Standing {
        if self.withdrawn_ms.is_some() {
            return Standing::Withdrawn;
        }
        // A record from the future, or one that lasts longer than we grant, was not written by us.
        let counts = self.terms == TERMS
            && self.agreed_ms <= now_ms
            && now_ms < self.expires_ms
            && self.expires_ms - self.agreed_ms <= VALID_MS;
        if counts { Standing::Counts } else { Standing::Ended }
    }
}

/// All agreements of this browser that are known, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipts(Vec<Receipt>);

impl Receipts {
    pub fn new(mut receipts: Vec<Receipt>) -> Self {
        receipts.sort_by(|a, b| a.agreed_ms.total_cmp(&b.agreed_ms));
        Self(receipts)
    }

    pub fn agreed(&self, purpose: Purpose, now_ms: f64) -> bool {
        self.0
            .iter()
            .any(|receipt| receipt.purpose.covers(purpose) && receipt.standing(now_ms) == Standing::Counts)
    }

    pub fn agree(&mut self, purpose: Purpose, now_ms: f64) {
        self.0.push(Receipt::new(purpose, now_ms));
    }

    pub fn withdraw(&mut self, purpose: Purpose, now_ms: f64) {
        for receipt in &mut self.0 {
            if receipt.purpose == purpose && receipt.withdrawn_ms.is_none() {
                receipt.withdrawn_ms = Some(now_ms);
            }
        }
    }

    /// What the node has kept takes the place of what this page remembered; what could not be kept stays as long as
    /// the page.
    pub fn take_in(&mut self, kept: Vec<Receipt>) {
        let unkept = self.0.iter().filter(|receipt| {
            !receipt.signed
                && !kept.iter().any(|k| {
                    k.purpose == receipt.purpose && (k.agreed_ms - receipt.agreed_ms).abs() < 60_000.0
                })
        });
        let all = unkept.copied().chain(kept.iter().copied()).collect();
        *self = Self::new(all);
    }

    /// The newest first.
    pub fn all(&self) -> impl Iterator<Item = Receipt> + '_ {
        self.0.iter().rev().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_800_000_000_000.0;

    #[test]
    fn an_agreement_counts_for_its_purpose_until_it_lapses_or_is_taken_back() {
        let mut receipts = Receipts::default();
        assert!(!receipts.agreed(Purpose::Lend, NOW));
        receipts.agree(Purpose::Lend, NOW);
        assert!(receipts.agreed(Purpose::Lend, NOW + VALID_MS - 1.0));
        assert!(!receipts.agreed(Purpose::Lend, NOW + VALID_MS));
        assert!(!receipts.agreed(Purpose::Swarm, NOW));
        receipts.withdraw(Purpose::Lend, NOW + 1.0);
        assert!(!receipts.agreed(Purpose::Lend, NOW + 2.0));
        let standings: Vec<_> = receipts.all().map(|r| r.standing(NOW)).collect();
        assert_eq!(standings, [Standing::Withdrawn]);
    }

    #[test]
    fn who_lets_strangers_read_lets_members_read_and_not_the_other_way() {
        let agreed = |to, asked| {
            let mut receipts = Receipts::default();
            receipts.agree(to, NOW);
            receipts.agreed(asked, NOW)
        };
        assert!(agreed(Purpose::Swarm, Purpose::Members));
        assert!(agreed(Purpose::Members, Purpose::Members));
        assert!(!agreed(Purpose::Members, Purpose::Swarm));
        assert!(!agreed(Purpose::Lend, Purpose::Members));
    }

    #[test]
    fn what_was_kept_replaces_what_was_remembered_and_the_rest_stays() {
        let mut receipts = Receipts::default();
        receipts.agree(Purpose::Lend, NOW);
        receipts.agree(Purpose::Swarm, NOW);
        let kept = Receipt {
            signed: true,
            ..Receipt::new(Purpose::Lend, NOW + 40.0)
        };
        receipts.take_in(vec![kept]);
        let all: Vec<_> = receipts.all().map(|r| (r.purpose, r.signed)).collect();
        assert_eq!(all, [(Purpose::Lend, true), (Purpose::Swarm, false)]);
    }

    #[test]
    fn records_that_we_cannot_have_written_do_not_count() {
        let check = |terms, agreed_ms, expires_ms| {
            let receipt = Receipt {
                terms,
                agreed_ms,
                expires_ms,
                ..Receipt::new(Purpose::Lend, NOW)
            };
            assert_eq!(receipt.standing(NOW), Standing::Ended, "{receipt:?}");
        };
        check(TERMS + 1, NOW, NOW + 10.0);
        check(TERMS, NOW + 1.0, NOW + 10.0);
        check(TERMS, NOW, NOW + 2.0 * VALID_MS);
        check(TERMS, NOW, f64::INFINITY);
    }

    #[test]
    fn purposes_keep_their_numbers() {
        for (purpose, number) in [(Purpose::Lend, 0), (Purpose::Swarm, 1), (Purpose::Members, 2)] {
            assert_eq!(
                (purpose.number(), Purpose::from_number(number)),
                (number, Some(purpose))
            );
        }
        assert_eq!(Purpose::from_number(7), None);
    }
}
