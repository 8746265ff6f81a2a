//! `keydove-portal.toml`: where the portal is, which Keycloak, which mail servers.
//!
//! As keydove's own file it is read in three steps: text, types, checks. Faults show file, line, column and a caret.

mod address;
mod apple;
mod checks;
mod load;
mod mail;
mod secret;

use std::net::SocketAddr;
use std::path::PathBuf;

use keydove_words::settings::Network;
use serde::Deserialize;

use crate::texts::Language;

pub use keydove_words::diagnostics::Error;

pub use address::{HttpAddress, NotAnAddress};
pub use apple::Apple;
pub use mail::{Mail, Server, Tls};
pub use secret::SecretError;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the portal is.
    pub portal: Portal,
    /// Who signs people in.
    pub keycloak: Keycloak,
    /// What mail programs need to know.
    pub mail: Mail,
    /// Access tokens instead of passwords in mail programs. Only where keydove has `[oauth]`.
    pub oauth: Option<Oauth>,
    /// The certificate for Apple's profiles. Default: they are not signed.
    pub apple: Option<Apple>,
}

/// `[portal]`: where the portal is and how it looks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portal {
    /// The address that people open, such as `"https://account.example.org"`: no path behind it.
    pub public_url: HttpAddress,
    /// Where it listens: `"127.0.0.1:8484"`, the path of a socket, or `"systemd"`. Default `"127.0.0.1:8484"`.
    #[serde(default)]
    pub listen: Listen,
    /// Proxies whose `X-Forwarded-For` counts, as addresses or networks. A proxy at a Unix socket always counts.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// keydove's socket `door = "portal"`. Default `"/run/keydove/portal"`.
    #[serde(default = "default_socket")]
    pub daemon_socket: PathBuf,
    /// Whose portal it is, for the head of each page. Default: the first of `[mail] domains`.
    pub name: Option<String>,
    /// Who helps, as `"mailto:help@example.org"` or an address of the web.
    pub help: Option<String>,
    /// The languages, the first for browsers that want none of them. Default `["en", "de"]`.
    #[serde(default = "default_languages")]
    pub languages: Vec<Language>,
    /// How many connections there may be at one time. Default `512`.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
}

/// `[keycloak]`: the realm, and the portal's own client there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keycloak {
    /// The realm as browsers see it and tokens name it: `"https://sso.example.org/realms/mail"`.
    pub issuer: HttpAddress,
    /// The same realm as this machine reaches it. Default: `issuer`.
    pub backend_url: Option<HttpAddress>,
    /// The client's id. Default `"keydove-portal"`.
    #[serde(default = "default_client")]
    pub client_id: String,
    /// A file with the client's secret.
    pub client_secret_file: Option<PathBuf>,
    /// The name of systemd's credential with the client's secret.
    pub client_secret_credential: Option<String>,
    /// The client role of administrators. Default `"administrator"`.
    #[serde(default = "default_role")]
    pub administrator_role: String,
    /// The certificate, in PEM, of a private authority that issued Keycloak's certificate.
    pub ca_file: Option<PathBuf>,
}

/// `[oauth]`: what mail programs say to Keycloak.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth {
    /// The public client for mail programs, such as `"thunderbird"`.
    pub client_id: String,
    /// What they ask for. Default `"openid email offline_access"`.
    #[serde(default = "default_scope")]
    pub scope: String,
}

/// Where the portal listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// At a port.
    Port(SocketAddr),
    /// At a Unix socket.
    Socket(PathBuf),
    /// At the sockets that systemd hands in.
    Systemd,
}

/// A text that is no place to listen.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no address with a port such as `127.0.0.1:8484`, no path of a socket, and not `systemd`")]
pub struct NotAPlace(String);

impl TryFrom<String> for Listen {
    type Error = NotAPlace;

    fn try_from(text: String) -> Result<Self, NotAPlace> {
        match text.as_str() {
            "systemd" => Ok(Self::Systemd),
            path if path.starts_with('/') => Ok(Self::Socket(path.into())),
            address => address.parse().map(Self::Port).map_err(|_| NotAPlace(text)),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self::Port(([127, 0, 0, 1], 8484).into())
    }
}

impl Keycloak {
    /// The realm as this machine reaches it.
    #[must_use]
    pub fn backend(&self) -> &HttpAddress {
        self.backend_url.as_ref().unwrap_or(&self.issuer)
    }
}

impl Config {
    /// Whose portal it is.
    #[must_use]
    pub fn name(&self) -> &str {
        let domain = || self.mail.domains.first().map_or("", String::as_str);
        self.portal.name.as_deref().unwrap_or_else(domain)
    }
}

fn default_socket() -> PathBuf {
    "/run/keydove/portal".into()
}

fn default_languages() -> Vec<Language> {
    Language::ALL.to_vec()
}

fn default_connections() -> usize {
    512
}

fn default_client() -> String {
    "keydove-portal".to_owned()
}

fn default_role() -> String {
    "administrator".to_owned()
}

fn default_scope() -> String {
    "openid email offline_access".to_owned()
}
