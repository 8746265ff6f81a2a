//! Each row of mailcow's table `identity_provider`, and what keydove makes of it. Values are shown only of rows that hold no
//! secret.

use super::Checked;
use crate::backend::sql::IDENTITY_PROVIDER_KEYS;
use crate::jobs::mailcow::IdentityProvider;
use crate::jobs::sync::Wanted;

/// What a row is to keydove.
enum Use {
    /// It is what the administrator reads in this line.
    Said(String),
    /// Nothing.
    Unused(&'static str),
}

const OF_WEB: &str = "for mailcow's web login; a mail login needs none";
const OF_OIDC: &str = "of the provider Generic-OIDC; not used";
const OF_LDAP: &str = "of the provider LDAP; not used";

/// A line for each key that the table has, and for each that keydove reads and the table has not.
pub(super) fn lines(keys: &[String], settings: &IdentityProvider, checked: &Checked<'_>) -> Vec<String> {
    let is_there = |key: &str| keys.iter().any(|one| one == key);
    let line = |key: &str| {
        let missing = if is_there(key) { "" } else { " (no such row)" };
        match meaning(key, settings, checked) {
            Use::Said(words) => format!("  {key}{missing}: {words}"),
            Use::Unused(why) => format!("  {key}: {why}"),
        }
    };
    let read = IDENTITY_PROVIDER_KEYS.iter().copied();
    let others = keys.iter().map(String::as_str).filter(|key| !IDENTITY_PROVIDER_KEYS.contains(key));
    read.chain(others).map(line).collect()
}

fn meaning(key: &str, settings: &IdentityProvider, checked: &Checked<'_>) -> Use {
    let config = checked.config;
    let on = |on: bool| if on { "on" } else { "off" };
    let or_none = |text: &str| if text.is_empty() { "not set".to_owned() } else { text.to_owned() };
    Use::Said(match key {
        "authsource" => or_none(&settings.authsource),
        // What is no address may hold a password.
        "server_url" => match settings.address() {
            Ok(address) => address.server_url.as_str().to_owned(),
            Err(error) => error.to_string(),
        },
        "realm" => or_none(&settings.realm),
        "client_id" => or_none(&settings.client_id),
        "client_secret" if settings.client_secret.is_empty() => "not set".to_owned(),
        "client_secret" => "set (not shown)".to_owned(),
        "mailpassword_flow" => format!("main passwords {}", on(settings.mail_passwords)),
        "login_provisioning" => match config.provisioning.enabled {
            Some(own) => format!("overridden by [provisioning] enabled: mailboxes at a first login {}", on(own)),
            None => format!("mailboxes at a first login {}", on(settings.provisioning)),
        },
        "default_template" => settings.mapping.default_template().map_or_else(
            || "none".to_owned(),
            |template| format!("`{template}` for new users without a mapping"),
        ),
        "mappers" | "templates" => format!("{} mappings", settings.mapping.len()),
        "periodic_sync" | "import_users" | "sync_interval" => sync(key, settings, checked),
        "ignore_ssl_error" => match (settings.ignores_tls, config.mailcow.ignore_ssl_error) {
            (false, _) => "off: certificates are verified".to_owned(),
            (true, false) => {
                "on, and not followed: certificates are verified; [mailcow] ignore_ssl_error = true follows it".to_owned()
            }
            (true, true) => "on, and followed: NO CERTIFICATE OF KEYCLOAK IS VERIFIED".to_owned(),
        },
        "access_token" => return Use::Unused("mailcow's own token; not read"),
        "redirect_url" | "redirect_url_extra" | "version" => return Use::Unused(OF_WEB),
        "authorize_url" | "token_url" | "userinfo_url" | "client_scopes" => return Use::Unused(OF_OIDC),
        "host" | "port" | "basedn" | "username_field" | "attribute_field" | "filter" | "binddn" | "bindpass"
        | "use_ssl" | "use_tls" => return Use::Unused(OF_LDAP),
        _ => return Use::Unused("keydove does not know this row; not used"),
    })
}

fn sync(key: &str, settings: &IdentityProvider, checked: &Checked<'_>) -> String {
    let config = checked.config;
    let Wanted { interval, updates, import } = config.sync.overriding(settings.sync);
    if config.http_login.shadow_url.is_some() && config.sync.interval.is_none() {
        return "not followed in shadow mode: mailcow's own job goes on".to_owned();
    }
    let overridden = |is_set: bool, name: &str| match is_set {
        true => format!("overridden by [sync] {name}: "),
        false => String::new(),
    };
    let on = |on: bool| if on { "on" } else { "off" };
    match key {
        "periodic_sync" => {
            let own = overridden(config.sync.interval.is_some(), "interval");
            format!("{own}the sync brings mailboxes in line: {}", on(updates && !interval.is_zero()))
        }
        "import_users" => {
            let own = overridden(config.sync.import.is_some(), "import");
            format!("{own}the sync makes mailboxes: {}", on(import && !interval.is_zero()))
        }
        _ if interval.is_zero() => "no run of the sync".to_owned(),
        _ => {
            let own = overridden(config.sync.interval.is_some(), "interval");
            format!("{own}a run of the sync every {} min", interval.as_secs() / 60)
        }
    }
}
