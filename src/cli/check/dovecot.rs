//! Dovecot's effective settings: does it ask keydove, and does anything get between?

use std::path::Path;
use std::process::Command;

use super::finding::{Finding, Findings};
use super::mail_settings::{Silence, output_of, value_of};
use crate::auth::DefaultDomain;
use crate::config::{Config, ListenerProtocol, ListenerRole};

/// What a path ends in that Dovecot's login processes are given.
const LOGIN_SOCKET: &str = "ext/auth";
/// What keydove offers.
const MECHANISMS: [&str; 4] = ["plain", "login", "oauthbearer", "xoauth2"];
/// Settings of Dovecot's login and mail processes that begin as those of its auth server do.
const STILL_COUNT: [&str; 8] = [
    "auth_allow_cleartext",
    "auth_socket_path",
    "auth_ssl_require_client_cert",
    "auth_debug",
    "auth_verbose",
    "auth_debug_passwords",
    "auth_verbose_passwords",
    "auth_mechanisms",
];
/// Told with a sentence of their own.
const TOLD: [&str; 3] = ["auth_default_realm", "auth_default_domain", "auth_username_format"];

/// What of keydove's own settings is compared.
#[derive(Debug, Default)]
struct Own<'a> {
    default_domain: Option<&'a str>,
    /// The field by which keydove tells Dovecot of quotas.
    quota_field: Option<&'a str>,
    /// keydove says where mail lives, and not where the INBOX is.
    moves_inbox: bool,
}

pub(super) fn look(config: &Config, settings: Option<&Path>) -> Vec<Finding> {
    let mut findings = Findings::of("dovecot");
    let is_dovecots = |protocol: ListenerProtocol, role: Option<ListenerRole>| {
        role == Some(ListenerRole::Dovecot)
            || matches!(protocol, ListenerProtocol::AuthMaster | ListenerProtocol::Hook)
    };
    let is_asked = config.listeners.iter().any(|listener| is_dovecots(listener.protocol, listener.role));
    if !is_asked && settings.is_none() {
        return findings.into_vec();
    }
    let mut command = Command::new("doveconf");
    if let Some(settings) = settings {
        command.arg("-c").arg(settings);
    }
    let userdb = &config.userdb;
    let own = Own {
        default_domain: config.login.default_domain.as_deref(),
        quota_field: userdb.fields.keys().map(String::as_str).find(|name| name.starts_with("quota")),
        moves_inbox: (userdb.mail_path.is_some() || userdb.mail_driver.is_some())
            && !userdb.fields.contains_key("mail_inbox_path"),
    };
    match (output_of(command.arg("-n")), settings) {
        (Ok(text), _) => judge(&text, &own, &mut findings),
        // Dovecot may run in a container.
        (Err(Silence::NotHere), None) => {}
        (Err(Silence::NotHere), Some(settings)) => findings.fault(
            format!("{} was not looked at: there is no doveconf here", settings.display()),
            "run keydove check where Dovecot is installed",
        ),
        (Err(Silence::Failed(words)), _) => {
            let name =
                settings.map_or_else(|| "Dovecot's settings".to_owned(), |path| path.display().to_string());
            findings.read_failed(
                settings.is_some(),
                format!("{name} cannot be read: {words}"),
                "doveconf -n must print them; does --dovecot-config name dovecot.conf?",
            );
        }
    }
    findings.into_vec()
}

/// Reads the output of `doveconf -n`: what differs from the defaults.
fn judge(settings: &str, own: &Own<'_>, findings: &mut Findings) {
    let value = |name: &str| value_of(settings, name);
    let asks = settings.lines().any(|line| line.contains(LOGIN_SOCKET));
    let has_passdb = settings.lines().any(|line| line.starts_with("passdb"));
    let has_hook = settings.contains("keydove");
    match (asks, has_passdb) {
        (true, true) => findings.fine(
            "Dovecot's login processes ask keydove; nothing asks its own passdb and userdb blocks, which the way back needs",
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
        judge_names(settings, own.default_domain, findings);
        judge_lost(settings, findings);
    }
    if asks || has_hook {
        judge_mail(settings, own, findings);
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

/// Everything else of Dovecot's own auth server, which keydove is in the place of.
fn judge_lost(settings: &str, findings: &mut Findings) {
    let name = |line: &str| line.split_once('=').map(|(name, _)| name.trim_end().to_owned());
    let own = settings.lines().filter(|line| line.starts_with("auth_")).filter_map(name);
    let lost: Vec<String> =
        own.filter(|name| !STILL_COUNT.contains(&name.as_str()) && !TOLD.contains(&name.as_str())).collect();
    if !lost.is_empty() {
        findings.warning(
            format!("these settings of Dovecot's auth server have no effect any more: {}", lost.join(", ")),
            "take them out, so that nobody relies on them; docs/takeover.md says what keydove has instead",
        );
    }
    let mechanisms = value_of(settings, "auth_mechanisms").unwrap_or_default();
    let is_other = |name: &&str| !MECHANISMS.contains(&name.to_ascii_lowercase().as_str());
    let others: Vec<&str> = mechanisms.split_whitespace().filter(is_other).collect();
    if !others.is_empty() {
        findings.warning(
            format!("keydove does not offer the mechanisms {} of auth_mechanisms", others.join(", ")),
            "set mail clients to a normal password, or to OAuth2",
        );
    }
}

/// What Dovecot's mail processes do with what keydove tells them.
fn judge_mail(settings: &str, own: &Own<'_>, findings: &mut Findings) {
    let mentions = |word: &str| {
        settings.lines().any(|line| line.contains("mail_plugins") && line.contains(word))
            // 2.4: a block of switches.
            || settings.split("mail_plugins").skip(1).any(|rest| {
                rest.trim_start().starts_with('{') && rest.split('}').next().is_some_and(|block| block.contains(word))
            })
    };
    if let (Some(field), false) = (own.quota_field, mentions("quota")) {
        findings.warning(
            format!("[userdb.fields] {field} does nothing: Dovecot's plugin quota is not loaded, so nobody has a quota"),
            "2.3: mail_plugins = $mail_plugins quota, and plugin { quota = maildir:User quota }. 2.4: mail_plugins { quota = \
             yes } and quota \"User quota\" { }. Then restart Dovecot",
        );
    }
    let elsewhere = value_of(settings, "mail_inbox_path").filter(|path| !path.starts_with(['~', '.']));
    if let (Some(path), true) = (elsewhere, own.moves_inbox) {
        let fault = match path.is_empty() {
            true => "Dovecot's mail_inbox_path is empty, so each inbox is the folder `.INBOX` in mail_path: the inbox of a \
                     maildir that is there already is not seen"
                .to_owned(),
            false => format!(
                "Dovecot keeps each INBOX in {path} (mail_inbox_path), whatever mail_path keydove tells: it cannot be opened \
                 (\"Permission denied\") after the login"
            ),
        };
        findings.fault(
            fault,
            "set mail_inbox_path to what mail_path is, such as ~/Maildir: in [userdb.fields] of keydove.toml, or in Dovecot's \
             settings after Debian's own, and reload Dovecot",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn judged(settings: &str) -> Vec<(Level, String)> {
        let mut findings = Findings::of("dovecot");
        let own = Own { default_domain: Some("Example.ORG"), ..Own::default() };
        judge(settings, &own, &mut findings);
        findings.into_vec().into_iter().map(|finding| (finding.level, finding.what)).collect()
    }

    #[test]
    fn a_takeover_is_fine_and_databases_for_the_way_back_are_no_fault() {
        let takeover = "service imap-login {\n  executable = imap-login ext/auth\n}\n";
        assert_eq!(judged(takeover), [(Level::Fine, "Dovecot's login processes ask keydove".to_owned())]);
        let both = format!("{takeover}passdb {{\n  driver = pam\n}}\n");
        assert_eq!(judged(&both)[0].0, Level::Fine);
        assert!(judged(&both)[0].1.contains("passdb"));
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

    #[test]
    fn what_mail_processes_do_otherwise_is_told() {
        let own = Own { quota_field: Some("quota_rule"), moves_inbox: true, ..Own::default() };
        let levels = |settings: &str| {
            let mut findings = Findings::of("dovecot");
            judge(&format!("login_socket_path = ext/auth\n{settings}"), &own, &mut findings);
            findings.into_vec().into_iter().skip(1).map(|finding| finding.level).collect::<Vec<_>>()
        };
        assert_eq!(levels(""), [Level::Warning], "no plugin");
        assert_eq!(levels("mail_plugins = acl quota\n"), []);
        assert_eq!(levels("mail_plugins {\n  quota = yes\n}\n"), []);
        assert_eq!(levels("mail_plugins = quota\nmail_inbox_path = /var/mail/%{user}\n"), [Level::Fault]);
        assert_eq!(levels("mail_plugins = quota\nmail_inbox_path = \n"), [Level::Fault], "empty is `.INBOX`");
        assert_eq!(levels("mail_plugins = quota\nmail_inbox_path = ~/Maildir\n"), []);
    }

    #[test]
    fn what_the_auth_server_did_and_nobody_does_now_is_told() {
        let found =
            judged("login_socket_path = ext/auth\nauth_policy_server_url = http://x\nauth_verbose = yes\n");
        assert!(found.len() == 2 && found[1].1.contains("auth_policy_server_url"), "{found:?}");
        let found = judged("login_socket_path = ext/auth\nauth_mechanisms = plain gssapi\n");
        assert!(found.len() == 2 && found[1].1.contains("gssapi"), "{found:?}");
        assert_eq!(judged("passdb {\n  args = keydove.lua\n}\nauth_policy_server_url = http://x\n").len(), 1);
    }
}
