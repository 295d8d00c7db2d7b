//! The certificates of `/webtransport`: browsers believe one by its hash only while it lives 14 days at most,
//! so that each has a successor, whose hash is told ahead of time.
//! It does not listen.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::store::{Store, StoreError};

const CERTIFICATES_FILE: &str = "webtransport.json";
/// How long one lives. Browsers refuse more than 14 days, and some clocks are off by hours.
const LIFE: Duration = Duration::from_secs(13 * 24 * 3600);
/// The successor takes over this long before the end, and is valid from then on.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// The certificate in use and the one that follows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Certificates {
    current: Certificate,
    next: Certificate,
}

/// One certificate of a P-256 key, which is what browsers ask of those that they know by hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    not_before_unix_s: u64,
    not_after_unix_s: u64,
    pub certificate_der: Vec<u8>,
    pub key_der: Vec<u8>,
}

/// No certificate can be made, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot make a WebTransport certificate: {0}")]
    Make(String),
}

impl Certificates {
    /// Those of this data folder as they should be at `now`; what was made or exchanged for that is kept.
    ///
    /// # Errors
    /// When they cannot be read, made or kept.
    pub fn open(store: &Store, now: SystemTime) -> Result<Certificates, CertificateError> {
        let kept = store
            .read(CERTIFICATES_FILE)?
            .and_then(|bytes| serde_json::from_slice::<Certificates>(&bytes).ok());
        // Damaged ones are no loss: nobody remembers an address that lives for days.
        let (certificates, changed) = match kept {
            Some(kept) => kept.at(now)?,
            None => (Certificates::starting(now)?, true),
        };
        if changed {
            let bytes = serde_json::to_vec(&certificates)
                .map_err(|error| CertificateError::Make(error.to_string()))?;
            store.write(CERTIFICATES_FILE, &bytes)?;
        }
        Ok(certificates)
    }

    /// The one to use.
    pub fn current(&self) -> &Certificate {
        &self.current
    }

    /// SHA-256 of both, the current first: whoever knows these can dial for two lives.
    pub fn hashes(&self) -> [[u8; 32]; 2] {
        [self.current.hash(), self.next.hash()]
    }

    fn starting(now: SystemTime) -> Result<Certificates, CertificateError> {
        // Begins in the past: the clocks of browsers differ from ours.
        let current = Certificate::make(now - OVERLAP)?;
        let next = Certificate::make(current.successor_begins())?;
        Ok(Certificates { current, next })
    }

    /// These at a later time, and whether they had to change for it.
    fn at(self, now: SystemTime) -> Result<(Certificates, bool), CertificateError> {
        if self.current.is_in_use(now) {
            return Ok((self, false));
        }
        if !self.next.is_in_use(now) {
            // Switched off for long, or a clock that was set: begin anew.
            return Ok((Certificates::starting(now)?, true));
        }
        let next = Certificate::make(self.next.successor_begins())?;
        Ok((
            Certificates {
                current: self.next,
                next,
            },
            true,
        ))
    }
}

impl Certificate {
    fn make(not_before: SystemTime) -> Result<Certificate, CertificateError> {
        let fail = |error: rcgen::Error| CertificateError::Make(error.to_string());
        let not_after = not_before + LIFE;
        // Browsers that know the hash ask for no name, but Chromium refuses a certificate without any extension.
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).map_err(fail)?;
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        let key = rcgen::KeyPair::generate().map_err(fail)?;
        let certificate = params.self_signed(&key).map_err(fail)?;
        Ok(Certificate {
            not_before_unix_s: unix_s(not_before),
            not_after_unix_s: unix_s(not_after),
            certificate_der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
        })
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate_der).into()
    }

    /// Whether it is valid and its successor's time has not come.
    fn is_in_use(&self, now: SystemTime) -> bool {
        self.not_before_unix_s <= unix_s(now) && now < self.successor_begins()
    }

    fn successor_begins(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.not_after_unix_s) - OVERLAP
    }
}

fn unix_s(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_browser_that_knows_both_hashes_can_dial_for_more_than_a_life() {
        let now = SystemTime::now();
        let first = Certificates::starting(now).unwrap();
        let mut at = first.clone();
        for day in 0..23 {
            let then = now + DAY * day;
            at = at.at(then).unwrap().0;
            assert!(first.hashes().contains(&at.current().hash()), "day {day}");
            assert!(
                at.current.not_before_unix_s <= unix_s(then) && unix_s(then) < at.current.not_after_unix_s
            );
        }
        let life = at.current.not_after_unix_s - at.current.not_before_unix_s;
        assert!(life < 14 * 24 * 3600, "browsers refuse {life} s");
    }

    #[test]
    fn the_same_are_found_again_and_after_a_long_pause_or_damage_new_ones() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let now = SystemTime::now();
        let first = Certificates::open(&store, now).unwrap().hashes();
        assert_eq!(Certificates::open(&store, now + DAY).unwrap().hashes(), first);
        let second = Certificates::open(&store, now + DAY * 12).unwrap().hashes();
        assert_eq!(second[0], first[1], "the successor follows");
        assert_eq!(
            Certificates::open(&store, now + DAY * 12).unwrap().hashes(),
            second,
            "it was kept"
        );
        let late = Certificates::open(&store, now + DAY * 400).unwrap().hashes();
        assert!(!second.contains(&late[0]));
        store.write(CERTIFICATES_FILE, b"x").unwrap();
        assert!(!late.contains(&Certificates::open(&store, now).unwrap().hashes()[0]));
    }
}
