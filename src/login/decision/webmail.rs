//! SOGo, mailcow's webmail: a mail client of its own, which comes from one trusted address.

use std::path::PathBuf;

use serde::Deserialize;

use crate::auth::{AuthRequest, Secret};
use crate::settings::{Network, Section, SettingFault};

/// mailcow's webmail, SOGo.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SogoConfig {
    /// The networks that the webmail's logins come from, such as `["172.22.1.248"]`. From there no service's switch
    /// counts.
    pub addresses: Vec<Network>,
    /// A file with the secret that SOGo logs in with for users who are logged in at mailcow; at most one of this
    /// and `single_sign_on_credential`.
    pub single_sign_on_file: Option<PathBuf>,
    /// The name of a systemd credential with that secret.
    pub single_sign_on_credential: Option<String>,
}

impl Section for SogoConfig {
    fn faults(&self) -> Vec<SettingFault> {
        let has_secret = self.single_sign_on_file.is_some() || self.single_sign_on_credential.is_some();
        let fault = || {
            SettingFault::at(
                &[],
                "the single sign-on is trusted from nowhere",
                "set addresses to where SOGo's logins come from, such as [\"172.22.1.248\"]",
            )
        };
        (has_secret && self.addresses.is_empty()).then(fault).into_iter().collect()
    }
}

/// How a login comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// From a person's own mail client: the service's switches count.
    Client,
    /// From the webmail, with the person's password: it has checked its own switches.
    Webmail,
    /// From the webmail, for somebody whom mailcow has logged in.
    SingleSignOn,
}

/// The trusted webmail.
#[derive(Debug, Default)]
pub struct Webmail {
    addresses: Vec<Network>,
    single_sign_on: Option<Secret>,
}

impl Webmail {
    /// Takes the settings and the secret that they point at.
    #[must_use]
    pub fn new(config: &SogoConfig, single_sign_on: Option<Secret>) -> Self {
        Self { addresses: config.addresses.clone(), single_sign_on }
    }

    /// Says how a login comes. Without an address, or with one that could not be read, nobody is trusted.
    pub(super) fn recognise(&self, request: &AuthRequest) -> Via {
        let trusted = request
            .origin
            .remote
            .is_some_and(|remote| self.addresses.iter().any(|network| network.contains(remote)));
        let has_secret = || match (&self.single_sign_on, request.credential.password()) {
            (Some(secret), Some(password)) => secret.matches(password.expose()),
            _ => false,
        };
        match trusted {
            false => Via::Client,
            true if has_secret() => Via::SingleSignOn,
            true => Via::Webmail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Credential, Mechanism, Origin, Service};

    fn request(remote: Option<&str>, password: &str) -> AuthRequest {
        let remote = remote.map(|remote| remote.parse().unwrap());
        AuthRequest {
            authcid: "alice@example.org".into(),
            authzid: Vec::new(),
            credential: Credential::Password(Secret::from(password)),
            service: Service::Imap,
            service_name: "imap".into(),
            mechanism: Some(Mechanism::Plain),
            origin: Origin { remote, ..Origin::default() },
            wants_fields: false,
        }
    }

    #[test]
    fn only_the_trusted_address_is_trusted() {
        let config: SogoConfig = toml::from_str("addresses = ['172.22.1.248']").unwrap();
        let webmail = Webmail::new(&config, Some(Secret::from("shared")));
        for (remote, password, via) in [
            (Some("172.22.1.248"), "shared", Via::SingleSignOn),
            (Some("172.22.1.248"), "pw", Via::Webmail),
            (Some("172.22.1.24"), "shared", Via::Client),
            (Some("::1"), "shared", Via::Client),
            (None, "shared", Via::Client),
        ] {
            assert_eq!(webmail.recognise(&request(remote, password)), via, "{remote:?} {password}");
        }
    }

    #[test]
    fn without_settings_nobody_is_trusted() {
        let webmail = Webmail::default();
        for remote in [None, Some("127.0.0.1"), Some("172.22.1.248")] {
            assert_eq!(webmail.recognise(&request(remote, "")), Via::Client);
        }
        let without_secret = Webmail::new(&toml::from_str("addresses = ['0.0.0.0/0']").unwrap(), None);
        assert_eq!(without_secret.recognise(&request(Some("192.0.2.1"), "")), Via::Webmail);
    }
}
