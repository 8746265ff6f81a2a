//! The sockets.

use std::collections::HashSet;

use super::Fault;
use crate::config::{Door, File, ListenerConfig};

/// `sockaddr_un` holds 108 bytes with the NUL, and a socket is first made under its name and a `~`.
const MAX_PATH_BYTES: usize = 106;

pub(super) fn check_listeners(file: &File, faults: &mut Vec<Fault>) {
    if file.listeners.is_empty() && file.http_login.listen.is_none() {
        let advice = "add a [[listener]] with door, role and path; /usr/share/keydove/keydove.toml shows those for Dovecot and Postfix";
        faults.push(Fault::new(&[], "there is no [[listener]], so nobody could ask anything", advice));
    }
    let mut paths = HashSet::new();
    for (index, listener) in file.listeners.iter().enumerate() {
        let number = index.to_string();
        let mut complain = |key, sentence: &str, advice: &str| {
            faults.push(Fault::new(&["listener", &number, key], sentence, advice));
        };
        check_listener(listener, &mut complain);
        if !paths.insert(&listener.path) {
            complain("path", "two listeners have the same path", "give each listener a path of its own");
        }
    }
}

fn check_listener(listener: &ListenerConfig, complain: &mut impl FnMut(&'static str, &str, &str)) {
    match (listener.door, listener.role) {
        (Door::AuthClient, None) => complain(
            "door",
            "an auth-client listener needs a role",
            "set role = \"dovecot\" or role = \"postfix\": they must be told differently that keydove cannot tell",
        ),
        (Door::AuthMaster, Some(_)) => {
            complain("role", "an auth-master listener has no role", "take this line out");
        }
        (Door::Control, Some(_)) => {
            complain("role", "a control listener has no role", "take this line out");
        }
        (Door::Policy | Door::Socketmap, Some(_)) => {
            let advice = "take this line out: only Postfix speaks this protocol";
            complain("role", "policy and socketmap listeners have no role", advice);
        }
        (Door::Hook, Some(_)) => {
            complain("role", "a hook listener has no role", "take this line out");
        }
        (Door::HttpLogin, Some(_)) => {
            complain("role", "an http-login listener has no role", "take this line out");
        }
        _ => {}
    }
    if !listener.path.is_absolute() {
        complain("path", "the path of a socket must begin with /", "write the whole path");
    }
    if listener.path.as_os_str().len() > MAX_PATH_BYTES {
        let advice = "the system allows socket paths of at most 107 bytes, and keydove needs one of them";
        complain("path", "the path of this socket is too long", advice);
    }
}
