//! Settings that cannot be.

use keydove_words::auth::normalise_domain;
use keydove_words::settings::SettingFault;

use super::{Apple, Config, HttpAddress, Keycloak, Mail, Portal};

pub(super) fn find_faults(config: &Config) -> Vec<SettingFault> {
    let mut faults: Vec<_> =
        of_portal(&config.portal).into_iter().map(|fault| fault.under("portal")).collect();
    faults.extend(of_keycloak(&config.keycloak).into_iter().map(|fault| fault.under("keycloak")));
    faults.extend(of_mail(&config.mail).into_iter().map(|fault| fault.under("mail")));
    let of_apple = config.apple.iter().flat_map(Apple::faults);
    faults.extend(of_apple.map(|fault| fault.under("apple")));
    if config.oauth.as_ref().is_some_and(|oauth| oauth.client_id.is_empty()) {
        let sentence = "an empty client is none";
        let advice = "take the client of docs/oauth.md, such as \"thunderbird\", or take [oauth] out";
        faults.push(SettingFault::at(&["oauth", "client_id"], sentence, advice));
    }
    faults
}

fn of_portal(portal: &Portal) -> Vec<SettingFault> {
    let mut faults = Vec::new();
    if !portal.public_url.path().is_empty() {
        let sentence = "the portal needs a name of its own, without a path";
        faults.push(SettingFault::new(
            "public_url",
            sentence,
            "take a name such as account.example.org for it",
        ));
    }
    if !portal.public_url.is_protected() {
        let sentence = "without TLS everybody on the way reads app passwords";
        faults.push(SettingFault::new(
            "public_url",
            sentence,
            "write https:// and put a proxy with TLS before the portal",
        ));
    }
    if portal.languages.is_empty() {
        faults.push(SettingFault::new("languages", "there must be a language", "write [\"en\", \"de\"]"));
    }
    if portal.max_connections == 0 {
        faults.push(SettingFault::new("max_connections", "nobody could connect", "512 is a good value"));
    }
    if !portal.daemon_socket.is_absolute() {
        let advice = "write the path of keydove's listener with door = \"portal\"";
        faults.push(SettingFault::new("daemon_socket", "this is no absolute path", advice));
    }
    let is_help = |help: &str| help.starts_with("mailto:") || HttpAddress::parse(help).is_ok();
    if portal.help.as_deref().is_some_and(|help| !is_help(help) || help.contains(['"', '<', '>', ' '])) {
        let advice = "write \"mailto:help@example.org\" or an address of the web";
        faults.push(SettingFault::new("help", "this is no address", advice));
    }
    faults
}

fn of_keycloak(keycloak: &Keycloak) -> Vec<SettingFault> {
    let mut faults = Vec::new();
    let addresses = [("issuer", Some(&keycloak.issuer)), ("backend_url", keycloak.backend_url.as_ref())];
    for (key, address) in addresses {
        let Some(address) = address else { continue };
        if !address.path().contains("/realms/") {
            let sentence = "this names no realm";
            faults.push(SettingFault::new(
                key,
                sentence,
                "write it with its realm: https://sso.example.org/realms/mail",
            ));
        }
        if !address.is_protected() {
            let sentence = "without TLS everybody on the way can sign in as anybody";
            faults.push(SettingFault::new(key, sentence, "write https://"));
        }
    }
    let secrets = (&keycloak.client_secret_file, &keycloak.client_secret_credential);
    if matches!(secrets, (None, None) | (Some(_), Some(_))) {
        let sentence = "the client's secret must come from one place";
        faults.push(SettingFault::at(&[], sentence, "set client_secret_file or client_secret_credential"));
    }
    for (key, text) in
        [("client_id", &keycloak.client_id), ("administrator_role", &keycloak.administrator_role)]
    {
        if text.is_empty() {
            faults.push(SettingFault::new(
                key,
                "an empty name is none",
                "take this line out: the default is a good value",
            ));
        }
    }
    faults
}

fn of_mail(mail: &Mail) -> Vec<SettingFault> {
    let mut faults = Vec::new();
    if mail.domains.is_empty() {
        faults.push(SettingFault::new("domains", "there must be a mail domain", "write [\"example.org\"]"));
    }
    if mail.domains.iter().any(|domain| normalise_domain(domain).is_err()) {
        faults.push(SettingFault::no_domain("domains"));
    }
    if mail.imap.is_none() && mail.pop3.is_none() {
        let sentence = "people could not read mail";
        faults.push(SettingFault::at(&[], sentence, "add [mail.imap] with host and port"));
    }
    if mail.smtp.is_none() {
        faults.push(SettingFault::at(
            &[],
            "people could not send mail",
            "add [mail.smtp] with host and port",
        ));
    }
    for (name, server, _) in mail.servers() {
        if !is_host(&server.host) {
            let advice = "write the server's name as its certificate has it";
            faults.push(SettingFault::at(&[name, "host"], "this is no name of a server", advice));
        }
        if server.port == 0 {
            faults.push(SettingFault::at(
                &[name, "port"],
                "there is no port 0",
                "993 for imap, 465 for smtp",
            ));
        }
    }
    for (key, url) in [("caldav_url", &mail.caldav_url), ("carddav_url", &mail.carddav_url)] {
        if url.as_deref().is_some_and(|url| HttpAddress::parse(url).is_err()) {
            faults.push(SettingFault::new(key, "this is no address of the web", "write it with https://"));
        }
    }
    faults
}

/// A name in ASCII: QR codes and profiles take no other.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
