//! The strings attached to a grant, and the rule that they only get tighter along the chain.
//! It does not count what was used: whoever serves the work does.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

/// Most grants in a row below an Owner: Admin, Coordinator and Worker need two; the rest is room.
pub const MAX_SUBGRANTS: u8 = 8;
/// Most kinds of work one grant can list; there are a handful.
pub const MAX_KINDS: usize = 32;

/// A kind of work by its number on the wire, open for kinds that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct WorkKind(#[n(0)] pub u16);

impl WorkKind {
    /// Running a model.
    pub const INFERENCE: Self = Self(0);
    /// Turning text into vectors.
    pub const EMBEDDINGS: Self = Self(1);
    /// LoRA fine-tuning.
    pub const FINE_TUNING: Self = Self(2);
    /// Scoring a model.
    pub const EVALUATION: Self = Self(3);
    /// Doing another's work again.
    pub const AUDIT: Self = Self(4);
}

/// What a grant is limited to; `None` is "without limit".
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Caveats {
    /// Tokens this member may ask for, in all.
    #[n(0)]
    pub budget_tokens: Option<u64>,
    /// Kinds of work this member may ask for or do.
    #[n(1)]
    pub kinds: Option<BTreeSet<WorkKind>>,
    /// Requests per hour.
    #[n(2)]
    pub requests_per_hour: Option<u32>,
    /// How many grants may follow below this one; 0: may grant nothing.
    #[n(3)]
    pub subgrants: u8,
}

impl Caveats {
    /// No limit at all.
    pub const NONE: Self = Self {
        budget_tokens: None,
        kinds: None,
        requests_per_hour: None,
        subgrants: MAX_SUBGRANTS,
    };

    /// Whether a holder of `above` may pass these on: nowhere wider, and one grant further down.
    pub fn follow(&self, above: &Self) -> bool {
        let kinds = match (&self.kinds, &above.kinds) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => ours.is_subset(theirs),
        };
        kinds
            && within(self.budget_tokens, above.budget_tokens)
            && within(self.requests_per_hour, above.requests_per_hour)
            && self.subgrants < above.subgrants
    }
}

/// Whether a limit stays inside the one above it.
pub(crate) fn within<T: PartialOrd>(ours: Option<T>, above: Option<T>) -> bool {
    match (ours, above) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(ours), Some(above)) => ours <= above,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caveats_only_get_tighter() {
        let kinds = |kinds: &[WorkKind]| Some(kinds.iter().copied().collect::<BTreeSet<_>>());
        let above = Caveats {
            budget_tokens: Some(100),
            kinds: kinds(&[WorkKind::INFERENCE, WorkKind::EMBEDDINGS]),
            requests_per_hour: Some(10),
            subgrants: 2,
        };
        let same = Caveats {
            subgrants: 1,
            ..above.clone()
        };
        let check =
            |caveats: Caveats, expect: bool| assert_eq!(caveats.follow(&above), expect, "{caveats:?}");
        check(same.clone(), true);
        check(
            Caveats {
                budget_tokens: Some(0),
                requests_per_hour: Some(9),
                ..same.clone()
            },
            true,
        );
        check(
            Caveats {
                kinds: kinds(&[]),
                ..same.clone()
            },
            true,
        );
        check(
            Caveats {
                budget_tokens: Some(101),
                ..same.clone()
            },
            false,
        );
        check(
            Caveats {
                budget_tokens: None,
                ..same.clone()
            },
            false,
        );
        check(
            Caveats {
                requests_per_hour: None,
                ..same.clone()
            },
            false,
        );
        check(
            Caveats {
                kinds: None,
                ..same.clone()
            },
            false,
        );
        check(
            Caveats {
                kinds: kinds(&[WorkKind::FINE_TUNING]),
                ..same.clone()
            },
            false,
        );
        check(
            Caveats {
                subgrants: 2,
                ..same.clone()
            },
            false,
        );
        check(Caveats::NONE, false);
        assert!(same.follow(&Caveats::NONE));
        assert!(!Caveats { subgrants: 0, ..same }.follow(&Caveats {
            subgrants: 0,
            ..Caveats::NONE
        }));
    }
}
