//! PACC (draft-ietf-mailmaint-pacc): one JSON document, whose digest stands in DNS.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::config::{Config, Tls};

/// Writes it. Servers with STARTTLS or at other ports than the usual ones have no place in it.
pub(super) fn write(config: &Config) -> String {
    let mut protocols = Map::new();
    for (service, server, port) in config.mail.servers() {
        if server.tls == Tls::Implicit && port == Some(server.port) {
            protocols.insert(service.to_owned(), json!({"host": server.host}));
        }
    }
    for (name, url) in [("caldav", &config.mail.caldav_url), ("carddav", &config.mail.carddav_url)] {
        if let Some(url) = url {
            protocols.insert(name.to_owned(), json!({"url": url}));
        }
    }
    let mut authentication = json!({"password": true});
    if config.oauth.is_some() {
        authentication["oauth-public"] = json!({"issuer": config.keycloak.issuer.as_str()});
    }
    let mut info = json!({"provider": {"name": config.name()}});
    if let Some(help) = config.portal.help.as_deref().filter(|help| help.starts_with("http")) {
        info["help"] = json!({"documentation": help});
    }
    let document: Value = json!({"authentication": authentication, "info": info, "protocols": protocols});
    document.to_string()
}

/// What DNS says of it.
pub(super) fn digest(document: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(document.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::shipped;

    #[test]
    fn the_document_has_what_has_a_place_in_it() {
        let mut config = shipped();
        let document: Value = serde_json::from_str(&write(&config)).unwrap();
        assert_eq!(
            document["protocols"],
            json!({"imap": {"host": "mail.example.org"}, "smtp": {"host": "mail.example.org"}})
        );
        assert_eq!(
            document["authentication"]["oauth-public"]["issuer"],
            "https://sso.example.org/realms/mail"
        );
        assert_eq!(document["info"]["provider"]["name"], "example.org");
        if let Some(smtp) = &mut config.mail.smtp {
            (smtp.port, smtp.tls) = (587, Tls::Starttls);
        }
        config.oauth = None;
        let document: Value = serde_json::from_str(&write(&config)).unwrap();
        assert_eq!(document["protocols"], json!({"imap": {"host": "mail.example.org"}}));
        assert_eq!(document["authentication"], json!({"password": true}));
    }

    #[test]
    fn the_digest_is_that_of_the_bytes() {
        assert_eq!(digest("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }
}
