//! What a keydove runs with, in parts that an administrator knows: the tables of the file, the secrets, the files that
//! are read once at the start.

use std::path::Path;

use super::{File, Secrets};
use crate::auth::Secret;
use crate::frontend::control::InUse;

pub(super) fn of(text: &str, file: &File, secrets: &Secrets) -> InUse {
    let mut in_use = InUse::default();
    let tables: toml::Table = toml::from_str(text).unwrap_or_default();
    for (name, table) in &tables {
        // The tables of a file are in the order of their names, and so are their settings.
        let written = serde_json::to_vec(table).unwrap_or_default();
        in_use.add(format!("[{name}]"), &written);
    }
    let mut add = |name: &str, secret: Option<&Secret>| {
        if let Some(secret) = secret {
            in_use.add(name, secret.expose());
        }
    };
    for (place, secret) in file.own_keycloaks().map(|(place, _)| place).zip(&secrets.client_secrets) {
        add(&format!("the client secret of [{}]", place.keys().join(".")), Some(secret));
    }
    add("the database password", secrets.database_password.as_ref());
    add("the secret of [sogo]", secrets.single_sign_on.as_ref());
    add("the password of Redis", secrets.redis_password.as_ref());
    add("the key of [throttle]", secrets.throttle_key.as_ref());
    add("the tokens of [http]", secrets.forget_token.as_ref());
    add("the policy token of [http]", secrets.policy_token.as_ref());
    add("the token of [http_login]", secrets.http_login_token.as_ref());
    let authorities = file.keycloaks().filter_map(|(_, keycloak)| keycloak.ca_file.as_deref());
    let own = [&file.http_login.certificate_file, &file.http_login.key_file, &file.http_login.shadow_ca_file];
    let files: Vec<&Path> = authorities.chain(own.into_iter().filter_map(|file| file.as_deref())).collect();
    for path in files {
        let content = std::fs::read(path).map(zeroize::Zeroizing::new).unwrap_or_default();
        in_use.add(path.display().to_string(), &content);
    }
    in_use.add("the program", env!("CARGO_PKG_VERSION").as_bytes());
    in_use
}
