//! Sites that embed us: where each may, by its key's signed word, and sums of what its visitors gave.
//! It believes no page: a tab's report is bounded and counted, never taken for a receipt.

use std::{
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::{IdentityError, MAX_CLOCK_SKEW, PublicKey, Signed, Timestamp};
use registry::{BadOrigins, SiteCounts, SiteOrigins};
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError};

const FOLDER: &str = "sites";
/// Before the key in `data-site`.
const PREFIX: &str = "k_";

/// What one tab may report at once; more than a strong machine gives between two reports.
const MAX_JOBS: u64 = 1_000;
const MAX_TOKENS: u64 = 100_000;
const MAX_BYTES: u64 = 1_000_000_000;

/// The sites of one data folder.
pub struct Sites {
    store: Store,
    max_sites: u64,
    /// Two statements, or two reports, of one site must not overtake each other.
    writing: Mutex<()>,
}

/// The key of a site, as it stands in `data-site`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteKey(PublicKey);

/// What a tab gave since it last reported.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gave {
    visits: u64,
    jobs: u64,
    tokens: u64,
    bytes: u64,
}

/// The sums of a site.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Sums {
    from_ms: u64,
    visits: u64,
    jobs: u64,
    tokens: u64,
    bytes: u64,
}

/// A site's word or a report that is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sites in the data folder cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("{0:?} is no site key: k_ and 46 letters of base64url")]
    Key(String),
    #[error("the statement is not sound: {0}")]
    Statement(#[from] IdentityError),
    #[error(transparent)]
    Origins(#[from] BadOrigins),
    #[error("statement {got} does not follow {kept}")]
    Old { got: u64, kept: u64 },
    #[error("the statement is dated {0}, in the future")]
    FromTheFuture(Timestamp),
    #[error("{0} sites are kept already, at most max_sites may be")]
    TooMany(u64),
    #[error("no such site: its key has published nothing here")]
    Unknown,
    #[error("a report of more than one visit, {MAX_JOBS} jobs, {MAX_TOKENS} tokens or {MAX_BYTES} bytes")]
    Report,
}

impl Sites {
    /// The sites of this data folder, at most `max_sites`.
    pub fn new(store: &Store, max_sites: u64) -> Sites {
        Sites {
            store: store.clone(),
            max_sites,
            writing: Mutex::new(()),
        }
    }

    /// Takes a site's statement in.
    ///
    /// # Errors
    /// When it is not sound, older than what is kept, or one site too many.
    pub fn publish(&self, statement: &[u8], now: Timestamp) -> Result<SiteKey, SiteError> {
        let verified = Signed::<SiteOrigins>::from_bytes(statement)?.verify()?;
        verified.check()?;
        if verified.issued_at > now.plus(MAX_CLOCK_SKEW) {
            return Err(SiteError::FromTheFuture(verified.issued_at));
        }
        let key = SiteKey(verified.signer());
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.statement(&key)? {
            Some((kept, _)) if kept.sequence >= verified.sequence => {
                return Err(SiteError::Old {
                    got: verified.sequence,
                    kept: kept.sequence,
                });
            }
            Some(_) => {}
            None => {
                let kept = self.count()?;
                if kept >= self.max_sites {
                    return Err(SiteError::TooMany(kept));
                }
            }
        }
        self.store.write(key.file("cose"), statement)?;
        Ok(key)
    }

    /// A site's newest statement, and its bytes for whoever wants to check them.
    ///
    /// # Errors
    /// When the disk says no. A damaged file is no statement.
    pub fn statement(&self, key: &SiteKey) -> Result<Option<(SiteOrigins, Vec<u8>)>, SiteError> {
        let Some(bytes) = self.store.read(key.file("cose"))? else {
            return Ok(None);
        };
        let verified = Signed::<SiteOrigins>::from_bytes(&bytes).and_then(|signed| signed.verify());
        Ok(verified
            .ok()
            .filter(|verified| verified.signer() == key.0 && verified.check().is_ok())
            .map(|verified| (verified.into_value(), bytes)))
    }

    /// Adds what a visitor's tab gave.
    ///
    /// # Errors
    /// When the site is not known or the report is larger than a tab's can be.
    pub fn add(&self, key: &SiteKey, gave: Gave, now: Timestamp) -> Result<(), SiteError> {
        if gave.visits > 1 || gave.jobs > MAX_JOBS || gave.tokens > MAX_TOKENS || gave.bytes > MAX_BYTES {
            return Err(SiteError::Report);
        }
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.statement(key)?.is_none() {
            return Err(SiteError::Unknown);
        }
        let mut sums = self.sums(key)?.unwrap_or(Sums {
            from_ms: now.as_ms(),
            visits: 0,
            jobs: 0,
            tokens: 0,
            bytes: 0,
        });
        sums.visits = sums.visits.saturating_add(gave.visits);
        sums.jobs = sums.jobs.saturating_add(gave.jobs);
        sums.tokens = sums.tokens.saturating_add(gave.tokens);
        sums.bytes = sums.bytes.saturating_add(gave.bytes);
        let bytes = serde_json::to_vec(&sums).map_err(|error| SiteError::Read(error.into()))?;
        Ok(self.store.write(key.file("json"), &bytes)?)
    }

    /// The sums of a site up to now, for the relay to sign.
    ///
    /// # Errors
    /// When the site is not known or the disk says no.
    pub fn counts(&self, key: &SiteKey, now: Timestamp) -> Result<SiteCounts, SiteError> {
        if self.statement(key)?.is_none() {
            return Err(SiteError::Unknown);
        }
        let sums = self.sums(key)?;
        Ok(SiteCounts {
            site: key.0,
            from: sums.map_or(now, |sums| Timestamp::from_ms(sums.from_ms)),
            until: now,
            visits: sums.map_or(0, |sums| sums.visits),
            jobs: sums.map_or(0, |sums| sums.jobs),
            tokens: sums.map_or(0, |sums| sums.tokens),
            bytes: sums.map_or(0, |sums| sums.bytes),
        })
    }

    fn sums(&self, key: &SiteKey) -> Result<Option<Sums>, SiteError> {
        let bytes = self.store.read(key.file("json"))?;
        // A damaged file begins anew: it holds nothing but figures.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn count(&self) -> Result<u64, SiteError> {
        let mut count = 0;
        for entry in fs::read_dir(self.store.subfolder(FOLDER)?)? {
            count += u64::from(entry?.path().extension().is_some_and(|end| end == "cose"));
        }
        Ok(count)
    }
}

impl SiteKey {
    fn file(&self, ending: &str) -> PathBuf {
        PathBuf::from(FOLDER).join(format!("{}.{ending}", self.0.node_id()))
    }
}

impl std::fmt::Display for SiteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0.to_bytes()))
    }
}

impl std::str::FromStr for SiteKey {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self, SiteError> {
        let refuse = || SiteError::Key(text.chars().take(64).collect());
        let encoded = text.strip_prefix(PREFIX).ok_or_else(refuse)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| refuse())?;
        PublicKey::from_bytes(&bytes).map(SiteKey).map_err(|_| refuse())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use identity::{LocalKey, SigningKey as _};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn statement(key: u8, sequence: u64, origins: &[&str]) -> Vec<u8> {
        let key = LocalKey::es256(&[key; 32]).unwrap();
        let record = SiteOrigins {
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            sequence,
            issued_at: NOW,
        };
        Signed::sign(&record, &key).unwrap().to_bytes()
    }

    fn fresh(max_sites: u64) -> (tempfile::TempDir, Sites) {
        let dir = tempfile::tempdir().unwrap();
        let sites = Sites::new(&Store::open(dir.path()).unwrap(), max_sites);
        (dir, sites)
    }

    #[test]
    fn the_latest_statement_of_a_key_counts_and_an_older_one_does_not_come_back() {
        let (_dir, sites) = fresh(9);
        let first = statement(1, 1, &["https://a.example"]);
        let key = sites.publish(&first, NOW).unwrap();
        sites
            .publish(&statement(1, 2, &["https://b.example"]), NOW)
            .unwrap();
        assert!(matches!(
            sites.publish(&first, NOW),
            Err(SiteError::Old { got: 1, kept: 2 })
        ));
        let (kept, _) = sites.statement(&key).unwrap().unwrap();
        assert_eq!(kept.origins, ["https://b.example"]);
        assert_eq!(key.to_string().parse::<SiteKey>().unwrap(), key);
    }

    #[test]
    fn what_is_unsound_forged_or_one_too_many_is_refused() {
        let (_dir, sites) = fresh(1);
        let mut forged = statement(1, 1, &["https://a.example"]);
        *forged.last_mut().unwrap() ^= 1;
        assert!(matches!(
            sites.publish(&forged, NOW),
            Err(SiteError::Statement(_))
        ));
        assert!(matches!(
            sites.publish(&statement(1, 1, &["https://a.example; script-src *"]), NOW),
            Err(SiteError::Origins(_))
        ));
        let early = NOW.minus(MAX_CLOCK_SKEW * 2);
        assert!(matches!(
            sites.publish(&statement(1, 1, &[]), early),
            Err(SiteError::FromTheFuture(_))
        ));
        sites
            .publish(&statement(1, 1, &["https://a.example"]), NOW)
            .unwrap();
        assert!(matches!(
            sites.publish(&statement(2, 1, &[]), NOW),
            Err(SiteError::TooMany(1))
        ));
        sites.publish(&statement(1, 2, &[]), NOW).unwrap();
        for text in ["", "k_", "k_AAAA", "AQ", "k_!", "../../etc"] {
            assert!(text.parse::<SiteKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn reports_add_up_for_known_sites_and_no_report_is_larger_than_a_tab() {
        let (_dir, sites) = fresh(9);
        let stranger = SiteKey(LocalKey::es256(&[7; 32]).unwrap().public_key());
        let gave = Gave {
            visits: 1,
            jobs: 2,
            tokens: 30,
            bytes: 400,
        };
        assert!(matches!(sites.add(&stranger, gave, NOW), Err(SiteError::Unknown)));
        let key = sites
            .publish(&statement(1, 1, &["https://a.example"]), NOW)
            .unwrap();
        let before = sites.counts(&key, NOW).unwrap();
        assert_eq!((before.visits, before.tokens), (0, 0));
        sites.add(&key, gave, NOW).unwrap();
        sites.add(&key, Gave { visits: 0, ..gave }, NOW).unwrap();
        let counts = sites.counts(&key, NOW).unwrap();
        assert_eq!(
            (counts.visits, counts.jobs, counts.tokens, counts.bytes),
            (1, 4, 60, 800)
        );
        for too_much in [
            Gave { visits: 2, ..gave },
            Gave {
                jobs: MAX_JOBS + 1,
                ..gave
            },
            Gave {
                tokens: MAX_TOKENS + 1,
                ..gave
            },
            Gave {
                bytes: MAX_BYTES + 1,
                ..gave
            },
        ] {
            assert!(matches!(sites.add(&key, too_much, NOW), Err(SiteError::Report)));
        }
    }
}
