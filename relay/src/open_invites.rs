//! Invites without a role that any page may show: worth no more than the address alone.
//! Nothing is kept for them. The secret of a day is a hash of the day under a key of this folder, so that there are two
//! valid ones at any time however often somebody asks.

use ring::hmac;

use crate::{
    invites::{InviteError, Secret},
    store::{Store, StoreError, random},
};

const KEY_FILE: &str = "open-invites.key";
const CONTEXT: &[u8] = b"manyhands-open-invite-1";
const DAY_S: u64 = 24 * 3600;
/// An invite of a day is good on that day and the next: whoever scans it at midnight still has a day.
const VALID_DAYS: u64 = 2;
/// For so long somebody with an old one is told that it has ended, rather than that nobody knows it.
const REMEMBERED_DAYS: u64 = 32;

/// The open invites of one data folder.
pub struct OpenInvites {
    key: hmac::Key,
}

impl OpenInvites {
    /// Opens them; the key is made if there is none.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(store: &Store) -> Result<OpenInvites, StoreError> {
        let key = store.read_or_create::<StoreError>(KEY_FILE, || Ok(random::<32>()?.to_vec()))?;
        Ok(OpenInvites {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
        })
    }

    /// Today's secret, and when it ends.
    pub fn current(&self, now_unix_s: u64) -> (Secret, u64) {
        let day = now_unix_s / DAY_S;
        (self.of(day), end(day))
    }

    /// When the open invite with this secret ends; nothing for a secret that is none of ours.
    ///
    /// # Errors
    /// When it has ended.
    pub fn find(&self, secret: &Secret, now_unix_s: u64) -> Result<Option<u64>, InviteError> {
        let today = now_unix_s / DAY_S;
        // Anybody may have these for the asking, so the time that comparing takes tells nothing.
        let day = (today.saturating_sub(REMEMBERED_DAYS)..=today)
            .rev()
            .find(|day| self.of(*day) == *secret);
        match day {
            Some(day) if end(day) <= now_unix_s => Err(InviteError::Expired),
            day => Ok(day.map(end)),
        }
    }

    fn of(&self, day: u64) -> Secret {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(CONTEXT);
        context.update(&day.to_be_bytes());
        let tag = context.sign();
        let mut secret = [0; 16];
        for (byte, of_tag) in secret.iter_mut().zip(tag.as_ref()) {
            *byte = *of_tag;
        }
        Secret::from_bytes(secret)
    }
}

fn end(day: u64) -> u64 {
    day.saturating_add(VALID_DAYS).saturating_mul(DAY_S)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_days_invite_ends_after_the_next_day_and_another_folders_is_unknown() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(dir.path()).unwrap();
        let ours = OpenInvites::open(&store).unwrap();
        let (secret, ends) = ours.current(NOW);
        assert!((NOW + DAY_S..=NOW + 2 * DAY_S).contains(&ends));
        assert_eq!(ours.find(&secret, NOW).unwrap(), Some(ends));
        assert_eq!(ours.find(&secret, ends - 1).unwrap(), Some(ends));
        assert!(matches!(ours.find(&secret, ends), Err(InviteError::Expired)));
        assert_eq!(ours.find(&secret, ends + 40 * DAY_S).unwrap(), None);
        assert_eq!(ours.find(&secret, NOW - DAY_S).unwrap(), None, "not begun");
        let theirs = OpenInvites::open(&Store::open(other.path()).unwrap()).unwrap();
        assert_eq!(theirs.find(&secret, NOW).unwrap(), None);
        let again = OpenInvites::open(&store).unwrap();
        assert_eq!(again.find(&secret, NOW).unwrap(), Some(ends));
    }

    #[test]
    fn however_often_somebody_asks_there_is_one_a_day_and_nothing_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let invites = OpenInvites::open(&Store::open(dir.path()).unwrap()).unwrap();
        let files = || std::fs::read_dir(dir.path()).unwrap().count();
        let before = files();
        let (first, _) = invites.current(NOW);
        for _ in 0..10_000 {
            assert!(invites.current(NOW).0 == first);
        }
        assert_eq!(files(), before);
        assert!(invites.current(NOW + DAY_S).0 != first);
    }
}
