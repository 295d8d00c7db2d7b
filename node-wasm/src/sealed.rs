//! The backup of an identity: its private key sealed under a passphrase, as a file that any later version can open.
//! Without the passphrase it says who the identity is and nothing else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::{Alg, PublicKey};
use js_sys::Uint8Array;
use serde::{Deserialize, Serialize};

use crate::crypto::{self, Sealer};
use crate::error::Error;
use crate::keys::KeyPair;

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    format: String,
    version: u32,
    /// Who the identity is.
    id: String,
    /// Its public key, uncompressed.
    public: String,
    iterations: u32,
    salt: String,
    iv: String,
    sealed: String,
}

/// Seals the private key of `pair`.
pub(crate) async fn seal(pair: &KeyPair, pkcs8: &Uint8Array, passphrase: &str) -> Result<String, Error> {
    if passphrase.chars().count() < MIN_PASSPHRASE_CHARS {
        let message = format!("a passphrase has at least {MIN_PASSPHRASE_CHARS} characters");
        return Err(Error::new("bad_request", message));
    }
    let (salt, iv) = (crypto::random::<16>()?, crypto::random::<12>()?);
    let id = pair.node_id().to_string();
    let sealer = Sealer::new(passphrase, &salt, ITERATIONS).await?;
    let sealed = sealer.seal(&iv, &beside(&id, ITERATIONS), pkcs8).await?;
    let backup = Backup {
        format: FORMAT.to_owned(),
        version: VERSION,
        id,
        public: URL_SAFE_NO_PAD.encode(pair.raw_public().await?),
        iterations: ITERATIONS,
        salt: URL_SAFE_NO_PAD.encode(salt),
        iv: URL_SAFE_NO_PAD.encode(iv),
        sealed: URL_SAFE_NO_PAD.encode(sealed),
    };
    serde_json::to_string_pretty(&backup).map_err(|e| Error::internal(format!("the backup: {e}")))
}

/// Opens a backup. The file may be anything, the passphrase too.
pub(crate) async fn open(file: &str, passphrase: &str) -> Result<KeyPair, Error> {
    let bad = |message: String| Error::new("bad_request", message);
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
    if !BELIEVED_ITERATIONS.contains(&backup.iterations) {
        return Err(bad(format!(
            "{} iterations are not what a backup has",
            backup.iterations
        )));
    }
    let bytes = |name: &str, text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| bad(format!("{name}: not base64url")))
    };
    let public = bytes("public", &backup.public)?;
    let key = PublicKey::new(Alg::Es256, &public).map_err(|e| bad(format!("public: {e}")))?;
    if key.node_id().to_string() != backup.id {
        return Err(bad("the file names another id than its key has".to_owned()));
    }
    let sealer = Sealer::new(passphrase, &bytes("salt", &backup.salt)?, backup.iterations).await?;
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
                "the passphrase is another, or the file was changed",
            )
        })?;
    KeyPair::restore(&public, &plain).await
}

fn beside(id: &str, iterations: u32) -> String {
    format!("{FORMAT}/{VERSION}/{id}/{iterations}")
}
