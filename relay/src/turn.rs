//! Credentials for a TURN server that shares a secret with us, in the form that coturn calls `static-auth-secret`.
//! It relays nothing: it only says who may use the operator's own TURN server, and until when.

use std::{fs, io, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;

/// The shared secret.
pub struct TurnSecret(hmac::Key);

/// A name and a password that end by themselves.
#[derive(Debug, PartialEq, Eq)]
pub struct TurnCredential {
    pub username: String,
    pub credential: String,
}

impl TurnSecret {
    /// The secret in the file at `path`, without the line's end.
    ///
    /// # Errors
    /// When it cannot be read or is empty.
    pub fn read(path: &Path) -> io::Result<TurnSecret> {
        let text = fs::read_to_string(path)?;
        match text.trim() {
            "" => Err(io::Error::other("it is empty")),
            secret => Ok(TurnSecret::new(secret)),
        }
    }

    fn new(secret: &str) -> TurnSecret {
        // What TURN servers compute; the hash is no weakness in an HMAC.
        TurnSecret(hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            secret.as_bytes(),
        ))
    }

    /// A credential that ends at `until_unix_s`.
    pub fn mint(&self, until_unix_s: u64) -> TurnCredential {
        let username = format!("{until_unix_s}:tab");
        let credential = STANDARD.encode(hmac::sign(&self.0, username.as_bytes()));
        TurnCredential { username, credential }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_credential_is_what_a_turn_server_with_the_same_secret_computes() {
        let expected = TurnCredential {
            username: "1800021600:tab".to_owned(),
            credential: "dys9fkiAPCyAh0YODmrIHtz0mQ4=".to_owned(),
        };
        assert_eq!(TurnSecret::new("north").mint(1_800_021_600), expected);
    }

    #[test]
    fn a_file_without_a_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(TurnSecret::read(&path).is_err());
        fs::write(&path, " \n").unwrap();
        assert!(TurnSecret::read(&path).is_err());
        fs::write(&path, "north\n").unwrap();
        assert_eq!(
            TurnSecret::read(&path).unwrap().mint(7),
            TurnSecret::new("north").mint(7)
        );
    }
}
