//! The sources of people: each Keycloak, and mailcow's own settings of it.

use std::collections::HashSet;
use std::time::Duration;

use super::{DOMAIN_ADVICE, Fault, NO_DOMAIN};
use crate::auth::normalise_domain;
use crate::backend::keycloak;
use crate::backend::keycloak::LookupBy;
use crate::config::{File, Place};

/// The column that remembers it holds no more.
const MAX_NAME_CHARACTERS: usize = 255;
const MIN_EVENT_PERIOD: Duration = Duration::from_millis(500);
const MIN_REFRESH: Duration = Duration::from_millis(100);
const TAKE_OUT_OR_SWITCH_OFF: &str = "take it out, or set identity_provider = false under [mailcow]";

pub(super) fn check_keycloaks(file: &File, faults: &mut Vec<Fault>) {
    if file.keycloak.is_none() && !file.mailcow.identity_provider {
        let advice = "add [keycloak] with server_url, realm, client_id and client_secret_file, or, to take mailcow's own \
                      settings, [mailcow] with identity_provider = true";
        faults.push(Fault::new(&[], "there is no [keycloak], so nobody could be looked up", advice));
    }
    let (mut domains, mut names) = (HashSet::new(), HashSet::new());
    for (place, keycloak) in file.keycloaks() {
        let mut complain = |key: Option<&str>, sentence: &str, advice: &str| {
            let mut fault = Fault::new(&[], sentence, advice);
            fault.keys = place.keys().into_iter().chain(key.map(str::to_owned)).collect();
            faults.push(fault);
        };
        if place == Place::Keycloak && file.mailcow.identity_provider {
            check_beside_mailcow(keycloak, &mut complain);
        } else {
            check_address(keycloak, &mut complain);
        }
        let period = keycloak.poll_events.get();
        if !period.is_zero() && period < MIN_EVENT_PERIOD {
            let advice = "each look is two calls of Keycloak; 2s is a good value";
            complain(Some("poll_events"), "events may be polled every 500ms at most", advice);
        }
        check_lookup(keycloak, &mut complain);
        if place != Place::Keycloak && keycloak.domains.is_empty() {
            let advice = "set domains; only [keycloak] may serve all that no other source names";
            complain(None, "this source has no domains", advice);
        } else {
            check_name(place.name(keycloak), &mut names, &mut complain);
        }
        for domain in &keycloak.domains {
            let Ok(normal) = normalise_domain(domain) else {
                complain(Some("domains"), NO_DOMAIN, DOMAIN_ADVICE);
                continue;
            };
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
    let advice = "set client_secret_file to a file with mode 0600, or client_secret_credential, not both";
    match (&keycloak.client_secret_file, &keycloak.client_secret_credential) {
        (None, None) => complain(None, "the client secret is missing", advice),
        (Some(_), Some(_)) => {
            complain(Some("client_secret_credential"), "the client secret is given twice", advice);
        }
        _ => {}
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

fn check_lookup(keycloak: &keycloak::Config, complain: &mut impl FnMut(Option<&str>, &str, &str)) {
    match (keycloak.lookup, &keycloak.lookup_attribute) {
        (LookupBy::Attribute, None) => complain(
            Some("lookup"),
            "the lookup by attribute needs an attribute",
            "set lookup_attribute to the name of the attribute that holds mail addresses",
        ),
        (LookupBy::Email | LookupBy::Username | LookupBy::LocalPart, Some(_)) => complain(
            Some("lookup_attribute"),
            "this attribute is never looked at",
            "set lookup = \"attribute\", or take this line out",
        ),
        _ => {}
    }
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

pub(super) fn check_mailcow(file: &File, faults: &mut Vec<Fault>) {
    if file.mailcow.refresh.get() < MIN_REFRESH {
        let advice = "each refresh is a question to the database; 30s is a good value";
        faults.push(Fault::new(&["mailcow", "refresh"], "the refresh must be 100ms or more", advice));
    }
    let parts = [
        ("default_template", file.provisioning.default_template.is_some()),
        ("mappings", !file.provisioning.mappings.is_empty()),
    ];
    for (key, is_there) in parts {
        if is_there && file.mailcow.identity_provider {
            faults.push(Fault::new(&["provisioning", key], of_mailcow(key), TAKE_OUT_OR_SWITCH_OFF));
        }
    }
}
