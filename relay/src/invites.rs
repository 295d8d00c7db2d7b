//! Invites: a short secret in a link, exchanged for where and what the swarm is.
//! The relay keeps only the secret's hash, and the link's fragment never reaches a server log.

use std::{
    fs, io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::{Store, StoreError, random};

const INVITES: &str = "invites";
const SECRET_BYTES: usize = 16;
/// Long enough for a poster on a wall over a week-end, short enough to forget about.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest name of a role.
const MAX_ROLE_BYTES: usize = 32;

/// The secret of an invite, as the link carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET_BYTES]);

/// What the relay remembers of an invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Role that its maker wants the owner to grant.
    pub role: Option<String>,
    /// When it ends.
    pub expires_unix_s: u64,
}

/// An invite cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot read the invites: {0}")]
    Read(io::Error),
    #[error("`{0}` is not an invite's secret")]
    Secret(String),
    #[error("this invite does not exist or has ended")]
    Unknown,
    #[error("`{0}` is no role (1 to {MAX_ROLE_BYTES} letters)")]
    Role(String),
    #[error("{0} invites are valid already, at most max_invites may be")]
    TooMany(usize),
}

impl Secret {
    /// The link that a QR code holds.
    pub fn link(&self, url: &str) -> String {
        format!("{url}/join#v1.{self}")
    }

    fn file(&self) -> String {
        format!("{INVITES}/{}.json", hex::encode(Sha256::digest(self.0)))
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::str::FromStr for Secret {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let refuse = || InviteError::Secret(text.chars().take(32).collect());
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse())?;
        bytes.try_into().map(Secret).map_err(|_| refuse())
    }
}

/// Makes an invite that lives for a week.
///
/// # Errors
/// When the role is no name, too many invites are valid, or the disk says no.
pub fn make(store: &Store, role: Option<String>, max_invites: u64) -> Result<Secret, InviteError> {
    if let Some(role) = &role {
        let sound =
            (1..=MAX_ROLE_BYTES).contains(&role.len()) && role.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !sound {
            return Err(InviteError::Role(role.clone()));
        }
    }
    let valid = sweep(store, now_unix_s())?;
    if valid as u64 >= max_invites {
        return Err(InviteError::TooMany(valid));
    }
    let secret = Secret(random()?);
    let invite = Invite {
        role,
        expires_unix_s: now_unix_s() + LIFE.as_secs(),
    };
    let bytes = serde_json::to_vec(&invite).map_err(|error| InviteError::Read(error.into()))?;
    store.write(secret.file(), &bytes)?;
    Ok(secret)
}

/// The invite that belongs to `secret`.
///
/// # Errors
/// When there is none or it has ended.
pub fn find(store: &Store, secret: &Secret) -> Result<Invite, InviteError> {
    let bytes = store.read(secret.file())?.ok_or(InviteError::Unknown)?;
    let invite: Invite = serde_json::from_slice(&bytes).map_err(|_| InviteError::Unknown)?;
    if invite.expires_unix_s > now_unix_s() {
        Ok(invite)
    } else {
        Err(InviteError::Unknown)
    }
}

/// Removes what has ended and returns how many are left.
fn sweep(store: &Store, now_unix_s: u64) -> Result<usize, InviteError> {
    let mut valid = 0;
    for entry in fs::read_dir(store.subfolder(INVITES)?).map_err(InviteError::Read)? {
        let path = entry.map_err(InviteError::Read)?.path();
        let ended = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Invite>(&bytes).ok())
            .is_none_or(|invite| invite.expires_unix_s <= now_unix_s);
        if ended {
            let _ = fs::remove_file(&path);
        } else {
            valid += 1;
        }
    }
    Ok(valid)
}

fn now_unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_invite_is_found_by_its_secret_and_by_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let secret = make(&store, Some("Worker".to_owned()), 10).unwrap();
        let link = secret.link("https://relay.example");
        let (_, fragment) = link.split_once("/join#v1.").unwrap();
        assert_eq!(fragment.len(), 22);
        let again: Secret = fragment.parse().unwrap();
        assert_eq!(find(&store, &again).unwrap().role.as_deref(), Some("Worker"));
        let other = Secret([7; SECRET_BYTES]);
        assert!(matches!(find(&store, &other), Err(InviteError::Unknown)));
        for bad in ["", "x", "AAAA", "../../../../etc/passwd", &"A".repeat(23)] {
            assert!(bad.parse::<Secret>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_secret_itself_is_not_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let secret = make(&store, None, 10).unwrap();
        for entry in fs::read_dir(store.path(INVITES)).unwrap() {
            let path = entry.unwrap().path();
            let text = format!("{path:?} {}", fs::read_to_string(&path).unwrap());
            assert!(!text.contains(&secret.to_string()));
            assert!(!text.contains(&hex::encode(secret.0)));
        }
    }

    #[test]
    fn ended_invites_make_room_and_valid_ones_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let first = make(&store, None, 2).unwrap();
        make(&store, None, 2).unwrap();
        assert!(matches!(make(&store, None, 2), Err(InviteError::TooMany(2))));
        let ended = Invite {
            role: None,
            expires_unix_s: 1,
        };
        store
            .write(first.file(), &serde_json::to_vec(&ended).unwrap())
            .unwrap();
        assert!(matches!(find(&store, &first), Err(InviteError::Unknown)));
        assert!(make(&store, None, 2).is_ok());
        assert!(matches!(
            make(&store, Some("a b".to_owned()), 9),
            Err(InviteError::Role(_))
        ));
    }
}
