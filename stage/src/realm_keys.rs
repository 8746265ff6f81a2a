//! Keys of realms. Keycloak would make RSA keys by itself, and take seconds for it.

use std::process::Command;

use serde_json::{Value, json};

use crate::process::run;
use crate::{Failure, Result};

/// A new RSA key with its certificate, and secrets that Keycloak makes in no time.
pub fn components() -> Result<Value> {
    let arguments = "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=realm -keyout - -out -";
    let text = run(Command::new("openssl").args(arguments.split(' ')))?;
    let (key, certificate) = (block(&text, "PRIVATE KEY")?, block(&text, "CERTIFICATE")?);
    let generated = |name: &str, algorithm: Option<&str>| {
        let mut config = json!({ "priority": ["100"] });
        if let Some(algorithm) = algorithm {
            config["algorithm"] = json!([algorithm]);
        }
        json!({ "name": name, "providerId": name, "subComponents": {}, "config": config })
    };
    Ok(json!([
        {
            "name": "rsa", "providerId": "rsa", "subComponents": {},
            "config": { "priority": ["100"], "privateKey": [key], "certificate": [certificate] },
        },
        generated("hmac-generated", Some("HS512")),
        generated("aes-generated", None),
    ]))
}

/// What stands between the lines that say so, without line ends.
fn block(text: &str, name: &str) -> Result<String> {
    let inside = || {
        let (_, after) = text.split_once(&format!("-----BEGIN {name}-----"))?;
        Some(after.split_once("-----END")?.0.split_whitespace().collect())
    };
    inside().ok_or_else(|| Failure(format!("openssl has made no {name}")))
}
