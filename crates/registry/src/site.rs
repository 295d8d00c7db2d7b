//! What a site's key says: which pages may hold its embed; and what a relay says was given on them.
//! It does not count and does not serve: a relay does both.

use identity::{PublicKey, Record, Timestamp};
use minicbor::{Decode, Encode};

/// Most origins of one site: a header has to name them all.
pub const MAX_ORIGINS: usize = 32;
/// Longest origin: a host name has at most 253 letters.
pub const MAX_ORIGIN_BYTES: usize = 272;

/// "The embed of this key may stand on these pages." Signed by the site's key; a later number replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SiteOrigins {
    /// `https://host` or `http://localhost:8000`, as browsers write them; none takes the site back.
    #[n(0)]
    pub origins: Vec<String>,
    /// Counts the statements of this key: an old one cannot come back.
    #[n(1)]
    pub sequence: u64,
    #[n(2)]
    pub issued_at: Timestamp,
}

impl Record for SiteOrigins {
    const CONTEXT: &'static str = "site-origins/1";
    const MAX_BYTES: usize = 12 * 1024;
}

/// "So much was given by visitors of this site": sums of what tabs reported, signed by the relay that counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SiteCounts {
    #[n(0)]
    pub site: PublicKey,
    #[n(1)]
    pub from: Timestamp,
    #[n(2)]
    pub until: Timestamp,
    /// Times that somebody lent a hand.
    #[n(3)]
    pub visits: u64,
    #[n(4)]
    pub jobs: u64,
    #[n(5)]
    pub tokens: u64,
    #[n(6)]
    pub bytes: u64,
}

impl Record for SiteCounts {
    const CONTEXT: &'static str = "site-counts/1";
    const MAX_BYTES: usize = 256;
}

/// Why a list of origins is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigins {
    #[error("{0} origins, at most {MAX_ORIGINS} are kept")]
    TooMany(usize),
    #[error("{0:?} is no origin: https://example.org, without a path, is one")]
    NoOrigin(String),
    #[error("{0:?} is not secure: https, or http on this computer alone")]
    NotSecure(String),
    #[error("{0:?} appears twice")]
    Twice(String),
}

impl SiteOrigins {
    /// Checks every origin. They go into a header, so each must be exactly an origin and nothing else.
    pub fn check(&self) -> Result<(), BadOrigins> {
        if self.origins.len() > MAX_ORIGINS {
            return Err(BadOrigins::TooMany(self.origins.len()));
        }
        for (at, origin) in self.origins.iter().enumerate() {
            check_origin(origin)?;
            if self.origins[..at].contains(origin) {
                return Err(BadOrigins::Twice(origin.clone()));
            }
        }
        Ok(())
    }
}

fn check_origin(origin: &str) -> Result<(), BadOrigins> {
    let shown = || origin.chars().take(80).collect::<String>();
    let bad = || BadOrigins::NoOrigin(shown());
    if origin.len() > MAX_ORIGIN_BYTES {
        return Err(bad());
    }
    let (scheme, rest) = origin.split_once("://").ok_or_else(bad)?;
    let (host, port) = match rest.rsplit_once(':') {
        // The colons of an IPv6 address stand inside brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let letters = |text: &str, also: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
    };
    let host_ok = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.contains(':') && letters(inner, b":"),
        None => letters(host, b"-.") && !host.starts_with(['.', '-']) && !host.contains(".."),
    };
    let port_ok = port.is_none_or(|port| {
        port.parse::<u16>()
            .is_ok_and(|number| number > 0 && number.to_string() == port)
    });
    if !host_ok || !port_ok {
        return Err(bad());
    }
    match scheme {
        "https" => Ok(()),
        "http" if matches!(host, "localhost" | "127.0.0.1" | "[::1]") => Ok(()),
        "http" => Err(BadOrigins::NotSecure(shown())),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use identity::{LocalKey, Signed, SigningKey as _};

    fn check(origin: &str) -> Result<(), BadOrigins> {
        let origins = vec![origin.to_owned()];
        SiteOrigins {
            origins,
            sequence: 1,
            issued_at: Timestamp::from_ms(1),
        }
        .check()
    }

    #[test]
    fn only_exact_and_secure_origins_are_taken() {
        for good in [
            "https://example.org",
            "https://a-b.example.org:8443",
            "https://xn--bcher-kva.example",
            "http://localhost:8000",
            "http://127.0.0.1:3",
            "http://[::1]:3000",
            "https://[2001:db8::1]",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "https://",
            "example.org",
            "https://example.org/",
            "https://example.org/path",
            "https://Example.org",
            "https://example.org;script-src *",
            "https://example.org *",
            "https://example.org'",
            "https://*.example.org",
            "https://.example.org",
            "https://a..b",
            "https://example.org:0",
            "https://example.org:080",
            "https://example.org:99999",
            "https://user@example.org",
            "data://x",
            "https://[::1",
            "https://[]",
            "https://exämple.org",
        ] {
            assert!(matches!(check(bad), Err(BadOrigins::NoOrigin(_))), "{bad}");
        }
        assert!(matches!(
            check("http://example.org"),
            Err(BadOrigins::NotSecure(_))
        ));
        let long = format!("https://{}", "a".repeat(MAX_ORIGIN_BYTES));
        assert!(matches!(check(&long), Err(BadOrigins::NoOrigin(_))));
    }

    #[test]
    fn a_list_has_a_limit_and_names_each_origin_once() {
        let list = |origins: Vec<String>| SiteOrigins {
            origins,
            sequence: 1,
            issued_at: Timestamp::from_ms(1),
        };
        let many = |n: usize| (0..n).map(|i| format!("https://s{i}.example")).collect();
        assert_eq!(list(many(MAX_ORIGINS)).check(), Ok(()));
        assert_eq!(
            list(many(MAX_ORIGINS + 1)).check(),
            Err(BadOrigins::TooMany(MAX_ORIGINS + 1))
        );
        let twice = vec!["https://a.example".to_owned(); 2];
        assert!(matches!(list(twice).check(), Err(BadOrigins::Twice(_))));
        assert_eq!(list(Vec::new()).check(), Ok(()));
    }

    #[test]
    fn the_longest_list_fits_its_record() {
        let key = LocalKey::es256(&[3; 32]).unwrap();
        let origins = (0..MAX_ORIGINS)
            .map(|i| format!("https://{i:02}{}", "a".repeat(MAX_ORIGIN_BYTES - 10)))
            .collect();
        let record = SiteOrigins {
            origins,
            sequence: u64::MAX,
            issued_at: Timestamp::MAX,
        };
        assert_eq!(record.check(), Ok(()));
        let signed = Signed::sign(&record, &key).unwrap();
        let read = Signed::<SiteOrigins>::from_bytes(&signed.to_bytes()).unwrap();
        assert_eq!(read.verify().unwrap().into_value(), record);
        let counts = SiteCounts {
            site: key.public_key(),
            from: Timestamp::MAX,
            until: Timestamp::MAX,
            visits: u64::MAX,
            jobs: u64::MAX,
            tokens: u64::MAX,
            bytes: u64::MAX,
        };
        assert!(Signed::sign(&counts, &key).is_ok());
    }
}
