//! What the pages show of `keydove.toml` is taken by the reader of the configuration.

use std::path::Path;

use keydove::config::Config;

use crate::config::secret;
use crate::pages;

const LISTENER: &str =
    "[[listener]]\ndoor = 'auth-client'\nrole = 'dovecot'\npath = '/run/keydove/another'\n";
const KEYCLOAK: &str = "server_url = 'https://sso.example.org'\nrealm = 'mail'\nclient_id = 'keydove'\n\
                        client_secret_file = '/etc/keydove/client-secret'\n";

/// The fenced blocks of a page that are TOML.
fn blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("```toml\n").skip(1);
    // The answers of setup are a file of another kind.
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .filter(|block| !block.starts_with("# keydove setup"))
        .collect()
}

/// A whole file around a part of one.
fn whole(block: &str) -> String {
    let begins_with_table = block.trim_start().starts_with('[');
    let mut text = if begins_with_table { block.to_owned() } else { format!("[keycloak]\n{block}") };
    let is_whole = text.contains("\nserver_url") || text.contains("identity_provider = true");
    if !is_whole && text.contains("[keycloak]\n") {
        text = text.replace("[keycloak]\n", &format!("[keycloak]\n{KEYCLOAK}"));
    } else if !is_whole {
        text = format!("{text}\n[keycloak]\n{KEYCLOAK}");
    }
    if !text.contains("[[listener]]") {
        text = format!("{text}\n{LISTENER}");
    }
    let text = text.replace("client_secret_credential", "client_secret_file");
    with_secrets(&text.replace("\"client-secret\"", "\"/etc/keydove/client-secret\""))
}

/// Each file of `/etc/keydove` is one that is there.
fn with_secrets(text: &str) -> String {
    let there = secret().display().to_string();
    let mut parts = text.split("/etc/keydove/");
    let first = parts.next().unwrap_or_default().to_owned();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    parts.fold(first, |text, part| text + &there + part.trim_start_matches(is_name))
}

#[test]
fn every_part_of_a_configuration_in_the_pages_is_taken() {
    let mut tried = 0;
    for (page, text) in pages::all() {
        for block in blocks(&text) {
            if let Err(error) = Config::parse(Path::new("keydove.toml"), &whole(block)) {
                panic!("{}: {error}", page.display());
            }
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried} blocks were found");
}
