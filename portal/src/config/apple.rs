//! `[apple]`: the certificate that Apple's profiles are signed with.

use std::path::PathBuf;

use keydove_words::settings::SettingFault;
use serde::Deserialize;

use super::secret::{SecretError, credential_path};

/// `[apple]`: who signs the profiles for Apple's devices. Without this table they are not signed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apple {
    /// The certificate in PEM. Devices show its name, so an authority must have issued it that they trust.
    pub certificate_file: PathBuf,
    /// A file with its key in PEM, without a password.
    pub key_file: Option<PathBuf>,
    /// The name of systemd's credential with its key.
    pub key_credential: Option<String>,
    /// The certificates between it and the authority, in PEM.
    pub chain_file: Option<PathBuf>,
    /// The program that signs. Default `"/usr/bin/openssl"`.
    #[serde(default = "default_openssl")]
    pub openssl: PathBuf,
}

impl Apple {
    /// Where the key is.
    ///
    /// # Errors
    /// systemd hands in no such credential.
    pub fn key_path(&self) -> Result<PathBuf, SecretError> {
        match (&self.key_file, &self.key_credential) {
            (Some(path), _) => Ok(path.clone()),
            (None, name) => credential_path(name.as_deref().unwrap_or_default()),
        }
    }

    pub(super) fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        if self.key_file.is_some() == self.key_credential.is_some() {
            let sentence = "the certificate's key must come from one place";
            faults.push(SettingFault::at(&[], sentence, "set key_file or key_credential"));
        }
        let paths = [
            ("certificate_file", Some(&self.certificate_file)),
            ("key_file", self.key_file.as_ref()),
            ("chain_file", self.chain_file.as_ref()),
            ("openssl", Some(&self.openssl)),
        ];
        for (key, path) in paths {
            if path.is_some_and(|path| !path.is_absolute()) {
                faults.push(SettingFault::new(key, "this is no absolute path", "write the whole path"));
            }
        }
        faults
    }
}

fn default_openssl() -> PathBuf {
    "/usr/bin/openssl".into()
}
