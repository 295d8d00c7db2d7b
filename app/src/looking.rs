//! When the shelf is looked at: one look at a time, so that no older answer comes behind a newer one; again where one
//! failed. Asks nothing and has no clock: `shelf` does.

/// Pauses before a look that failed is repeated. A worker that could not be loaded may be a moment later; one that never
/// can be is not fetched for ever.
const PAUSES_MS: [i32; 5] = [250, 500, 1_000, 2_000, 4_000];

/// Where looking has got to.
#[derive(Debug, Default)]
pub struct Looking {
    under_way: bool,
    /// Something may have changed since the look under way began.
    again: bool,
    failures: usize,
}

/// What follows a look.
#[derive(Debug, PartialEq)]
pub enum Next {
    Rest,
    Look,
    LookAfter { ms: i32 },
}

impl Looking {
    /// Somebody wants to know. Whether that begins a look; else one more follows the look under way.
    pub fn want(&mut self) -> bool {
        self.again = self.under_way;
        !std::mem::replace(&mut self.under_way, true)
    }

    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Whether the answer of the look under way may be out of date already.
    pub fn is_behind(&self) -> bool {
        self.again
    }

    pub fn ended(&mut self, well: bool) -> Next {
        let again = std::mem::take(&mut self.again);
        if well || again {
            self.failures = 0;
        }
        match PAUSES_MS.get(self.failures) {
            _ if well && again => Next::Look,
            Some(&ms) if !well => {
                self.failures += 1;
                Next::LookAfter { ms }
            }
            _ => {
                *self = Self::default();
                Next::Rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_at_a_time_and_one_more_for_all_who_came_meanwhile() {
        let mut looking = Looking::default();
        assert!(looking.want());
        assert!(!looking.is_behind());
        assert!(!looking.want());
        assert!(!looking.want());
        assert!(looking.is_behind());
        assert_eq!(looking.ended(true), Next::Look);
        assert!(!looking.is_behind());
        assert_eq!(looking.ended(true), Next::Rest);
        assert!(looking.want(), "it rests");
    }

    #[test]
    fn a_look_that_failed_is_repeated_ever_later_and_not_for_ever() {
        let mut looking = Looking::default();
        assert!(looking.want());
        let mut before = 0;
        for _ in PAUSES_MS {
            let Next::LookAfter { ms } = looking.ended(false) else {
                panic!("it is not repeated");
            };
            assert!(ms > before);
            assert!(looking.is_under_way());
            before = ms;
        }
        assert_eq!(looking.ended(false), Next::Rest);
        assert!(looking.want(), "whoever asks later is not refused");
        assert_eq!(looking.ended(false), Next::LookAfter { ms: PAUSES_MS[0] });
    }

    #[test]
    fn whoever_comes_while_it_fails_gets_all_its_patience() {
        let mut looking = Looking::default();
        assert!(looking.want());
        for _ in PAUSES_MS {
            looking.ended(false);
        }
        assert!(!looking.want());
        assert_eq!(looking.ended(false), Next::LookAfter { ms: PAUSES_MS[0] });
        assert_eq!(looking.ended(true), Next::Rest);
    }
}
