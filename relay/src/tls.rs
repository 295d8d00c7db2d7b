//! Where the web server's certificate comes from: our own, files, or a certificate authority.
//! It does not accept connections and never falls back to plain HTTP.

mod acme;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
        version::TLS13,
    },
};

use crate::{
    clock,
    config::{Config, TlsMode},
    net::addrs::PublicUrl,
    store::{Store, StoreError},
};

const SELF_SIGNED_FILE: &str = "tls-self-signed.json";
/// Safari accepts no certificate that is valid for more than 825 days, others none above 398.
const SELF_SIGNED_LIFE: Duration = Duration::from_secs(397 * 24 * 3600);
/// A certificate is replaced at a start within its last month, not in the middle of somebody's
/// visit: every replacement costs each visitor another warning.
const SELF_SIGNED_RENEW: Duration = Duration::from_secs(30 * 24 * 3600);
/// What an encrypted connection carries.
const HTTP_ALPN: &[u8] = b"http/1.1";

/// TLS was asked for and cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("TLS file {path}: {why}")]
    File { path: PathBuf, why: String },
    #[error("cannot trust the certificate authority's directory: {0}")]
    Authority(String),
    #[error("TLS certificate and key do not belong together or cannot be used: {0}")]
    Pair(String),
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What accepts TLS connections under `config`, or `None` with TLS off.
///
/// # Errors
/// When files are missing or unusable, or a certificate cannot be made.
pub fn acceptor(
    config: &Config,
    store: &Store,
    interfaces: &[IpAddr],
) -> Result<Option<TlsAcceptor>, TlsError> {
    let server = match config.tls {
        TlsMode::Off => return Ok(None),
        TlsMode::Files => {
            let empty = PathBuf::new();
            from_files(
                config.tls_cert.as_ref().unwrap_or(&empty),
                config.tls_key.as_ref().unwrap_or(&empty),
            )?
        }
        TlsMode::SelfSigned => self_signed(store, names(config.public_url.as_ref(), interfaces))?,
        TlsMode::Acme => acme::ordered(config, store)?,
    };
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

fn from_files(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let chain = certificates(cert)?;
    let secret =
        PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| refused(key, "no PEM private key in it"))?;
    with_chain(chain, secret)
}

/// The certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(path, error))?;
    if chain.is_empty() {
        return Err(refused(path, "no PEM certificate in it"));
    }
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| refused(path, error))
}

fn refused(path: &Path, why: impl ToString) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn with_chain(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let mut server = builder()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Pair(error.to_string()))?;
    server.alpn_protocols = vec![HTTP_ALPN.to_vec()];
    Ok(server)
}

fn builder()
-> Result<tokio_rustls::rustls::ConfigBuilder<ServerConfig, tokio_rustls::rustls::WantsVerifier>, TlsError> {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| TlsError::Pair(error.to_string()))
}

/// A certificate of our own, kept so that a phone that has accepted it once need not again.
#[derive(Serialize, Deserialize)]
struct SelfSigned {
    names: Vec<String>,
    not_after_unix_s: u64,
    certificate_der: Vec<u8>,
    key_der: Vec<u8>,
}

fn self_signed(store: &Store, names: Vec<String>) -> Result<ServerConfig, TlsError> {
    let kept = store
        .read(SELF_SIGNED_FILE)?
        .and_then(|bytes| serde_json::from_slice::<SelfSigned>(&bytes).ok())
        .filter(|kept| {
            let renew_at = kept.not_after_unix_s.saturating_sub(SELF_SIGNED_RENEW.as_secs());
            clock::unix_s() < renew_at && names.iter().all(|name| kept.names.contains(name))
        });
    let ours = match kept {
        Some(kept) => kept,
        None => {
            let made = make_self_signed(names)?;
            let bytes = serde_json::to_vec(&made).map_err(|error| TlsError::SelfSigned(error.to_string()))?;
            store.write(SELF_SIGNED_FILE, &bytes)?;
            made
        }
    };
    with_chain(
        vec![CertificateDer::from(ours.certificate_der)],
        PrivatePkcs8KeyDer::from(ours.key_der).into(),
    )
}

fn make_self_signed(names: Vec<String>) -> Result<SelfSigned, TlsError> {
    let fail = |error: rcgen::Error| TlsError::SelfSigned(error.to_string());
    let mut params = rcgen::CertificateParams::new(names.clone()).map_err(fail)?;
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(24 * 3600)).into();
    params.not_after = (now + SELF_SIGNED_LIFE).into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Manyhands relay");
    let key = rcgen::KeyPair::generate().map_err(fail)?;
    let certificate = params.self_signed(&key).map_err(fail)?;
    Ok(SelfSigned {
        names,
        not_after_unix_s: clock::unix_s() + SELF_SIGNED_LIFE.as_secs(),
        certificate_der: certificate.der().to_vec(),
        key_der: key.serialize_der(),
    })
}

/// Every name by which this machine may be addressed.
fn names(public: Option<&PublicUrl>, interfaces: &[IpAddr]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(interfaces.iter().map(IpAddr::to_string));
    names.extend(public.map(PublicUrl::host));
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_self_signed_certificate_is_kept_until_a_new_name_appears() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let file = || store.read(SELF_SIGNED_FILE).unwrap().unwrap();
        self_signed(&store, vec!["localhost".to_owned(), "192.168.1.5".to_owned()]).unwrap();
        let first = file();
        self_signed(&store, vec!["localhost".to_owned()]).unwrap();
        assert_eq!(file(), first);
        self_signed(&store, vec!["192.168.1.6".to_owned()]).unwrap();
        assert_ne!(file(), first);
    }

    #[test]
    fn files_that_are_missing_or_no_certificate_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let message = || from_files(&cert, &key).unwrap_err().to_string();
        assert!(message().contains("cert.pem"), "{}", message());
        std::fs::write(&cert, "not a certificate").unwrap();
        assert!(message().contains("no PEM certificate"), "{}", message());
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        assert!(message().contains("key.pem"), "{}", message());
        std::fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(message().contains("belong together"), "{}", message());
        std::fs::write(&key, made.key_pair.serialize_pem()).unwrap();
        assert!(from_files(&cert, &key).is_ok());
    }
}
