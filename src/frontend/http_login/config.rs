//! `[http_login]`: where mailcow's script asks, and whom keydove is compared with.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::settings::Network;

/// `[http_login]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port, such as `127.0.0.1:9082`. Without it there is no port; a `[[listener]]` of the door
    /// `http-login` is a Unix socket.
    #[serde(deserialize_with = "read_address")]
    pub listen: Option<SocketAddr>,
    /// Who may connect to the port, besides this machine. Empty is everybody, which only TLS makes possible.
    pub allow: Vec<Network>,
    /// The certificate chain in PEM form. With it the port speaks TLS, and only TLS.
    pub certificate_file: Option<PathBuf>,
    /// Its key in PEM form.
    pub key_file: Option<PathBuf>,
    /// What is answered where keydove cannot tell. Default: as whoever asks understands it, see [`CannotTell`].
    pub cannot_tell: Option<CannotTell>,
    /// A file whose content whoever asks at the port must send as `Authorization: Bearer ...`. Default none. Who
    /// may ask at a Unix socket is said by its mode and owner.
    pub token_file: Option<PathBuf>,
    /// The name of a systemd credential with that content.
    pub token_credential: Option<String>,
    /// Connections to the port at once; further ones wait in the system's queue. Default 256.
    pub max_connections: usize,
    /// mailcow's own login, such as `https://nginx:9082`. With it, mailcow decides and keydove is compared.
    pub shadow_url: Option<String>,
    /// PEM authorities to trust for it, besides the system's.
    pub shadow_ca_file: Option<PathBuf>,
    /// `false` takes any certificate there. Default true.
    pub shadow_tls_verify: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            allow: Vec::new(),
            certificate_file: None,
            key_file: None,
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
    /// 401 with the JSON value `null`. mailcow's script finds no `success` in it and fails, which Dovecot takes for an
    /// internal failure; whoever looks at the status only takes it for a refusal, and nobody for a success.
    #[serde(rename = "null")]
    Null,
    /// 503. mailcow's script takes that for a wrong password.
    #[serde(rename = "503")]
    Status,
    /// The connection is closed without an answer. A proxy in between makes a status of its own of that.
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

/// A mistake between the settings of `[http_login]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which setting, below the table; `None` is the table.
    pub key: Option<&'static str>,
    /// What is wrong.
    pub sentence: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

impl Config {
    /// What contradicts itself, or lets anybody try passwords. `has_socket` is whether a listener has this door.
    #[must_use]
    pub fn faults(&self, has_socket: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(Fault { key, sentence, advice });
        let has_token = self.token_file.is_some() || self.token_credential.is_some();
        let is_set = self.certificate_file.is_some()
            || has_token
            || self.shadow_url.is_some()
            || !self.allow.is_empty();
        if self.listen.is_none() && !has_socket && is_set {
            complain(
                None,
                "nobody could ask over HTTP: there is no port",
                "set listen, such as \"127.0.0.1:9082\", or add a [[listener]] with door = \"http-login\"",
            );
        }
        if self.is_open_to_others() && !self.speaks_tls() && self.allow.is_empty() {
            complain(
                Some("listen"),
                "everybody could try passwords here, and read those of others",
                "set allow to the network of mailcow's containers, such as [\"172.22.1.0/24\"], and certificate_file",
            );
        }
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => {
                complain(Some("certificate_file"), "a certificate without its key", "set key_file too");
            }
            (None, Some(_)) => {
                complain(Some("key_file"), "a key without its certificate", "set certificate_file too");
            }
            _ => {}
        }
        if self.token_file.is_some() && self.token_credential.is_some() {
            complain(
                Some("token_credential"),
                "the token of the port is given twice",
                "set token_file or token_credential, not both",
            );
        }
        if self.max_connections == 0 {
            complain(Some("max_connections"), "without a connection nobody could ask", "256 is a good value");
        }
        self.check_shadow(&mut complain);
        faults
    }

    fn check_shadow(&self, complain: &mut impl FnMut(Option<&'static str>, &'static str, &'static str)) {
        match &self.shadow_url {
            Some(url) if !is_plain_url(url) => complain(
                Some("shadow_url"),
                "this is no address of mailcow's login",
                "write it as \"https://nginx:9082\", without a user and a password",
            ),
            Some(_) => {}
            None if self.shadow_ca_file.is_some() || !self.shadow_tls_verify => complain(
                Some(if self.shadow_ca_file.is_some() { "shadow_ca_file" } else { "shadow_tls_verify" }),
                "this setting is of no use without shadow_url",
                "set shadow_url to mailcow's own login, or take this line out",
            ),
            None => {}
        }
    }

    /// Whether the port speaks TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.certificate_file.is_some()
    }

    /// Whether others than this machine can reach the port.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        self.listen.is_some_and(|address| !address.ip().to_canonical().is_loopback())
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

    fn keys(text: &str) -> Vec<Option<&'static str>> {
        let config: Config = toml::from_str(text).unwrap();
        config.faults(false).into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn a_port_for_everybody_needs_a_list_or_tls() {
        for (text, expected) in [
            ("", &[][..]),
            ("listen = '127.0.0.1:9082'", &[]),
            ("listen = '[::1]:9082'", &[]),
            ("listen = '0.0.0.0:9082'", &[Some("listen")]),
            ("listen = '[::]:9082'", &[Some("listen")]),
            ("listen = '172.22.1.1:9082'", &[Some("listen")]),
            ("listen = '0.0.0.0:9082'\nallow = ['172.22.1.0/24']", &[]),
            ("listen = '0.0.0.0:9082'\ncertificate_file = '/c'\nkey_file = '/k'", &[]),
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
            ("listen = '127.0.0.1:1'\ncertificate_file = '/c'", Some("certificate_file")),
            ("listen = '127.0.0.1:1'\nkey_file = '/k'", Some("key_file")),
            ("allow = ['::1']", None),
            ("listen = '127.0.0.1:1'\ntoken_file = '/t'\ntoken_credential = 't'", Some("token_credential")),
            ("listen = '127.0.0.1:1'\nmax_connections = 0", Some("max_connections")),
            ("listen = '127.0.0.1:1'\nshadow_tls_verify = false", Some("shadow_tls_verify")),
            ("listen = '127.0.0.1:1'\nshadow_ca_file = '/c'", Some("shadow_ca_file")),
            ("listen = '127.0.0.1:1'\nshadow_url = 'nginx:9082'", Some("shadow_url")),
            ("listen = '127.0.0.1:1'\nshadow_url = 'https://u:p@nginx'", Some("shadow_url")),
        ] {
            assert_eq!(keys(text), [expected], "{text}");
        }
    }
}
