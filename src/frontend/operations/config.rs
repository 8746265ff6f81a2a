//! `[http]`: metrics and probes.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::settings::{Section, SettingFault};

/// Metrics and probes over HTTP: docs/monitoring.md.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port, such as `"127.0.0.1:9153"`; numbers, no host names. There is no TLS on that port. Default:
    /// no port.
    pub listen: Option<SocketAddr>,
    /// Whether other machines are meant to reach the port; without it keydove warns of such an address. Default
    /// `false`.
    pub public: bool,
    /// A file with the token of `POST /forget`, at least 16 bytes; at most one of this and
    /// `forget_token_credential`. Default: there is no such request.
    pub forget_token_file: Option<PathBuf>,
    /// The name of a systemd credential with that token.
    pub forget_token_credential: Option<String>,
    /// A file with the token of `POST /auth-policy` (docs/throttling.md), likewise. Default: there is no such
    /// request.
    pub policy_token_file: Option<PathBuf>,
    /// The name of a systemd credential with that token.
    pub policy_token_credential: Option<String>,
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let forget = self.forget_token_file.is_some() || self.forget_token_credential.is_some();
        let policy = self.policy_token_file.is_some() || self.policy_token_credential.is_some();
        let fault = |(_, path): (bool, &str)| {
            SettingFault::at(
                &[],
                format!("there is a token for POST {path}, but no port"),
                "set listen, such as \"127.0.0.1:9153\", or take the token out",
            )
        };
        let in_vain = |(has_token, _): &(bool, &str)| *has_token && self.listen.is_none();
        [(forget, "/forget"), (policy, "/auth-policy")].into_iter().filter(in_vain).map(fault).collect()
    }
}

impl Config {
    /// Whether others than this machine may reach it although nobody said so.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        !self.public && self.listen.is_some_and(|address| !address.ip().to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_need_no_word() {
        for (text, open) in [
            ("", false),
            ("listen = '127.0.0.1:9153'", false),
            ("listen = '[::1]:9153'", false),
            ("listen = '[::ffff:127.0.0.1]:9153'", false),
            ("listen = '0.0.0.0:9153'", true),
            ("listen = '192.0.2.1:9153'", true),
            ("listen = '192.0.2.1:9153'\npublic = true", false),
        ] {
            assert_eq!(toml::from_str::<Config>(text).unwrap().is_open_to_others(), open, "{text}");
        }
    }
}
