//! `[keycloak]`: where Keycloak is, and who asks.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde::Deserialize;

use crate::auth::normalise_domain;
use crate::settings::{Period, Section, SettingFault};

const DEFAULT_CONNECT_TIMEOUT: Period = Period::from_secs(2);
const DEFAULT_REQUEST_TIMEOUT: Period = Period::from_secs(4);
const DEFAULT_MAX_CONNECTIONS: usize = 8;
const MIN_EVENT_PERIOD: Duration = Duration::from_millis(500);

/// What stays as it is in a path segment or a query value (RFC 3986, unreserved). `+` does not: Keycloak reads
/// it as a space.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The Keycloak server and realm that know your users. Required, unless `[mailcow] identity_provider` is on.
///
/// For each further Keycloak or realm write a `[[keycloak_source]]` with the same settings; there `domains` is
/// required. docs/keycloak.md prepares the realm.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The server's root address. With `/auth` only where the server has it (before Keycloak 17, or with
    /// `http-relative-path`). Not the address of a realm or of the admin console. Default: required.
    pub server_url: Option<ServerUrl>,
    /// The server's root as access tokens name it (Keycloak's `hostname`), if keydove reaches the server by another
    /// address. For `[oauth]` only. Default: `server_url`.
    pub public_url: Option<ServerUrl>,
    /// The realm of your users. Letter case counts. Default: required.
    pub realm: Option<RealmName>,
    /// The id of keydove's client. Letter case counts. Default: required.
    pub client_id: Option<String>,
    /// A file with the client secret. Default: this or `client_secret_credential` is required.
    pub client_secret_file: Option<PathBuf>,
    /// The name of a systemd credential with the client secret (`LoadCredential=`). Default: this or
    /// `client_secret_file` is required.
    pub client_secret_credential: Option<String>,
    /// The name by which mailboxes remember this source; unique, and not to be changed later. Default: empty for
    /// `[keycloak]`, otherwise the first of `domains`.
    pub name: Option<String>,
    /// A PEM file of certificate authorities to trust besides the system's. The user `keydove` must be able to read
    /// it.
    pub ca_file: Option<PathBuf>,
    /// `false` accepts any certificate on every call, so that anybody who answers in Keycloak's place decides who
    /// may log in; each start warns. Default `true`.
    pub tls_verify: bool,
    /// How long TCP and TLS may take. Default `"2s"`.
    pub connect_timeout: Period,
    /// How long one call may take, connecting included; shorter than `[login] deadline`. Default `"4s"`.
    pub request_timeout: Period,
    /// How many calls may run at once; more than about 8 only queue inside Keycloak. Default `8`.
    pub max_connections: usize,
    /// How often keydove reads Keycloak's events, such as `"2s"`, so that a change counts at once and not after
    /// `max_staleness`; `"0"` is never. It needs the role `view-events`: docs/off-boarding.md. Default `"0"`.
    pub poll_events: Period,
    /// How keydove finds the user of an address. Default `"email"`.
    pub lookup: LookupBy,
    /// With `lookup = "attribute"`: the attribute that holds mail addresses.
    pub lookup_attribute: Option<String>,
    /// Refuse users whose address Keycloak has not verified. Default `false`.
    pub require_verified_email: bool,
    /// Refuse users without this realm role; inherited roles count. Costs one more call each time keydove asks for
    /// a user.
    pub required_role: Option<String>,
    /// Refuse users outside this group, such as `/staff/mail`; subgroups count. Costs one more call each time
    /// keydove asks for a user.
    pub required_group: Option<String>,
    /// Refuse users without this attribute, or, as `name=value`, without this value.
    pub required_attribute: Option<String>,
    /// The mail domains of this source. Default: all that no other source names.
    pub domains: Vec<String>,
    /// The user attribute with the password as a `{SCHEME}` string; its first value counts. Default
    /// `"mailcow_password"`.
    pub password_attribute: String,
    /// The user attribute that selects the mailbox template; its first value counts: see `[provisioning.mappings]`.
    /// Default `"mailcow_template"`.
    pub template_attribute: String,
    /// The user attribute that stays the same when Keycloak gives a user a new id. keydove notes it with the
    /// mailbox, for `keydove mailbox adopt --all`. Users must not be able to change it: docs/ldap.md. Default
    /// `"LDAP_ID"`.
    pub mark_attribute: String,
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(SettingFault::new(key, sentence, advice));
        let period = self.poll_events.get();
        if !period.is_zero() && period < MIN_EVENT_PERIOD {
            let advice = "each look is two calls of Keycloak; 2s is a good value";
            complain("poll_events", "events may be polled every 500ms at most", advice);
        }
        match (self.lookup, &self.lookup_attribute) {
            (LookupBy::Attribute, None) => complain(
                "lookup",
                "the lookup by attribute needs an attribute",
                "set lookup_attribute to the name of the attribute that holds mail addresses",
            ),
            (LookupBy::Email | LookupBy::Username | LookupBy::LocalPart, Some(_)) => complain(
                "lookup_attribute",
                "this attribute is never looked at",
                "set lookup = \"attribute\", or take this line out",
            ),
            _ => {}
        }
        if self.domains.iter().any(|domain| normalise_domain(domain).is_err()) {
            faults.push(SettingFault::no_domain("domains"));
        }
        faults
    }

    fn files(&self) -> Vec<&Path> {
        self.ca_file.as_deref().into_iter().collect()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_url: None,
            public_url: None,
            realm: None,
            client_id: None,
            client_secret_file: None,
            client_secret_credential: None,
            name: None,
            ca_file: None,
            tls_verify: true,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            poll_events: Period::from_secs(0),
            lookup: LookupBy::default(),
            lookup_attribute: None,
            require_verified_email: false,
            required_role: None,
            required_group: None,
            required_attribute: None,
            domains: Vec::new(),
            password_attribute: "mailcow_password".to_owned(),
            template_attribute: "mailcow_template".to_owned(),
            mark_attribute: "LDAP_ID".to_owned(),
        }
    }
}

impl Config {
    /// Where this Keycloak is and who asks; `None` while a part of it is missing. It stands in the file, or in
    /// mailcow's table.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Some(Address {
            server_url: self.server_url.clone()?,
            realm: self.realm.clone()?,
            client_id: self.client_id.clone()?,
        })
    }
}

/// Where a Keycloak is, which of its realms is asked, and as which client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The server.
    pub server_url: ServerUrl,
    /// The realm.
    pub realm: RealmName,
    /// The client.
    pub client_id: String,
}

/// How a mail address finds its person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookupBy {
    /// Keycloak's `email` is the mail address.
    #[default]
    Email,
    /// Keycloak's user name is the mail address.
    Username,
    /// Keycloak's user name is what stands before the `@`.
    LocalPart,
    /// `lookup_attribute` holds the mail address, or several.
    Attribute,
}

/// The root address of a Keycloak server, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerUrl(String);

/// A text that is no server address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAServerUrl {
    /// Not a URL, or not http(s).
    #[error("`{0}` is not an address such as `https://sso.example.org`")]
    NotHttp(String),
    /// The address of a realm.
    #[error("`{0}` is the address of a realm: give the server's root only, and the realm as `realm`")]
    OfARealm(String),
    /// The address of the admin console.
    #[error("`{0}` is the address of the admin console: leave out `/admin`")]
    OfTheConsole(String),
    /// A query, a fragment, or a user name.
    #[error("`{0}` has a part that a server's root has not (`?`, `#` or a user name)")]
    TooMuch(String),
}

impl ServerUrl {
    /// The address, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the client secret and passwords' hashes travel in the clear: `http`, and not to this machine.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        let url = Url::parse(&self.0).ok().filter(|url| url.scheme() == "http");
        let Some(host) = url.as_ref().and_then(Url::host_str) else { return false };
        let is_loopback = |host: &str| host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        host != "localhost" && !is_loopback(host.trim_matches(['[', ']']))
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = NotAServerUrl;

    fn try_from(text: String) -> Result<Self, NotAServerUrl> {
        // Keycloak answers a doubled slash with 400.
        let trimmed = text.trim_end_matches('/');
        let url = match Url::parse(trimmed) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => return Err(NotAServerUrl::NotHttp(text)),
        };
        if url.path().contains("/realms/") || url.path().ends_with("/realms") {
            return Err(NotAServerUrl::OfARealm(text));
        }
        if url.path().ends_with("/admin") || url.path().contains("/admin/") {
            return Err(NotAServerUrl::OfTheConsole(text));
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(NotAServerUrl::TooMuch(text));
        }
        Ok(Self(trimmed.to_owned()))
    }
}

/// The name of a Keycloak realm; never to be mixed up with a SASL realm or a mail domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RealmName(String);

/// An empty realm name.
#[derive(Debug, thiserror::Error)]
#[error("the realm has no name")]
pub struct NoName;

impl TryFrom<String> for RealmName {
    type Error = NoName;

    fn try_from(text: String) -> Result<Self, NoName> {
        if text.is_empty() { Err(NoName) } else { Ok(Self(text)) }
    }
}

impl RealmName {
    /// The name as Keycloak shows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// The token endpoint.
    pub(super) fn token_url(&self) -> String {
        self.protocol_url("token")
    }

    /// The realm's public keys.
    pub(super) fn keys_url(&self) -> String {
        self.protocol_url("certs")
    }

    /// Where Keycloak is asked whether a token is active.
    pub(super) fn introspection_url(&self) -> String {
        self.protocol_url("token/introspect")
    }

    /// Who issues the tokens of this realm, for a server that is known to the outside by this address.
    #[must_use]
    pub fn issuer(&self, public_url: Option<&ServerUrl>) -> String {
        // Keycloak encodes the name of the realm in the path as in any other.
        let server = public_url.unwrap_or(&self.server_url).as_str();
        format!("{server}/realms/{}", escape(self.realm.as_str()))
    }

    fn protocol_url(&self, part: &str) -> String {
        format!("{}/protocol/openid-connect/{part}", self.issuer(None))
    }

    /// What belongs to one person.
    pub(super) fn user_url(&self, id: &str, part: &str) -> String {
        format!("{}/{}/{part}", self.users_url(), escape(id))
    }

    /// The realm's user profile.
    pub(super) fn profile_url(&self) -> String {
        format!("{}/profile", self.users_url())
    }

    /// The number of users.
    pub(super) fn count_url(&self) -> String {
        format!("{}/count", self.users_url())
    }

    /// The list of users.
    pub(super) fn users_url(&self) -> String {
        self.realm_url("users")
    }

    /// What belongs to the realm, with its query.
    pub(super) fn realm_url(&self, part: &str) -> String {
        let (server, realm) = (self.server_url.as_str(), escape(self.realm.as_str()));
        format!("{server}/admin/realms/{realm}/{part}")
    }
}

/// Percent-encodes everything but unreserved characters.
pub(super) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(server_url: &str, realm: &str) -> Address {
        let text = format!("server_url = {server_url:?}\nrealm = {realm:?}\nclient_id = \"mailcow\"");
        toml::from_str::<Config>(&text).unwrap().address().unwrap()
    }

    #[test]
    fn realms_with_spaces_and_slashes_have_addresses() {
        let address = address("https://sso.example.org/auth//", "my realm/ü+1");
        assert_eq!(
            address.users_url(),
            "https://sso.example.org/auth/admin/realms/my%20realm%2F%C3%BC%2B1/users"
        );
        let token =
            "https://sso.example.org/auth/realms/my%20realm%2F%C3%BC%2B1/protocol/openid-connect/token";
        assert_eq!(address.token_url(), token);
    }

    #[test]
    fn a_plus_never_stays_a_plus() {
        assert_eq!(escape("plus+tag@example.org"), "plus%2Btag%40example.org");
        assert_eq!(escape("o'brien&x=1%@ü.example"), "o%27brien%26x%3D1%25%40%C3%BC.example");
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        let in_the_clear = |text: &str| ServerUrl::try_from(text.to_owned()).unwrap().is_in_the_clear();
        for text in
            ["https://sso.example.org", "http://localhost:8080", "http://[::1]/auth", "http://127.1.2.3"]
        {
            assert!(!in_the_clear(text), "{text}");
        }
        for text in ["http://sso.example.org", "http://localhost.example.org", "http://192.0.2.1:8080"] {
            assert!(in_the_clear(text), "{text}");
        }
    }

    #[test]
    fn addresses_of_something_else_are_explained() {
        let url = |text: &str| ServerUrl::try_from(text.to_owned());
        assert!(matches!(url("https://sso.example.org/realms/mail"), Err(NotAServerUrl::OfARealm(_))));
        assert!(matches!(url("https://sso.example.org/admin/"), Err(NotAServerUrl::OfTheConsole(_))));
        assert!(matches!(url("sso.example.org"), Err(NotAServerUrl::NotHttp(_))));
        assert!(matches!(url("ldap://sso.example.org"), Err(NotAServerUrl::NotHttp(_))));
        assert!(matches!(url("https://me:pw@sso.example.org"), Err(NotAServerUrl::TooMuch(_))));
        assert!(matches!(url("https://sso.example.org/?x=1"), Err(NotAServerUrl::TooMuch(_))));
        assert_eq!(url("http://127.0.0.1:8080/").unwrap().as_str(), "http://127.0.0.1:8080");
    }
}
