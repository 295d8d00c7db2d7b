//! The backup of an identity: its private key sealed under a passphrase or by a passkey, as a file that any later
//! version can open. Without them it says who the identity is and nothing else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::{Alg, PublicKey};
use js_sys::Uint8Array;
use serde::{Deserialize, Serialize};

use crate::crypto::{self, Sealer};
use crate::error::Error;
use crate::keys::KeyPair;
use crate::passkey::Passkey;

/// A file larger than this is none of ours.
pub const MAX_BACKUP_BYTES: usize = 8 * 1024;
/// A shorter passphrase is guessed in an afternoon.
pub const MIN_PASSPHRASE_CHARS: usize = 8;

const FORMAT: &str = "manyhands-key";
const VERSION: u32 = 1;
/// What OWASP asks of PBKDF2 with SHA-256 (2023); a second or so on a phone.
const ITERATIONS: u32 = 600_000;
/// Fewer would weaken what a later version writes; more would only freeze the page that opens it.
const BELIEVED_ITERATIONS: core::ops::RangeInclusive<u32> = 100_000..=5_000_000;

/// What opens a backup.
#[derive(Clone, Debug)]
pub enum Unlock {
    Passphrase(String),
    /// The person is asked to show a passkey, or to make one.
    Passkey,
}

/// Whether a file that may be a backup opens with a passkey, and not with a passphrase.
pub fn opens_with_passkey(file: &str) -> bool {
    read(file).is_ok_and(|backup| backup.passkey.is_some())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    format: String,
    version: u32,
    /// Who the identity is.
    id: String,
    /// Its public key, uncompressed.
    public: String,
    /// The passkey that opens it, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passkey: Option<Named>,
    /// Of the passphrase's derivation; 0 with a passkey.
    iterations: u32,
    salt: String,
    iv: String,
    sealed: String,
}

/// A passkey in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: String,
    salt: String,
}

/// Seals the private key of `pair`.
pub(crate) async fn seal(pair: &KeyPair, pkcs8: &Uint8Array, unlock: &Unlock) -> Result<String, Error> {
    let (salt, iv) = (crypto::random::<16>()?, crypto::random::<12>()?);
    let id = pair.node_id().to_string();
    let (sealer, iterations, passkey) = match unlock {
        Unlock::Passphrase(passphrase) if passphrase.chars().count() < MIN_PASSPHRASE_CHARS => {
            let message = format!("a passphrase has at least {MIN_PASSPHRASE_CHARS} characters");
            return Err(Error::new("bad_request", message));
        }
        Unlock::Passphrase(passphrase) => (
            Sealer::new(passphrase, &salt, ITERATIONS).await?,
            ITERATIONS,
            None,
        ),
        Unlock::Passkey => {
            let (passkey, secret) =
                Passkey::make(&format!("Manyhands {}", id.get(..8).unwrap_or(&id))).await?;
            let named = Named {
                id: URL_SAFE_NO_PAD.encode(&passkey.id),
                salt: URL_SAFE_NO_PAD.encode(passkey.salt),
            };
            (Sealer::of_secret(&secret, &salt, FORMAT).await?, 0, Some(named))
        }
    };
    let sealed = sealer.seal(&iv, &beside(&id, iterations), pkcs8).await?;
    let backup = Backup {
        format: FORMAT.to_owned(),
        version: VERSION,
        id,
        public: URL_SAFE_NO_PAD.encode(pair.raw_public().await?),
        passkey,
        iterations,
        salt: URL_SAFE_NO_PAD.encode(salt),
        iv: URL_SAFE_NO_PAD.encode(iv),
        sealed: URL_SAFE_NO_PAD.encode(sealed),
    };
    serde_json::to_string_pretty(&backup).map_err(|e| Error::internal(format!("the backup: {e}")))
}

/// Opens a backup. The file may be anything, the passphrase too.
pub(crate) async fn open(file: &str, unlock: &Unlock) -> Result<KeyPair, Error> {
    let backup = read(file)?;
    let public = bytes("public", &backup.public)?;
    let key = PublicKey::new(Alg::Es256, &public).map_err(|e| bad(format!("public: {e}")))?;
    if key.node_id().to_string() != backup.id {
        return Err(bad("the file names another id than its key has".to_owned()));
    }
    let salt = bytes("salt", &backup.salt)?;
    let sealer = match (unlock, &backup.passkey) {
        (Unlock::Passphrase(passphrase), None) => {
            if !BELIEVED_ITERATIONS.contains(&backup.iterations) {
                return Err(bad(format!(
                    "{} iterations are not what a backup has",
                    backup.iterations
                )));
            }
            Sealer::new(passphrase, &salt, backup.iterations).await?
        }
        (Unlock::Passkey, Some(named)) => {
            let passkey = Passkey::new(bytes("passkey", &named.id)?, &bytes("passkey", &named.salt)?);
            let passkey = passkey.ok_or_else(|| bad("passkey: no passkey is named like this".to_owned()))?;
            Sealer::of_secret(&passkey.secret().await?, &salt, FORMAT).await?
        }
        (Unlock::Passphrase(_), Some(_)) => return Err(bad("this file opens with a passkey".to_owned())),
        (Unlock::Passkey, None) => return Err(bad("this file opens with a passphrase".to_owned())),
    };
    let plain = sealer
        .open(
            &bytes("iv", &backup.iv)?,
            &beside(&backup.id, backup.iterations),
            &bytes("sealed", &backup.sealed)?,
        )
        .await?
        .ok_or_else(|| {
            Error::new(
                "not_allowed",
                "the passphrase or passkey is another, or the file was changed",
            )
        })?;
    KeyPair::restore(&public, &plain).await
}

/// Reads a file that may be anything.
fn read(file: &str) -> Result<Backup, Error> {
    if file.len() > MAX_BACKUP_BYTES {
        return Err(bad(format!(
            "the file has {} bytes, more than any backup of a key",
            file.len()
        )));
    }
    let backup: Backup =
        serde_json::from_str(file).map_err(|e| bad(format!("this is not the backup of a key: {e}")))?;
    if backup.format != FORMAT || backup.version != VERSION {
        return Err(bad(format!(
            "its format is {:?} {}, expected {FORMAT:?} {VERSION}",
            backup.format, backup.version
        )));
    }
    Ok(backup)
}

fn bytes(name: &str, text: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| bad(format!("{name}: not base64url")))
}

fn bad(message: String) -> Error {
    Error::new("bad_request", message)
}

fn beside(id: &str, iterations: u32) -> String {
    format!("{FORMAT}/{VERSION}/{id}/{iterations}")
}
