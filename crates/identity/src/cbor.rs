//! The deterministic subset of CBOR (RFC 8949 §4.2.1) that signed bytes must be written in: the check on receipt.
//! It does not decode: that is minicbor's job, once these bytes are known to have one spelling only.
//!
//! The attack: two byte strings that decode to one value have two hashes. Whoever may choose the spelling passes
//! a replay table with an old record, or shows different previous-hashes to different peers.
//! Floats are refused as well (1.0 has three spellings, NaN millions): figures in signed records are integers with
//! their unit in the name.

use crate::IdentityError;

/// How deep arrays, maps and tags may nest. Our deepest record has six levels; a stack overflow needs thousands.
pub const MAX_DEPTH: usize = 16;

/// Checks that `bytes` hold exactly one CBOR item in its deterministic spelling.
///
/// Shortest heads, definite lengths, map keys sorted bytewise and unique, valid UTF-8, no floats, no undefined,
/// nesting up to [`MAX_DEPTH`]. Allocates nothing.
pub fn check_deterministic(bytes: &[u8]) -> Result<(), IdentityError> {
    let mut walk = Walk { bytes, at: 0 };
    walk.item(0)?;
    if walk.at != bytes.len() {
        return Err(walk.refuse("bytes after the end"));
    }
    Ok(())
}

struct Walk<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Walk<'b> {
    fn refuse(&self, reason: &'static str) -> IdentityError {
        IdentityError::NotDeterministic {
            offset: self.at,
            reason,
        }
    }

    fn take(&mut self, n: u64) -> Result<&'b [u8], IdentityError> {
        let left = &self.bytes[self.at..];
        match usize::try_from(n).ok().and_then(|n| left.get(..n)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => Err(self.refuse("cut short")),
        }
    }

    /// The head of an item: major type and argument, in the shortest form.
    fn head(&mut self) -> Result<(u8, u64), IdentityError> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let (argument, least) = match info {
            0..=23 => (u64::from(info), 0),
            24 => (be(self.take(1)?), 24),
            25 => (be(self.take(2)?), 1 << 8),
            26 => (be(self.take(4)?), 1 << 16),
            27 => (be(self.take(8)?), 1 << 32),
            31 => return Err(self.refuse("indefinite length")),
            _ => return Err(self.refuse("reserved head")),
        };
        // In major type 7 the argument is no number: what may stand there is checked by the caller.
        if major != 7 && argument < least {
            return Err(self.refuse("head longer than needed"));
        }
        if major == 7 && info > 23 {
            return Err(self.refuse("float or simple value"));
        }
        Ok((major, argument))
    }

    fn item(&mut self, depth: usize) -> Result<(), IdentityError> {
        if depth >= MAX_DEPTH {
            return Err(self.refuse("nested too deep"));
        }
        match self.head()? {
            (0 | 1, _) => Ok(()),
            (2, n) => self.take(n).map(|_| ()),
            (3, n) => match core::str::from_utf8(self.take(n)?) {
                Ok(_) => Ok(()),
                Err(_) => Err(self.refuse("text is not UTF-8")),
            },
            // A count is never trusted: each item consumes at least one byte, so the loop ends with the input.
            (4, n) => (0..n).try_for_each(|_| self.item(depth + 1)),
            (5, n) => self.map(n, depth),
            (6, _) => self.item(depth + 1),
            (_, 20..=22) => Ok(()),
            _ => Err(self.refuse("simple value other than false, true and null")),
        }
    }

    fn map(&mut self, n: u64, depth: usize) -> Result<(), IdentityError> {
        let mut last: Option<&'b [u8]> = None;
        for _ in 0..n {
            let start = self.at;
            self.item(depth + 1)?;
            let key = &self.bytes[start..self.at];
            if last.is_some_and(|last| last >= key) {
                return Err(self.refuse("map keys out of order or twice"));
            }
            last = Some(key);
            self.item(depth + 1)?;
        }
        Ok(())
    }
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(hex: &str, expect: Result<(), &str>) {
        let got = check_deterministic(&hex::decode(hex).unwrap());
        let got = got.map_err(|e| match e {
            IdentityError::NotDeterministic { reason, .. } => reason,
            other => panic!("{other}"),
        });
        assert_eq!(got, expect, "{hex}");
    }

    #[test]
    fn every_value_has_one_spelling() {
        for good in [
            "00",
            "17",
            "1818",
            "190100",
            "1a00010000",
            "1b0000000100000000",
            "20",
            "40",
            "6161",
            "80",
        ] {
            check(good, Ok(()));
        }
        for good in [
            "a0",
            "a201020304",
            "d28440a0f640",
            "f4",
            "f5",
            "f6",
            "a2018002a0",
            "a20a002000",
        ] {
            check(good, Ok(()));
        }
        for long in [
            "1817",
            "1900ff",
            "1a0000ffff",
            "1b00000000ffffffff",
            "5801ff",
            "9801f6",
            "b8010102",
            "d81200",
        ] {
            check(long, Err("head longer than needed"));
        }
        for endless in ["5f40ff", "7f60ff", "9fff", "bfff"] {
            check(endless, Err("indefinite length"));
        }
        for reserved in ["1c", "1d", "1e", "fc"] {
            check(reserved, Err("reserved head"));
        }
        for float in ["f93c00", "fa3f800000", "fb3ff0000000000000", "f820"] {
            check(float, Err("float or simple value"));
        }
        for simple in ["f7", "e0"] {
            check(simple, Err("simple value other than false, true and null"));
        }
        for map in ["a203040102", "a201020102", "a220000a00"] {
            check(map, Err("map keys out of order or twice"));
        }
        check("61ff", Err("text is not UTF-8"));
        check("0000", Err("bytes after the end"));
    }

    #[test]
    fn a_count_that_is_not_there_is_cut_short_at_once() {
        for short in [
            "",
            "18",
            "41",
            "9b7fffffffffffffff",
            "bb7fffffffffffffff",
            "5b7fffffffffffffff",
            "d2",
        ] {
            check(short, Err("cut short"));
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |levels: usize| "81".repeat(levels - 1) + "80";
        check(&nested(MAX_DEPTH), Ok(()));
        check(&nested(MAX_DEPTH + 1), Err("nested too deep"));
        check(&("81".repeat(100_000)), Err("nested too deep"));
    }
}
