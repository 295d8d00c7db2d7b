//! The certificate of `/webrtc-direct`: made once and kept, because its hash is part of the
//! address that others know.
//! It does not listen.

use libp2p_webrtc::tokio::Certificate;

use crate::store::{Store, StoreError};

const CERTIFICATE_FILE: &str = "webrtc.pem";

/// The certificate cannot be made or is damaged.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot make a WebRTC certificate: {0}")]
    Make(String),
    #[error(
        "{CERTIFICATE_FILE} in the data folder is damaged: {0}; restore it, or remove it to get a new address"
    )]
    Damaged(String),
}

/// The certificate of this data folder, made if there is none.
///
/// # Errors
/// When it cannot be made, kept or read.
pub fn open(store: &Store) -> Result<Certificate, CertificateError> {
    let bytes = store.read_or_create::<CertificateError>(CERTIFICATE_FILE, || {
        // The crate takes a source of randomness and uses its own.
        Certificate::generate(&mut rand::rng())
            .map(|made| made.serialize_pem().into_bytes())
            .map_err(|error| CertificateError::Make(error.to_string()))
    })?;
    let text = String::from_utf8(bytes).map_err(|_| CertificateError::Damaged("not text".to_owned()))?;
    Certificate::from_pem(&text).map_err(|error| CertificateError::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_fingerprint_stays_the_same_and_a_damaged_file_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let first = open(&store).unwrap().fingerprint();
        assert_eq!(open(&store).unwrap().fingerprint(), first);
        store.write(CERTIFICATE_FILE, b"x").unwrap();
        assert!(matches!(open(&store), Err(CertificateError::Damaged(_))));
    }
}
