//! What works, but should not stay like this.

use crate::backend::keycloak::ServerUrl;
use crate::config::{Tables, Warning};

/// What works, but should not stay like this.
pub(in crate::config) fn find_warnings(file: &Tables) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |setting: &str, what: &str, danger: &str| {
        let sentence = format!("{setting}{what}: {danger}");
        warnings.push(Warning { setting: setting.to_owned(), sentence });
    };
    for (place, keycloak) in file.keycloaks() {
        let place = place.keys().join(".");
        if !keycloak.tls_verify {
            let danger = "whoever answers in Keycloak's place decides who may log in";
            warn(&format!("{place}.tls_verify"), " is false", danger);
        }
        if keycloak.server_url.as_ref().is_some_and(ServerUrl::is_in_the_clear) {
            let danger = "the client secret and password hashes travel in the clear";
            warn(&format!("{place}.server_url"), " is http", danger);
        }
    }
    let (pause, delay) = (file.cache.refetch_pause, file.login.failure_delay);
    if pause >= delay && !delay.get().is_zero() {
        let danger = "a refusal that takes longer than the others tells who is known";
        warn("cache.refetch_pause", " is not shorter than login.failure_delay", danger);
    }
    if !file.hashing.schemes.allow_weak.is_empty() {
        warn("hashing.schemes.allow_weak", "", "passwords stored in a weak form are accepted");
    }
    if file.throttle.shared && !file.throttle.has_shared_key() {
        let danger = "nothing is shared and each node counts for itself, because whoever writes into Redis could lock \
                      anybody out; name a key with throttle.shared_key_file, the same on all nodes";
        warn("throttle.shared", " has no key", danger);
    }
    if file.cache.stale_limit.get().is_zero() {
        let danger = "while Keycloak or the database is away, nobody logs in";
        warn("cache.stale_limit", " is 0", danger);
    }
    if file.http.is_open_to_others() {
        let danger = "whoever can connect is shown numbers and states; if that is meant, set public = true";
        warn("http.listen", " is no loopback address", danger);
    }
    if file.portal.administrators && file.portal.administrator_realm_role.is_none() {
        let danger = "an administrator of the portal who loses the role keeps the pages until the session ends, and can change \
                      things for 5 min; run keydove setup --portal again, or see docs/portal.md";
        warn("portal.administrator_realm_role", " is missing", danger);
    }
    let login = &file.http_login;
    if login.is_open_to_others() && !login.speaks_tls() {
        warn(
            "http_login.certificate_file",
            " is missing",
            "passwords travel in the clear to http_login.listen",
        );
    }
    if login.is_open_to_others() && login.allow.is_empty() {
        let danger = "whoever can connect may try passwords, as fast as they like";
        warn("http_login.allow", " is empty", danger);
    }
    if !login.shadow_tls_verify {
        let danger = "whoever answers in mailcow's place decides who may log in";
        warn("http_login.shadow_tls_verify", " is false", danger);
    }
    warnings
}
