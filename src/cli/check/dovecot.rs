//! Dovecot's effective settings: does it ask keydove, and does anything get between?

use std::path::Path;
use std::process::Command;

use super::finding::{Finding, Findings};
use super::{output_of, value_of};
use crate::auth::DefaultDomain;
use crate::config::{Door, ListenerConfig, Role};

/// What a path ends in that Dovecot's login processes are given.
const LOGIN_SOCKET: &str = "ext/auth";

pub(super) fn look(
    listeners: &[ListenerConfig],
    default_domain: Option<&str>,
    config: Option<&Path>,
) -> Vec<Finding> {
    let mut findings = Findings::of("dovecot");
    let is_asked = listeners.iter().any(|listener| listener.role == Some(Role::Dovecot));
    let is_asked = is_asked || listeners.iter().any(|listener| listener.door == Door::AuthMaster);
    let mut command = Command::new("doveconf");
    if let Some(config) = config {
        command.arg("-c").arg(config);
    }
    if let (true, Some(settings)) = (is_asked, output_of(command.arg("-n"))) {
        judge(&settings, default_domain, &mut findings);
    }
    findings.into_vec()
}

/// Reads the output of `doveconf -n`: what differs from the defaults.
fn judge(settings: &str, default_domain: Option<&str>, findings: &mut Findings) {
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
    if asks {
        judge_names(settings, default_domain, findings);
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

/// Settings by which Dovecot's own auth server changes names. keydove stands in its place, and they do nothing then.
fn judge_names(settings: &str, default_domain: Option<&str>, findings: &mut Findings) {
    // 2.3 and 2.4.
    for name in ["auth_default_realm", "auth_default_domain"] {
        let Some(domain) = value_of(settings, name).filter(|domain| !domain.is_empty()) else { continue };
        let is_same = default_domain
            .is_some_and(|own| DefaultDomain::new(Some(own)).ok() == DefaultDomain::new(Some(domain)).ok());
        if !is_same {
            findings.warning(
                format!(
                    "Dovecot's {name} = {domain} has no effect any more: keydove refuses names without a domain, or gives \
                     them another one"
                ),
                format!("default_domain = \"{domain}\" under [login] of keydove.toml"),
            );
        }
    }
    if let Some(format) = value_of(settings, "auth_username_format") {
        findings.warning(
            format!(
                "Dovecot's auth_username_format = {format} has no effect any more: keydove makes lower case of names and \
                 changes nothing else"
            ),
            "take it out, and let people log in with their whole mail address",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn judged(settings: &str) -> Vec<(Level, String)> {
        let mut findings = Findings::of("dovecot");
        judge(settings, Some("Example.ORG"), &mut findings);
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
    fn settings_that_lose_their_effect_are_told_where_keydove_is_the_auth_server() {
        let takeover = "login_socket_path = ext/auth\n";
        let count = |settings: &str| judged(&format!("{takeover}{settings}")).len() - 1;
        for setting in [
            "auth_default_realm = other.example\n",
            "auth_default_domain = other.example\n",
            "auth_username_format = %Ln\n",
            "auth_username_format = %{user | username | lower}\n",
        ] {
            assert_eq!(count(setting), 1, "{setting}");
            // Behind Dovecot's own auth server it holds as ever.
            let hook = format!("passdb {{\n  args = file=keydove.lua\n}}\n{setting}");
            assert_eq!(judged(&hook).len(), 1, "{setting}");
        }
        assert_eq!(count("auth_default_realm = example.org\n"), 0, "keydove has the same");
        assert_eq!(count("auth_default_realm = \n"), 0);
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
