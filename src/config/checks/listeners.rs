//! The sockets.

use std::collections::HashSet;

use crate::config::Tables;
use crate::settings::SettingFault;

pub(super) fn check_listeners(file: &Tables, faults: &mut Vec<SettingFault>) {
    if file.listeners.is_empty() && file.http_login.listen.is_none() {
        let advice = "add a [[listener]] with door, role and path; /usr/share/keydove/keydove.toml shows those for Dovecot and Postfix";
        faults.push(SettingFault::at(&[], "there is no [[listener]], so nobody could ask anything", advice));
    }
    let mut paths = HashSet::new();
    for (index, listener) in file.listeners.iter().enumerate() {
        if !paths.insert(&listener.path) {
            let keys = ["listener", &index.to_string(), "path"];
            let advice = "give each listener a path of its own";
            faults.push(SettingFault::at(&keys, "two listeners have the same path", advice));
        }
    }
}
