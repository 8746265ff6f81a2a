//! What a keydove runs with, in parts that an administrator knows: the tables of the file, the secrets, the files that
//! are read once at the start.

use super::Tables;
use crate::auth::Secret;
use crate::frontend::control::InUse;

pub(super) fn of(text: &str, file: &Tables, secrets: &[(String, Secret)]) -> InUse {
    let mut in_use = InUse::default();
    let tables: toml::Table = toml::from_str(text).unwrap_or_default();
    for (name, table) in &tables {
        // The tables of a file are in the order of their names, and so are their settings.
        let written = serde_json::to_vec(table).unwrap_or_default();
        in_use.add(format!("[{name}]"), &written);
    }
    for (name, secret) in secrets {
        in_use.add(name, secret.expose());
    }
    for path in file.sections().into_iter().flat_map(|(_, section)| section.files()) {
        let content = std::fs::read(path).map(zeroize::Zeroizing::new).unwrap_or_default();
        in_use.add(path.display().to_string(), &content);
    }
    in_use.add("the program", env!("CARGO_PKG_VERSION").as_bytes());
    in_use
}
