//! The add-on by which Thunderbird (140 or later) learns to log in with Keycloak: a manifest, and nothing else.
//!
//! Thunderbird's autoconfiguration does not read OAuth settings of servers that it does not know.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::config::{Config, Oauth};
use crate::problem::Problem;

/// The add-on's file (`.xpi`); `None` where the configuration has no `[oauth]`.
///
/// # Errors
/// The archive cannot be written.
pub fn add_on(config: &Config) -> Result<Option<Vec<u8>>, Problem> {
    let Some(oauth) = &config.oauth else { return Ok(None) };
    let failed =
        |error: &dyn std::fmt::Display| Problem::Internal(format!("the add-on cannot be written: {error}"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file("manifest.json", options).map_err(|error| failed(&error))?;
    let manifest = format!("{:#}\n", manifest(config, oauth));
    archive.write_all(manifest.as_bytes()).map_err(|error| failed(&error))?;
    let file = archive.finish().map_err(|error| failed(&error))?;
    Ok(Some(file.into_inner()))
}

fn manifest(config: &Config, oauth: &Oauth) -> Value {
    let issuer = config.keycloak.issuer.as_str();
    let hosts: BTreeSet<_> = config.mail.servers().map(|(_, server, _)| server.host.as_str()).collect();
    let domain = config.mail.domains.first().map_or("localhost", String::as_str);
    // Thunderbird keeps its tokens under this name.
    let login_host = config.keycloak.issuer.origin().split_once("://").map_or(issuer, |(_, host)| host);
    json!({
        "manifest_version": 2,
        "name": format!("{} sign-in", config.name()),
        "version": "1.0",
        "browser_specific_settings": {
            "gecko": {"id": format!("keydove-sign-in@{domain}"), "strict_min_version": "140.0"}
        },
        "oauth_provider": {
            "issuer": login_host,
            "clientId": oauth.client_id,
            "authorizationEndpoint": format!("{issuer}/protocol/openid-connect/auth"),
            "tokenEndpoint": format!("{issuer}/protocol/openid-connect/token"),
            "redirectionEndpoint": "http://localhost",
            "usePKCE": true,
            "hostnames": hosts,
            "scopes": oauth.scope,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::shipped;

    #[test]
    fn the_add_on_is_an_archive_with_a_manifest() {
        let mut config = shipped();
        let file = add_on(&config).unwrap().unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
        assert_eq!(archive.len(), 1);
        let manifest: Value = serde_json::from_reader(archive.by_name("manifest.json").unwrap()).unwrap();
        assert_eq!(manifest["oauth_provider"]["hostnames"], json!(["mail.example.org"]));
        assert_eq!(manifest["oauth_provider"]["issuer"], "sso.example.org");
        config.oauth = None;
        assert!(add_on(&config).unwrap().is_none());
    }
}
