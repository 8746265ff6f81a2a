//! Apple's profiles, signed with a certificate of the administrator's.
//!
//! By `openssl cms`, a child process: no library that the portal links signs CMS with both kinds of keys. The profile, which
//! holds a password, goes through pipes; the key stays in its file.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::{Apple, SecretError};

/// How long signing may take; it takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many are signed at one time: the unit bounds processes.
const AT_ONCE: usize = 4;
/// `check` warns so long before the certificate ends, in seconds.
const SOON: u32 = 30 * 86_400;

/// Signs profiles.
#[derive(Debug)]
pub struct Signing {
    openssl: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    chain: Option<PathBuf>,
    permits: Semaphore,
}

/// Why something is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The program does not run.
    #[error("{}: {source}; it is in the package openssl", program.display())]
    Program {
        /// What was to run.
        program: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// It hangs.
    #[error("openssl takes longer than {} s", PATIENCE.as_secs())]
    Late,
    /// It says no.
    #[error("openssl cannot sign with {}: {said}", certificate.display())]
    Refused {
        /// With which certificate.
        certificate: PathBuf,
        /// Its words.
        said: String,
    },
}

impl Signing {
    /// Prepares; nothing is signed yet.
    ///
    /// # Errors
    /// systemd hands in no such credential.
    pub fn new(config: &Apple) -> Result<Self, SecretError> {
        Ok(Self {
            openssl: config.openssl.clone(),
            certificate: config.certificate_file.clone(),
            key: config.key_path()?,
            chain: config.chain_file.clone(),
            permits: Semaphore::new(AT_ONCE),
        })
    }

    /// The content inside a signature, as CMS in DER (RFC 5652).
    ///
    /// # Errors
    /// It cannot be signed.
    pub async fn sign(&self, content: &[u8]) -> Result<Vec<u8>, SigningError> {
        let mut command = Command::new(&self.openssl);
        command.args(["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer"]);
        command.arg(&self.certificate).arg("-inkey").arg(&self.key);
        if let Some(chain) = &self.chain {
            command.arg("-certfile").arg(chain);
        }
        self.run(command, content).await
    }

    /// Whether it can sign; returns a warning where the certificate ends soon.
    ///
    /// # Errors
    /// It cannot sign.
    pub async fn check(&self) -> Result<Option<String>, SigningError> {
        self.sign(b"a trial").await?;
        let mut command = Command::new(&self.openssl);
        command.args(["x509", "-noout", "-checkend", &SOON.to_string(), "-in"]).arg(&self.certificate);
        let warning = || format!("{}: the certificate ends within 30 days", self.certificate.display());
        match self.run(command, b"").await {
            Ok(_) => Ok(None),
            Err(SigningError::Refused { .. }) => Ok(Some(warning())),
            Err(error) => Err(error),
        }
    }

    async fn run(&self, mut command: Command, content: &[u8]) -> Result<Vec<u8>, SigningError> {
        let failed = |source| SigningError::Program { program: self.openssl.clone(), source };
        // Nobody closes it.
        let _permit = self.permits.acquire().await;
        // Nothing of the portal's environment is openssl's business.
        command.env_clear().kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let stdin = child.stdin.take();
        let write = async {
            if let Some(mut stdin) = stdin {
                // One that ends before says why.
                let _ = stdin.write_all(content).await;
                let _ = stdin.shutdown().await;
            }
        };
        let both = async { tokio::join!(write, child.wait_with_output()).1 };
        let output = timeout(PATIENCE, both).await.map_err(|_| SigningError::Late)?.map_err(failed)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said: String =
            String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        let said = said.chars().filter(|c| !c.is_control()).take(500).collect();
        Err(SigningError::Refused { certificate: self.certificate.clone(), said })
    }
}
