//! Dovecot's effective settings: does it ask keydove, and does anything get between?

use std::path::Path;
use std::process::Command;

use super::finding::{Finding, Findings};
use super::{output_of, value_of};
use crate::config::{Door, ListenerConfig, Role};

/// What a path ends in that Dovecot's login processes are given.
const LOGIN_SOCKET: &str = "ext/auth";

pub(super) fn look(listeners: &[ListenerConfig], config: Option<&Path>) -> Vec<Finding> {
    let mut findings = Findings::of("dovecot");
    let is_asked = listeners.iter().any(|listener| listener.role == Some(Role::Dovecot));
    let is_asked = is_asked || listeners.iter().any(|listener| listener.door == Door::AuthMaster);
    let mut command = Command::new("doveconf");
    if let Some(config) = config {
        command.arg("-c").arg(config);
    }
    if let (true, Some(settings)) = (is_asked, output_of(command.arg("-n"))) {
        judge(&settings, &mut findings);
    }
    findings.into_vec()
}

/// Reads the output of `doveconf -n`: what differs from the defaults.
fn judge(settings: &str, findings: &mut Findings) {
    let value = |name: &str| value_of(settings, name);
    let asks = settings.lines().any(|line| line.contains(LOGIN_SOCKET));
    let has_passdb = settings.lines().any(|line| line.starts_with("passdb"));
    let has_hook = settings.contains("keydove");
    match (asks, has_passdb) {
        (true, true) => findings.warning(
            "Dovecot's login processes ask keydove, so its own passdb blocks are never asked",
            "take the passdb and userdb blocks out, so that nobody relies on them",
        ),
        (true, false) => findings.fine("Dovecot's login processes ask keydove"),
        (false, _) if has_hook => findings.fine("Dovecot asks keydove through one of its own databases"),
        // A Dovecot that asks may run in a container, with settings of its own.
        (false, _) => findings.warning(
            "nothing in the settings of this machine's Dovecot asks keydove",
            "include the drop-in of dovecot/ last, and restart Dovecot",
        ),
    }
    if !asks && value("auth_cache_size").is_some_and(|size| size != "0") {
        let life = value("auth_cache_ttl").unwrap_or("1 hours");
        findings.warning(
            format!(
                "Dovecot remembers logins for {life} by itself: for so long old passwords, disabled people and \
                 switched-off services still get in"
            ),
            "auth_cache_size = 0",
        );
    }
    if ["auth_debug_passwords", "auth_verbose_passwords"]
        .into_iter()
        .any(|name| value(name).is_some_and(|value| value == "yes" || value.starts_with("plain")))
    {
        findings.warning(
            "Dovecot writes passwords into its log",
            "auth_debug_passwords = no, auth_verbose_passwords = no",
        );
    }
    if value("disable_plaintext_auth") == Some("no") || value("auth_allow_cleartext") == Some("yes") {
        findings.warning(
            "Dovecot takes passwords over connections without TLS",
            "disable_plaintext_auth = yes (2.3), auth_allow_cleartext = no (2.4)",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn judged(settings: &str) -> Vec<(Level, String)> {
        let mut findings = Findings::of("dovecot");
        judge(settings, &mut findings);
        findings.into_vec().into_iter().map(|finding| (finding.level, finding.what)).collect()
    }

    #[test]
    fn a_takeover_is_fine_and_left_over_databases_are_told() {
        let takeover = "service imap-login {\n  executable = imap-login ext/auth\n}\n";
        assert_eq!(judged(takeover), [(Level::Fine, "Dovecot's login processes ask keydove".to_owned())]);
        let both = format!("{takeover}passdb {{\n  driver = pam\n}}\n");
        assert_eq!(judged(&both)[0].0, Level::Warning);
        assert_eq!(judged("passdb {\n  driver = pam\n}\n")[0].0, Level::Warning);
        assert_eq!(judged("login_socket_path = ext/auth\n")[0].0, Level::Fine);
    }

    #[test]
    fn a_cache_before_a_hook_and_passwords_in_the_log_are_told() {
        let hook = "passdb {\n  args = file=/etc/dovecot/keydove.lua\n  driver = lua\n}\n";
        let cached = format!("auth_cache_size = 10 M\nauth_cache_ttl = 5 mins\n{hook}");
        let found = judged(&cached);
        assert_eq!((found[0].0, found[1].0), (Level::Fine, Level::Warning));
        assert!(found[1].1.contains("5 mins"));
        assert_eq!(judged(&format!("auth_cache_size = 0\n{hook}")).len(), 1);
        let loud = format!("auth_verbose_passwords = plain\ndisable_plaintext_auth = no\n{hook}");
        assert_eq!(judged(&loud).len(), 3);
        assert_eq!(judged(&format!("auth_verbose_passwords = sha1:6\n{hook}")).len(), 1);
    }
}
