//! `[http_login]`: where mailcow's script asks, and whom keydove is compared with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::settings::{Network, Section, SettingFault};

/// mailcow's login over HTTP: docs/mailcow.md.
///
/// First choice, where the program that asks can open a file of this machine, is a `[[listener]]` with `door =
/// "http-login"`: the same on a Unix socket, whose owner and mode say who may ask. A port, on loopback too, is open
/// to every local user, who may try passwords with any client's address.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port, such as `"127.0.0.1:9082"`. Default: no port.
    #[serde(deserialize_with = "read_address")]
    pub listen: Option<SocketAddr>,
    /// The networks that may connect to the port besides this machine, such as `["172.22.1.0/24"]`. An address that
    /// other machines reach needs this or TLS; keydove warns of what is missing.
    pub allow: Vec<Network>,
    /// The certificate chain, PEM. With it and `key_file` the port speaks TLS and nothing else. keydove reads it at
    /// the start.
    pub certificate_file: Option<PathBuf>,
    /// The key of the certificate, PEM.
    pub key_file: Option<PathBuf>,
    /// The port speaks TLS with a certificate that keydove makes itself at each start (P-256, self-signed). That is
    /// enough for programs that verify no certificate, as mailcow's script, and keydove needs no key of the mail server.
    /// Default `false`.
    pub own_certificate: bool,
    /// How keydove answers a temporary failure. Default: by the host that was asked for: `keydove` gets `"503"`,
    /// every other `"null"`.
    pub cannot_tell: Option<CannotTell>,
    /// A file with a token of at least 16 bytes. A request at the port must then have `Authorization: Bearer` and
    /// the token, or gets 403. `mailcow/passwd-verify.lua` and nginx (`proxy_set_header`) can send it; mailcow's
    /// own script cannot. A Unix socket needs no token.
    pub token_file: Option<PathBuf>,
    /// The name of a systemd credential with that token.
    pub token_credential: Option<String>,
    /// How many connections the port takes at once; further ones wait. Default `256`.
    pub max_connections: usize,
    /// *Shadow mode*: mailcow's own login, such as `"https://127.0.0.1:9082"`, decides, and keydove is only
    /// compared with it.
    pub shadow_url: Option<String>,
    /// A PEM file of authorities to trust there besides the system's.
    pub shadow_ca_file: Option<PathBuf>,
    /// `false` accepts any certificate there. Default `true`.
    pub shadow_tls_verify: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            allow: Vec::new(),
            certificate_file: None,
            key_file: None,
            own_certificate: false,
            cannot_tell: None,
            token_file: None,
            token_credential: None,
            max_connections: 256,
            shadow_url: None,
            shadow_ca_file: None,
            shadow_tls_verify: true,
        }
    }
}

/// How "cannot tell" is said.
///
/// Without the setting it is [`CannotTell::Status`] for whoever asks for the host `keydove`, as the script in `mailcow/`
/// does, and [`CannotTell::Null`] for everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum CannotTell {
    /// 401 with the JSON value `null`, which mailcow's own script takes for an internal failure. A program that
    /// looks only at the status takes it for a refusal, and none for a success.
    #[serde(rename = "null")]
    Null,
    /// 503, which mailcow's own script takes for a wrong password.
    #[serde(rename = "503")]
    Status,
    /// keydove closes the connection without an answer. A proxy in between makes a status of its own of that.
    #[serde(rename = "close")]
    Close,
}

/// Says where a socket belongs, because the library's words do not.
fn read_address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.starts_with('/') {
        let words = "this is the path of a socket; write it as a [[listener]] with door = \"http-login\", path and mode";
        return Err(serde::de::Error::custom(words));
    }
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Config {
    /// Whether something is set that needs a port or a socket.
    #[must_use]
    pub fn is_meant(&self) -> bool {
        let has_token = self.token_file.is_some() || self.token_credential.is_some();
        self.speaks_tls() || has_token || self.shadow_url.is_some() || !self.allow.is_empty()
    }

    /// Whether the port speaks TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.own_certificate || self.certificate_file.is_some()
    }

    /// Whether others than this machine can reach the port.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        self.listen.is_some_and(|address| !address.ip().to_canonical().is_loopback())
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(SettingFault::new(key, sentence, advice));
        if self.is_open_to_others() && !self.speaks_tls() && self.allow.is_empty() {
            complain(
                "listen",
                "everybody could try passwords here, and read those of others",
                "set allow to the network of mailcow's containers, such as [\"172.22.1.0/24\"], and own_certificate = true",
            );
        }
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => {
                complain("certificate_file", "a certificate without its key", "set key_file too");
            }
            (None, Some(_)) => {
                complain("key_file", "a key without its certificate", "set certificate_file too");
            }
            (Some(_), Some(_)) if self.own_certificate => complain(
                "own_certificate",
                "the port has a certificate of files already",
                "take out own_certificate, or certificate_file and key_file",
            ),
            _ => {}
        }
        if self.max_connections == 0 {
            complain("max_connections", "without a connection nobody could ask", "256 is a good value");
        }
        match &self.shadow_url {
            Some(url) if !is_plain_url(url) => complain(
                "shadow_url",
                "this is no address of mailcow's login",
                "write it as \"https://nginx:9082\", without a user and a password",
            ),
            Some(_) => {}
            None if self.shadow_ca_file.is_some() || !self.shadow_tls_verify => complain(
                if self.shadow_ca_file.is_some() { "shadow_ca_file" } else { "shadow_tls_verify" },
                "this setting is of no use without shadow_url",
                "set shadow_url to mailcow's own login, or take this line out",
            ),
            None => {}
        }
        faults
    }

    fn files(&self) -> Vec<&Path> {
        let files = [&self.certificate_file, &self.key_file, &self.shadow_ca_file];
        files.into_iter().flatten().map(PathBuf::as_path).collect()
    }
}

fn is_plain_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        let plain = url.username().is_empty() && url.password().is_none();
        matches!(url.scheme(), "http" | "https") && url.host().is_some() && plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        let config: Config = toml::from_str(text).unwrap();
        config.faults().into_iter().map(|fault| fault.keys.join(".")).collect()
    }

    #[test]
    fn a_port_for_everybody_needs_a_list_or_tls() {
        for (text, expected) in [
            ("", &[][..]),
            ("listen = '127.0.0.1:9082'", &[]),
            ("listen = '[::1]:9082'", &[]),
            ("listen = '0.0.0.0:9082'", &["listen"]),
            ("listen = '[::]:9082'", &["listen"]),
            ("listen = '172.22.1.1:9082'", &["listen"]),
            ("listen = '0.0.0.0:9082'\nallow = ['172.22.1.0/24']", &[]),
            ("listen = '0.0.0.0:9082'\ncertificate_file = '/c'\nkey_file = '/k'", &[]),
            ("listen = '0.0.0.0:9082'\nown_certificate = true", &[]),
        ] {
            assert_eq!(keys(text), expected, "{text}");
        }
    }

    #[test]
    fn a_path_is_sent_to_where_sockets_are_set() {
        let error = toml::from_str::<Config>("listen = '/run/keydove/http'").unwrap_err().to_string();
        assert!(error.contains("[[listener]]"), "{error}");
        assert!(toml::from_str::<Config>("listen = 'localhost'").is_err());
    }

    #[test]
    fn how_it_is_said_that_nobody_can_tell_is_one_of_three() {
        for (word, meant) in
            [("null", CannotTell::Null), ("503", CannotTell::Status), ("close", CannotTell::Close)]
        {
            let config: Config = toml::from_str(&format!("cannot_tell = '{word}'")).unwrap();
            assert_eq!(config.cannot_tell, Some(meant));
        }
        assert!(toml::from_str::<Config>("cannot_tell = '401'").is_err());
    }

    #[test]
    fn what_is_of_no_use_alone_is_named() {
        for (text, expected) in [
            ("listen = '127.0.0.1:1'\ncertificate_file = '/c'", "certificate_file"),
            ("listen = '127.0.0.1:1'\nkey_file = '/k'", "key_file"),
            (
                "listen = '127.0.0.1:1'\ncertificate_file = '/c'\nkey_file = '/k'\nown_certificate = true",
                "own_certificate",
            ),
            ("listen = '127.0.0.1:1'\nmax_connections = 0", "max_connections"),
            ("listen = '127.0.0.1:1'\nshadow_tls_verify = false", "shadow_tls_verify"),
            ("listen = '127.0.0.1:1'\nshadow_ca_file = '/c'", "shadow_ca_file"),
            ("listen = '127.0.0.1:1'\nshadow_url = 'nginx:9082'", "shadow_url"),
            ("listen = '127.0.0.1:1'\nshadow_url = 'https://u:p@nginx'", "shadow_url"),
        ] {
            assert_eq!(keys(text), [expected], "{text}");
        }
    }
}
