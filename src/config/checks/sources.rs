//! The sources of people: each Keycloak, and mailcow's own settings of it.

use std::collections::HashSet;

use crate::auth::normalise_domain;
use crate::backend::keycloak;
use crate::config::{KeycloakTable, Tables};
use crate::settings::SettingFault;

/// The column that remembers it holds no more.
const MAX_NAME_CHARACTERS: usize = 255;
const TAKE_OUT_OR_SWITCH_OFF: &str = "take it out, or set identity_provider = false under [mailcow]";

pub(super) fn check_keycloaks(file: &Tables, faults: &mut Vec<SettingFault>) {
    if file.keycloak.is_none() && !file.mailcow.identity_provider {
        let advice = "add [keycloak] with server_url, realm, client_id and client_secret_file, or, to take mailcow's own \
                      settings, [mailcow] with identity_provider = true";
        faults.push(SettingFault::at(&[], "there is no [keycloak], so nobody could be looked up", advice));
    }
    let (mut domains, mut names) = (HashSet::new(), HashSet::new());
    for (place, keycloak) in file.keycloaks() {
        let mut complain = |key: Option<&str>, sentence: &str, advice: &str| {
            let mut fault = SettingFault::at(&[], sentence, advice);
            fault.keys = place.keys().into_iter().chain(key.map(str::to_owned)).collect();
            faults.push(fault);
        };
        if place == KeycloakTable::Keycloak && file.mailcow.identity_provider {
            check_beside_mailcow(keycloak, &mut complain);
        } else {
            check_address(keycloak, &mut complain);
        }
        if place != KeycloakTable::Keycloak && keycloak.domains.is_empty() {
            let advice = "set domains; only [keycloak] may serve all that no other source names";
            complain(None, "this source has no domains", advice);
        } else {
            check_name(place.name(keycloak), &mut names, &mut complain);
        }
        for domain in &keycloak.domains {
            let Ok(normal) = normalise_domain(domain) else { continue };
            if !domains.insert(normal) {
                complain(Some("domains"), "two sources have the same domain", "give each domain one source");
            }
        }
    }
}

/// Where Keycloak is, who asks, and with which secret: all of it must be there.
fn check_address(keycloak: &keycloak::Config, complain: &mut impl FnMut(Option<&str>, &str, &str)) {
    let parts = [
        ("server_url", keycloak.server_url.is_some()),
        ("realm", keycloak.realm.is_some()),
        ("client_id", keycloak.client_id.is_some()),
    ];
    for (key, _) in parts.into_iter().filter(|(_, is_there)| !is_there) {
        let advice = "add it to this table; docs/configuration.md lists every setting";
        complain(None, &format!("missing field `{key}`"), advice);
    }
    if keycloak.client_secret_file.is_none() && keycloak.client_secret_credential.is_none() {
        let advice = "set client_secret_file to a file with mode 0600, or client_secret_credential, not both";
        complain(None, "the client secret is missing", advice);
    }
}

/// None of it may be there: mailcow says it, and two places would contradict each other one day.
fn check_beside_mailcow(keycloak: &keycloak::Config, complain: &mut impl FnMut(Option<&str>, &str, &str)) {
    let parts = [
        ("server_url", keycloak.server_url.is_some()),
        ("realm", keycloak.realm.is_some()),
        ("client_id", keycloak.client_id.is_some()),
        ("client_secret_file", keycloak.client_secret_file.is_some()),
        ("client_secret_credential", keycloak.client_secret_credential.is_some()),
    ];
    for (key, _) in parts.into_iter().filter(|(_, is_there)| *is_there) {
        complain(Some(key), &of_mailcow(key), TAKE_OUT_OR_SWITCH_OFF);
    }
}

fn of_mailcow(key: &str) -> String {
    format!("`{key}` comes from mailcow's table `identity_provider`")
}

fn check_name(
    name: String,
    names: &mut HashSet<String>,
    complain: &mut impl FnMut(Option<&str>, &str, &str),
) {
    if name.chars().count() > MAX_NAME_CHARACTERS {
        complain(Some("name"), "this name is too long", "a name has at most 255 characters");
    }
    if !names.insert(name) {
        let advice = "mailboxes remember their source by its name: give each source a name of its own";
        complain(Some("name"), "two sources have the same name", advice);
    }
}

pub(super) fn check_mailcow(file: &Tables, faults: &mut Vec<SettingFault>) {
    let parts = [
        ("default_template", file.provisioning.default_template.is_some()),
        ("mappings", !file.provisioning.mappings.is_empty()),
    ];
    for (key, is_there) in parts {
        if is_there && file.mailcow.identity_provider {
            faults.push(SettingFault::at(&["provisioning", key], of_mailcow(key), TAKE_OUT_OR_SWITCH_OFF));
        }
    }
}
