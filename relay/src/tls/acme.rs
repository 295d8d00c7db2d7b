//! A certificate ordered and renewed by ACME, with the TLS-ALPN-01 challenge (RFC 8737) on the web server's own port.
//! It does not listen: the challenge arrives like any other connection.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use rustls_acme::{
    AcmeConfig,
    caches::DirCache,
    futures_rustls::rustls::{ClientConfig, RootCertStore},
};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};

use super::{HTTP_ALPN, TlsError, builder, certificates};
use crate::{config::Config, net::addrs::PublicUrl, store::Store};

const CHALLENGE_ALPN: &[u8] = b"acme-tls/1";

/// A configuration whose certificate is ordered in the background, for as long as the process lives. Until the first
/// has come, handshakes fail.
///
/// # Errors
/// When the order's cache or the authority's own certificate cannot be used.
pub(super) fn ordered(config: &Config, store: &Store) -> Result<ServerConfig, TlsError> {
    let host = config
        .public_url
        .as_ref()
        .map(PublicUrl::host)
        .unwrap_or_default();
    let order = match &config.acme_ca {
        Some(path) => AcmeConfig::new_with_client_config([host], Arc::new(trusting(path)?)),
        None => AcmeConfig::new([host]),
    };
    let mut order = order
        .cache(DirCache::new(store.subfolder("acme")?))
        .directory_lets_encrypt(true);
    if let Some(directory) = &config.acme_directory {
        order = order.directory(directory);
    }
    if let Some(email) = &config.acme_email {
        order = order.contact_push(format!("mailto:{email}"));
    }
    let mut state = order.state();
    let mut server = builder()?
        .with_no_client_auth()
        .with_cert_resolver(state.resolver());
    server.alpn_protocols = vec![HTTP_ALPN.to_vec(), CHALLENGE_ALPN.to_vec()];
    tokio::spawn(async move {
        while let Some(event) = state.next().await {
            match event {
                Ok(done) => tracing::info!(?done, "certificate authority"),
                Err(error) => tracing::warn!(%error, "certificate authority"),
            }
        }
    });
    Ok(server)
}

/// A client that trusts the certificates of `path` alone.
fn trusting(path: &Path) -> Result<ClientConfig, TlsError> {
    let fail = |error: tokio_rustls::rustls::Error| TlsError::Authority(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(fail)?;
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(fail)?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}
