//! The port's certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::Config;

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
    /// The certificate that keydove makes itself.
    #[error("cannot make a certificate for the port of [http_login]: {0}")]
    Own(String),
}

/// What programs find in keydove's own certificate; `mailcow/passwd-verify.lua` asks for that host.
const OWN_NAME: &str = "keydove";

/// The port's certificate: that of the files, or one that keydove makes itself. `None` is a port without TLS.
///
/// # Errors
/// See [`TlsError`].
pub(super) fn of(config: &Config) -> Result<Option<TlsAcceptor>, TlsError> {
    match (&config.certificate_file, &config.key_file) {
        (Some(certificate), Some(key)) => acceptor(certificate, key).map(Some),
        _ if config.own_certificate => own_acceptor().map(Some),
        _ => Ok(None),
    }
}

/// A new certificate with each start. Nobody has seen one before who would miss it, and its key is never written down.
/// P-256, because each handshake with it costs a tenth of one with a mail server's RSA key.
fn own_acceptor() -> Result<TlsAcceptor, TlsError> {
    let failed = |error: &dyn std::fmt::Display| TlsError::Own(error.to_string());
    let made = rcgen::generate_simple_self_signed([OWN_NAME.to_owned()]).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|error| failed(&error))?;
    server_config(vec![made.cert.der().clone()], key).map(TlsAcceptor::from).map_err(|error| failed(&error))
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    config.map(Arc::new)
}

/// Reads certificate and key. Who asks is shown the certificate as it is now: a renewed one needs a restart.
///
/// # Errors
/// See [`TlsError`].
fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed("certificate_file", certificate))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(failed("key_file", key))?;
    let config = server_config(chain, secret).map_err(|source| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })?;
    Ok(TlsAcceptor::from(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_files_keydove_makes_a_certificate_where_it_is_told_to() {
        let config = |own_certificate| Config { own_certificate, ..Config::default() };
        assert!(of(&config(true)).unwrap().is_some());
        assert!(of(&config(false)).unwrap().is_none());
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = acceptor(&file, &file).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("Cargo.toml of [http_login]"), "{error}");
        let error = acceptor(Path::new("/nowhere"), &file).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.starts_with("cannot read certificate_file /nowhere")));
    }
}
