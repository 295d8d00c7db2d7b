//! Invites: a short secret in a link, exchanged for where and what the swarm is, and once for a role.
//! The relay keeps only the secret's hash, and the link's fragment never reaches a server log.

use std::{fs, io, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::NodeId;
use registry::{Joining, Role, SwarmId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock,
    store::{Store, StoreError, random},
};

const INVITES: &str = "invites";
const SECRET_BYTES: usize = 16;
/// Long enough for a poster on a wall over a week-end, short enough to forget about.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The secret of an invite, as the link carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET_BYTES]);

/// What the relay remembers of an invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Role that whoever takes it up first is granted.
    pub role: Option<String>,
    /// When it ends.
    pub expires_unix_s: u64,
    /// Who took its role up.
    #[serde(default)]
    pub used_by: Option<String>,
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
    #[error("this relay knows no such invite")]
    Unknown,
    #[error("this invite has ended")]
    Expired,
    #[error("somebody else has taken this invite up already")]
    Used,
    #[error("`{0}` is no role that an invite gives: worker, coordinator or admin")]
    Role(String),
    #[error("this swarm has an owner: invites with a role are theirs to make, on the Keys page of the app")]
    Owned,
    #[error("{0} invites are valid already, at most max_invites may be")]
    TooMany(usize),
}

impl Secret {
    /// The link that a QR code holds.
    pub fn link(&self, url: &str) -> String {
        format!("{url}/join#v1.{self}")
    }

    /// What whoever takes the invite up signs with their key.
    pub fn joining(&self, swarm: SwarmId) -> Joining {
        Joining::new(swarm, &self.0)
    }

    pub(crate) fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Secret {
        Secret(bytes)
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

/// Makes an invite that lives for a week. A role can be granted as long as the swarm has no owner: afterwards it is
/// the owner's to give, and that is said now rather than to whoever opens the link.
///
/// # Errors
/// When there is no such role, nobody here can grant it, too many invites are valid, or the disk says no.
pub fn make(
    store: &Store,
    role: Option<String>,
    is_owned: bool,
    max_invites: u64,
) -> Result<Secret, InviteError> {
    if let Some(name) = &role {
        match Role::of_word(name) {
            None | Some(Role::Owner) => return Err(InviteError::Role(name.chars().take(32).collect())),
            Some(_) if is_owned => return Err(InviteError::Owned),
            Some(_) => {}
        }
    }
    let valid = sweep(store, clock::unix_s())?;
    if valid as u64 >= max_invites {
        return Err(InviteError::TooMany(valid));
    }
    let secret = Secret(random()?);
    let invite = Invite {
        role,
        expires_unix_s: clock::unix_s() + LIFE.as_secs(),
        used_by: None,
    };
    keep(store, &secret, &invite)?;
    Ok(secret)
}

/// The invite that belongs to `secret`.
///
/// # Errors
/// When there is none or it has ended.
pub fn find(store: &Store, secret: &Secret) -> Result<Invite, InviteError> {
    let bytes = store.read(secret.file())?.ok_or(InviteError::Unknown)?;
    let invite: Invite = serde_json::from_slice(&bytes).map_err(|_| InviteError::Unknown)?;
    if invite.expires_unix_s > clock::unix_s() {
        Ok(invite)
    } else {
        Err(InviteError::Expired)
    }
}

/// Notes that `by` takes the invite's role up: the first one has it, and may come again. The caller lets one in at a
/// time.
///
/// # Errors
/// When there is no such invite, it has ended, somebody else was first, or the disk says no.
pub fn take_up(store: &Store, secret: &Secret, by: NodeId) -> Result<(), InviteError> {
    let mut invite = find(store, secret)?;
    let by = by.to_string();
    match &invite.used_by {
        Some(first) if *first == by => Ok(()),
        Some(_) => Err(InviteError::Used),
        None => {
            invite.used_by = Some(by);
            keep(store, secret, &invite)
        }
    }
}

fn keep(store: &Store, secret: &Secret, invite: &Invite) -> Result<(), InviteError> {
    let bytes = serde_json::to_vec(invite).map_err(|error| InviteError::Read(error.into()))?;
    Ok(store.write(secret.file(), &bytes)?)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_invite_is_found_by_its_secret_and_by_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let secret = make(&store, Some("Worker".to_owned()), false, 10).unwrap();
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
        let secret = make(&store, None, true, 10).unwrap();
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
        let first = make(&store, None, true, 2).unwrap();
        make(&store, None, true, 2).unwrap();
        assert!(matches!(
            make(&store, None, true, 2),
            Err(InviteError::TooMany(2))
        ));
        let ended = Invite {
            role: None,
            expires_unix_s: 1,
            used_by: None,
        };
        store
            .write(first.file(), &serde_json::to_vec(&ended).unwrap())
            .unwrap();
        assert!(matches!(find(&store, &first), Err(InviteError::Expired)));
        assert!(make(&store, None, true, 2).is_ok());
    }

    #[test]
    fn a_role_is_promised_only_where_it_can_be_granted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        for bad in ["a b", "", "Owner", "owner", "boss"] {
            let made = make(&store, Some(bad.to_owned()), false, 9);
            assert!(matches!(made, Err(InviteError::Role(_))), "{bad}");
        }
        let made = make(&store, Some("admin".to_owned()), true, 9);
        assert!(matches!(made, Err(InviteError::Owned)));
    }

    #[test]
    fn the_first_who_takes_an_invite_up_has_it_and_may_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let secret = make(&store, Some("worker".to_owned()), false, 9).unwrap();
        let (one, two) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        take_up(&store, &secret, one).unwrap();
        take_up(&store, &secret, one).unwrap();
        assert!(matches!(take_up(&store, &secret, two), Err(InviteError::Used)));
        assert!(find(&store, &secret).is_ok(), "what it says can still be read");
    }
}
