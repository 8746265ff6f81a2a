//! The port's certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing in PEM form of what it should hold.
    #[error("cannot read {what} {path} of [http_login]: {source}")]
    File {
        /// `certificate_file` or `key_file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: pem::Error,
    },
    /// Certificate and key do not fit together, or are of a kind that is not known.
    #[error("certificate_file {certificate} and key_file {key} of [http_login] cannot be used: {source}")]
    Unusable {
        /// The certificate chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What went wrong.
        source: rustls::Error,
    },
}

/// Reads certificate and key. Who asks is shown the certificate as it is now: a renewed one needs a restart.
///
/// # Errors
/// See [`TlsError`].
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed("certificate_file", certificate))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(failed("key_file", key))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let config = config.map_err(|source| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = acceptor(&file, &file).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("Cargo.toml of [http_login]"), "{error}");
        let error = acceptor(Path::new("/nowhere"), &file).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.starts_with("cannot read certificate_file /nowhere")));
    }
}
