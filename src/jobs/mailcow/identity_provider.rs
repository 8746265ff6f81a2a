//! What the rows of mailcow's table `identity_provider` mean.

use std::time::Duration;

use super::Config;
use crate::auth::{Secret, TempFail, TempFailReason};
use crate::backend::keycloak;
use crate::backend::keycloak::{Address, RealmName, ServerUrl};
use crate::backend::sql::IdentityProviderRows;
use crate::jobs::sync::Wanted;
use crate::provision::Mapping;

/// mailcow's settings of its identity provider, as far as mail logins need them.
///
/// mailcow itself lets nobody log in to mail unless `redirect_url` and `version` are filled in as well. Neither means
/// anything to a mail login, so they are not read.
#[derive(Debug)]
pub struct IdentityProvider {
    /// `keycloak`, `ldap`, `generic-oidc`, or empty when none is set up.
    pub authsource: String,
    /// Without trailing slashes. This and the next three may be empty.
    pub server_url: String,
    /// The realm.
    pub realm: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// `mailpassword_flow`: main passwords are checked against Keycloak's attribute. Off unless it is 1.
    pub mail_passwords: bool,
    /// `login_provisioning`: a first login makes the mailbox. On unless it is empty or 0.
    pub provisioning: bool,
    /// `mappers`, `templates` and `default_template`.
    pub mapping: Mapping,
    /// `periodic_sync`, `import_users` and `sync_interval`: what mailcow's own job does, and keydove's sync in its place.
    pub sync: Wanted,
    /// `ignore_ssl_error`: certificates are not verified.
    pub ignores_tls: bool,
}

/// In minutes: a week.
const LONGEST_INTERVAL: u64 = 7 * 24 * 60;
/// Minutes between two runs, where the table has none that mailcow would take.
const SYNC_INTERVAL: u64 = 15;

/// A setting without which Keycloak cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSettings {
    /// No row, or an empty one.
    #[error(
        "mailcow's table `identity_provider` has no `{0}`: set it in mailcow's identity provider settings"
    )]
    Missing(&'static str),
    /// Not the address of a server. It is not shown, because a password may stand in it.
    #[error(
        "`server_url` in mailcow's table `identity_provider` is no server's root such as `https://sso.example.org`"
    )]
    ServerUrl,
}

impl UnusableSettings {
    /// What a login is told.
    #[must_use]
    pub fn temp_fail(&self) -> TempFail {
        TempFail::new(TempFailReason::KeycloakSettings, self.to_string())
    }
}

impl IdentityProvider {
    /// Reads the rows as mailcow does; `mappers` may also be an object, on which mailcow itself fails.
    #[must_use]
    pub fn read(rows: &IdentityProviderRows) -> Self {
        let text = |key| rows.text(key).unwrap_or_default();
        Self {
            authsource: text("authsource").to_owned(),
            server_url: text("server_url").trim().trim_end_matches('/').to_owned(),
            realm: text("realm").to_owned(),
            client_id: text("client_id").to_owned(),
            client_secret: rows.client_secret().map_or_else(|| Secret::from(""), Secret::duplicate),
            mail_passwords: text("mailpassword_flow").trim() == "1",
            provisioning: !matches!(rows.text("login_provisioning"), Some("" | "0")),
            mapping: Mapping::from_mailcow(
                rows.text("mappers"),
                rows.text("templates"),
                rows.text("default_template"),
            ),
            sync: read_sync(rows),
            ignores_tls: is_on(rows.text("ignore_ssl_error")),
        }
    }

    /// `[keycloak]` for this Keycloak. Certificates are not verified only where mailcow's form and the administrator of
    /// keydove both say so.
    #[must_use]
    pub fn client_settings(&self, keycloak: &keycloak::Config, config: &Config) -> keycloak::Config {
        let tls_verify = keycloak.tls_verify && !(self.ignores_tls && config.ignore_ssl_error);
        keycloak::Config { tls_verify, ..keycloak.clone() }
    }

    /// Whether people are in Keycloak.
    #[must_use]
    pub fn is_keycloak(&self) -> bool {
        self.authsource == "keycloak"
    }

    /// Where Keycloak is, and who asks.
    ///
    /// # Errors
    /// The first setting that is missing or cannot be used, the client secret included.
    pub fn address(&self) -> Result<Address, UnusableSettings> {
        if self.server_url.is_empty() {
            return Err(UnusableSettings::Missing("server_url"));
        }
        let server_url =
            ServerUrl::try_from(self.server_url.clone()).map_err(|_| UnusableSettings::ServerUrl)?;
        let realm =
            RealmName::try_from(self.realm.clone()).map_err(|_| UnusableSettings::Missing("realm"))?;
        if self.client_id.is_empty() {
            return Err(UnusableSettings::Missing("client_id"));
        }
        if self.client_secret.is_empty() {
            return Err(UnusableSettings::Missing("client_secret"));
        }
        Ok(Address { server_url, realm, client_id: self.client_id.clone() })
    }
}

/// As mailcow stores a switch of its form.
fn is_on(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.trim() == "1")
}

/// mailcow's job begins with neither switch on, and not without Keycloak.
fn read_sync(rows: &IdentityProviderRows) -> Wanted {
    let (updates, import) = (is_on(rows.text("periodic_sync")), is_on(rows.text("import_users")));
    if rows.text("authsource") != Some("keycloak") || !(updates || import) {
        return Wanted::NOTHING;
    }
    let minutes = rows.text("sync_interval").and_then(|text| text.trim().parse().ok());
    let minutes = minutes.filter(|minutes| *minutes >= 1).unwrap_or(SYNC_INTERVAL).min(LONGEST_INTERVAL);
    Wanted { interval: Duration::from_secs(60 * minutes), updates, import }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: [(&str, &str); 5] = [
        ("authsource", "keycloak"),
        ("server_url", "https://sso.example.org/auth//"),
        ("realm", "mail"),
        ("client_id", "mailcow"),
        ("client_secret", "s3cret"),
    ];

    fn read<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> IdentityProvider {
        let rows = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
        IdentityProvider::read(&rows.collect())
    }

    #[test]
    fn complete_settings_have_an_address() {
        let settings = read(COMPLETE);
        let address = settings.address().unwrap();
        assert_eq!(address.server_url.as_str(), "https://sso.example.org/auth");
        assert_eq!((address.realm.as_str(), &*address.client_id), ("mail", "mailcow"));
        assert!(settings.is_keycloak() && settings.client_secret.matches(b"s3cret"));
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for key in ["server_url", "realm", "client_id", "client_secret"] {
            let without = COMPLETE.into_iter().filter(|(name, _)| *name != key);
            assert_eq!(read(without).address(), Err(UnusableSettings::Missing(key)));
            let empty = COMPLETE.map(|(name, value)| (name, if name == key { "" } else { value }));
            assert_eq!(read(empty).address(), Err(UnusableSettings::Missing(key)));
        }
        let trouble = UnusableSettings::Missing("realm").temp_fail();
        assert!(trouble.to_string().starts_with("keycloak_settings: ") && trouble.detail.contains("`realm`"));
    }

    #[test]
    fn an_odd_address_is_not_shown() {
        for url in ["sso.example.org", "https://me:marker@sso.example.org", "https://x/realms/mail"] {
            let odd = COMPLETE.map(|(name, value)| (name, if name == "server_url" { url } else { value }));
            let trouble = read(odd).address().unwrap_err();
            assert_eq!(trouble, UnusableSettings::ServerUrl);
            assert!(!trouble.to_string().contains("marker"));
        }
    }

    /// Edge case 38.
    #[test]
    fn main_passwords_are_in_use_only_where_the_flow_is_one() {
        assert!(read([("mailpassword_flow", "1")]).mail_passwords);
        assert!(!read([]).mail_passwords);
        for value in ["", "0", "2", "true", "on", "11"] {
            assert!(!read([("mailpassword_flow", value)]).mail_passwords, "{value}");
        }
    }

    #[test]
    fn mailcows_switches_say_what_the_sync_does() {
        let sync = |pairs: &[(&'static str, &'static str)]| {
            read([("authsource", "keycloak")].into_iter().chain(pairs.iter().copied())).sync
        };
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(sync(&[]), Wanted::NOTHING);
        assert_eq!(sync(&[("sync_interval", "5")]), Wanted::NOTHING);
        let both = sync(&[("periodic_sync", "1"), ("import_users", "1"), ("sync_interval", "5")]);
        assert_eq!(both, Wanted { interval: minutes(5), updates: true, import: true });
        for interval in ["", "0", "-3", "x"] {
            let import = sync(&[("import_users", "1"), ("sync_interval", interval)]);
            assert_eq!(import, Wanted { interval: minutes(15), updates: false, import: true }, "{interval}");
        }
        assert_eq!(read([("authsource", "ldap"), ("periodic_sync", "1")]).sync, Wanted::NOTHING);
    }

    #[test]
    fn certificates_are_ignored_only_where_both_sides_say_so() {
        for (row, setting, verifies) in
            [("1", true, false), ("1", false, true), ("0", true, true), ("", true, true)]
        {
            let config = Config { ignore_ssl_error: setting, ..Config::default() };
            let settings = read([("ignore_ssl_error", row)]);
            let client = settings.client_settings(&keycloak::Config::default(), &config);
            assert_eq!(client.tls_verify, verifies, "{row} {setting}");
        }
    }

    /// Edge case 40.
    #[test]
    fn a_missing_row_provisions_and_an_empty_one_does_not() {
        assert!(read([]).provisioning && read([("login_provisioning", "1")]).provisioning);
        for value in ["", "0"] {
            assert!(!read([("login_provisioning", value)]).provisioning, "{value}");
        }
    }

    /// Edge case 39: nothing, or something else, is no Keycloak.
    #[test]
    fn only_keycloak_is_keycloak() {
        for authsource in ["", "ldap", "generic-oidc", "Keycloak"] {
            assert!(!read([("authsource", authsource)]).is_keycloak(), "{authsource}");
        }
        assert!(!read([]).is_keycloak());
    }

    /// Edge case 44.
    #[test]
    fn lists_and_objects_are_mappings_and_anything_else_is_none() {
        let mapping = |mappers, templates| {
            read([("mappers", mappers), ("templates", templates), ("default_template", "Default")]).mapping
        };
        let list = mapping(r#"["gold", "silver"]"#, r#"["Gold", "Silver"]"#);
        let object = mapping(r#"{"0":"gold","2":"silver"}"#, r#"{"0":"Gold","2":"Silver"}"#);
        for mapping in [list, object] {
            assert_eq!((mapping.len(), mapping.mapped(Some("silver"))), (2, Some("Silver")));
        }
        for odd in ["", "null", "{", "7", "\"gold\""] {
            let mapping = mapping(odd, r#"["Gold"]"#);
            assert_eq!((mapping.len(), mapping.for_new(Some("gold"))), (0, Ok("Default")), "{odd}");
        }
    }
}
