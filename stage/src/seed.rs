//! Mailboxes for the realm's people, as statements that SQLite and MariaDB both take.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::{Failure, Result, attempt, source_tree};

/// The realm that `tests/setup` imports.
pub(crate) const REALM: &str = "tests/realm/mail-realm.json";
/// A mailbox whose person Keycloak does not know, but whose address is part of another person's.
pub const MAILBOX_WITHOUT_PERSON: &str = "ob@example.org";
/// Every protocol allowed, as mailcow writes it.
const ATTRIBUTES: &str = r#"{"imap_access":"1","pop3_access":"1","smtp_access":"1","sieve_access":"1"}"#;

/// One active mailbox for each person with an address, and their domains.
pub fn statements() -> Result<String> {
    let mut domains = BTreeSet::new();
    let mut mailboxes = String::new();
    for (address, name) in people()? {
        let (local_part, domain) =
            address.split_once('@').ok_or_else(|| Failure(format!("seed {address}: not an address")))?;
        domains.insert(domain.to_owned());
        let (address, local_part, name) = (quote(&address), quote(local_part), quote(&name));
        let written = writeln!(
            mailboxes,
            "INSERT INTO mailbox \
             (username, password, name, quota, local_part, domain, attributes, kind, authsource, active) \
             VALUES ({address}, '', {name}, 0, {local_part}, {}, '{ATTRIBUTES}', '', 'keycloak', 1);",
            quote(domain)
        );
        written.map_err(|error| Failure(error.to_string()))?;
    }
    let domain = |name: &String| {
        format!("INSERT INTO domain (domain, mailboxes, active) VALUES ({}, 100, 1);\n", quote(name))
    };
    Ok(domains.iter().map(domain).collect::<String>() + &mailboxes)
}

/// Addresses, in the lower case that mailcow stores, and names.
pub fn people() -> Result<Vec<(String, String)>> {
    let path = source_tree().join(REALM);
    let text = attempt("read", &path, fs::read_to_string(&path))?;
    let realm: Value = attempt("read", &path, serde_json::from_str(&text))?;
    let users = realm["users"].as_array().cloned().unwrap_or_default();
    let person = |user: &Value| {
        let name = format!("{} {}", user["firstName"].as_str()?, user["lastName"].as_str()?);
        Some((user["email"].as_str()?.to_lowercase(), name))
    };
    let mut people: Vec<_> = users.iter().filter_map(person).collect();
    people.push((MAILBOX_WITHOUT_PERSON.to_owned(), "Ob Test".to_owned()));
    Ok(people)
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
