//! `Range: bytes=…` of one range, as RFC 9110 §14 reads it.
//! It does not answer several ranges at once: such a request gets the whole file, as the RFC
//! allows.

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// No usable range: answer 200 with everything.
    Everything,
    /// Answer 206 with these bytes.
    Part(Range<u64>),
    /// Beyond the end: answer 416.
    Beyond,
}

/// Reads `header` for a file of `size` bytes.
pub fn parse(header: Option<&str>, size: u64) -> Asked {
    let Some(set) = header.and_then(|value| value.trim().strip_prefix("bytes=")) else {
        return Asked::Everything;
    };
    if set.contains(',') {
        return Asked::Everything;
    }
    let Some((first, last)) = set.trim().split_once('-') else {
        return Asked::Everything;
    };
    match (number(first), number(last)) {
        // bytes=a- and bytes=a-b
        (Some(first), None) if last.is_empty() => part(first, size, size),
        (Some(first), Some(last)) if first <= last => part(first, last.saturating_add(1).min(size), size),
        // bytes=-n: the last n bytes
        (None, Some(suffix)) if first.is_empty() => {
            if suffix == 0 || size == 0 {
                Asked::Beyond
            } else {
                Asked::Part(size.saturating_sub(suffix)..size)
            }
        }
        _ => Asked::Everything,
    }
}

fn part(first: u64, end: u64, size: u64) -> Asked {
    if first < size {
        Asked::Part(first..end)
    } else {
        Asked::Beyond
    }
}

/// Digits only: `u64::from_str` would take a plus sign. A number too large for a file is the
/// largest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let check = |header: &str, expect: Asked| {
            assert_eq!(parse(Some(header), 1000), expect, "{header}");
        };
        check("bytes=0-0", Asked::Part(0..1));
        check("bytes=0-", Asked::Part(0..1000));
        check("bytes=999-", Asked::Part(999..1000));
        check("bytes=10-19", Asked::Part(10..20));
        check("bytes=990-5000", Asked::Part(990..1000));
        check("bytes=-5", Asked::Part(995..1000));
        check("bytes=-5000", Asked::Part(0..1000));
        check("bytes=0-18446744073709551615", Asked::Part(0..1000));
        check("bytes=0-99999999999999999999999", Asked::Part(0..1000));
        check("bytes=1000-", Asked::Beyond);
        check("bytes=99999999999999999999999-", Asked::Beyond);
        check("bytes=-0", Asked::Beyond);
        check("bytes=5-4", Asked::Everything);
        check("bytes=0-1,5-6", Asked::Everything);
        check("bytes=+1-2", Asked::Everything);
        check("bytes=a-b", Asked::Everything);
        check("bytes=-", Asked::Everything);
        check("items=0-1", Asked::Everything);
        check("", Asked::Everything);
        assert_eq!(parse(None, 1000), Asked::Everything);
        assert_eq!(parse(Some("bytes=0-"), 0), Asked::Beyond);
        assert_eq!(parse(Some("bytes=-1"), 0), Asked::Beyond);
    }
}
