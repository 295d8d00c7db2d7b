//! Points in time as peers exchange them, and the clamps that keep a hostile one harmless.
//! It does not know what time it is: `now` is always a parameter.

use core::{fmt, time::Duration};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::IdentityError;

/// Longest duration believed from the wire. Adding an unclamped one to a clock panicked two gossip
/// implementations (CVE-2026-33040, CVE-2026-34219).
pub const MAX_WIRE_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// How far a peer's clock may run ahead of ours before what it signs is "not yet valid". Phones drift by minutes.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// A duration from the wire in ms, at most [`MAX_WIRE_DURATION`].
pub fn clamp_wire_ms(ms: u64) -> Duration {
    Duration::from_millis(ms).min(MAX_WIRE_DURATION)
}

/// Milliseconds since 1970-01-01 UTC, at most 2⁵³ − 1 so that a JavaScript number holds it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest point in time there is.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The point `ms` after 1970, or [`Timestamp::MAX`].
    pub const fn from_ms(ms: u64) -> Self {
        if ms < Self::MAX.0 { Self(ms) } else { Self::MAX }
    }

    /// The point `seconds` after 1970, or [`Timestamp::MAX`].
    pub const fn from_seconds(seconds: u64) -> Self {
        Self::from_ms(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// `after` later, or [`Timestamp::MAX`].
    pub fn plus(self, after: Duration) -> Self {
        Self::from_ms(self.0.saturating_add(millis(after)))
    }

    /// `before` earlier, or 1970.
    pub fn minus(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(millis(before)))
    }

    /// Time since `earlier`; zero where that lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl<C> Encode<C> for Timestamp {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Timestamp {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let ms = d.u64()?;
        if ms > Self::MAX.0 {
            return Err(minicbor::decode::Error::message("timestamp above 2^53 - 1 ms"));
        }
        Ok(Self(ms))
    }
}

/// A half-open span of time: valid at `from`, no longer valid at `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Validity {
    #[n(0)]
    pub from: Timestamp,
    #[n(1)]
    pub until: Timestamp,
}

impl Validity {
    /// From `from` for as long as `lifetime`.
    pub fn starting(from: Timestamp, lifetime: Duration) -> Self {
        Self {
            from,
            until: from.plus(lifetime),
        }
    }

    /// Checks that `now` lies inside, with [`MAX_CLOCK_SKEW`] of patience for a peer whose clock is ahead, and that
    /// the whole span is at most `longest`: a stolen short-lived key must not carry a long-lived paper.
    pub fn check(&self, now: Timestamp, longest: Duration) -> Result<(), IdentityError> {
        let (got_ms, max_ms) = (self.until.0.saturating_sub(self.from.0), millis(longest));
        if got_ms == 0 || got_ms > max_ms {
            return Err(IdentityError::BadLifetime { got_ms, max_ms });
        }
        if now.plus(MAX_CLOCK_SKEW) < self.from {
            return Err(IdentityError::NotYetValid { from: self.from, now });
        }
        if now >= self.until {
            return Err(IdentityError::Expired {
                until: self.until,
                now,
            });
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::from_ms(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_seconds(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_ms(5).minus(Duration::MAX), Timestamp::from_ms(0));
        assert_eq!(Timestamp::from_ms(5).since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(clamp_wire_ms(u64::MAX), MAX_WIRE_DURATION);
        assert_eq!(clamp_wire_ms(7), Duration::from_millis(7));
    }

    #[test]
    fn a_timestamp_that_javascript_cannot_hold_is_refused() {
        let decode = |ms: u64| minicbor::decode::<Timestamp>(&minicbor::to_vec(ms).unwrap());
        assert_eq!(decode((1 << 53) - 1).unwrap(), Timestamp::MAX);
        assert!(decode(1 << 53).is_err());
        assert!(decode(u64::MAX).is_err());
    }

    #[test]
    fn a_validity_holds_from_its_start_until_just_before_its_end() {
        let hour = Duration::from_secs(3600);
        let from = Timestamp::from_seconds(1_000_000);
        let span = Validity::starting(from, hour);
        let check = |now: Timestamp, ok: bool| assert_eq!(span.check(now, hour).is_ok(), ok, "{now}");
        check(from, true);
        check(from.minus(MAX_CLOCK_SKEW), true);
        check(from.minus(MAX_CLOCK_SKEW).minus(Duration::from_millis(1)), false);
        check(from.plus(hour).minus(Duration::from_millis(1)), true);
        check(from.plus(hour), false);
        check(Timestamp::MAX, false);
    }

    #[test]
    fn an_empty_reversed_or_overlong_validity_is_refused() {
        let now = Timestamp::from_seconds(100);
        for (from, until) in [(100, 100), (200, 100), (100, 161)] {
            let span = Validity {
                from: Timestamp::from_seconds(from),
                until: Timestamp::from_seconds(until),
            };
            let got = span.check(now, Duration::from_secs(60));
            assert!(
                matches!(got, Err(IdentityError::BadLifetime { .. })),
                "{from}..{until}: {got:?}"
            );
        }
    }
}
