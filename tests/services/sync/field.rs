//! A realm, a domain and a keydove of a case's own: a run of the sync goes through everybody of a realm.

use std::fs;

use serde_json::{Value, json};

use crate::ensure;
use crate::mailcow::world::{SETTINGS, World, domain, person, prompt};
use crate::stage::keycloak_admin::KeycloakAdmin;
use crate::stage::keydove::Keydove;
use crate::stage::system::Database;
use crate::stage::{Failure, Result, attempt, source_tree};

/// What a case has for itself.
pub struct Field<'w> {
    pub world: &'w World<'w>,
    /// Of the case's realm.
    pub admin: KeycloakAdmin,
    /// Asks that realm; it serves logins while syncs run beside it.
    pub keydove: Keydove,
    /// The mail domain.
    pub domain: String,
}

impl<'w> Field<'w> {
    /// Makes realm `NAME` with these people and domain `NAME.example`. `settings` is the rest of the configuration.
    pub fn new(world: &'w World<'w>, name: &'static str, users: Vec<Value>, settings: &str) -> Result<Self> {
        Self::demanding(world, name, users, "", settings)
    }

    /// The same with a demand on people.
    pub fn demanding(
        world: &'w World<'w>,
        name: &'static str,
        users: Vec<Value>,
        demand: &str,
        settings: &str,
    ) -> Result<Self> {
        Self::with(world, name, users, |text| {
            text.replace(&own_realm(name), &(own_realm(name) + demand)) + settings
        })
    }

    /// The same with a configuration that is changed as a whole.
    pub fn with(
        world: &'w World<'w>,
        name: &'static str,
        users: Vec<Value>,
        change: impl FnOnce(String) -> String,
    ) -> Result<Self> {
        world.bench.admin.make_realm(&realm(name, users)?)?;
        let own = format!("{name}.example");
        world.system.execute(&domain(&own, ""))?;
        let keydove = world.system.keydove.beside(name, |text| {
            change(prompt(&text).replace("realm = \"mail\"", &own_realm(name)) + SETTINGS)
        })?;
        Ok(Self { world, admin: world.bench.admin.in_realm(name), keydove, domain: own })
    }

    /// Another keydove for the same realm, with another configuration.
    pub fn beside(&self, name: &'static str, change: impl FnOnce(String) -> String) -> Result<Keydove> {
        let realm = self.domain.trim_end_matches(".example").to_owned();
        self.world.system.keydove.beside(name, |text| {
            change(prompt(&text).replace("realm = \"mail\"", &own_realm(&realm)) + SETTINGS)
        })
    }

    /// An address in the domain.
    pub fn address(&self, local: &str) -> String {
        format!("{local}@{}", self.domain)
    }

    /// One run, and its report; it must have got to its end.
    pub fn sync(&self, arguments: &[&str]) -> Result<Value> {
        let report = self.try_sync(arguments)?;
        ensure(report["complete"] == true, || format!("the run was not complete: {report}"))?;
        Ok(report)
    }

    /// The same however it ends.
    pub fn try_sync(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = self.keydove.command("sync");
        let output = command.arg("--json").args(arguments).output();
        let output = output.map_err(|error| Failure(format!("run keydove sync: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).map_err(|error| {
            Failure(format!("keydove sync said {text}: {error}\n{}", String::from_utf8_lossy(&output.stderr)))
        })
    }

    /// How many mailboxes of the domain fulfil this.
    pub fn mailboxes(&self, condition: &str) -> Result<usize> {
        self.world.count("mailbox", &format!("domain = '{}' AND {condition}", self.domain))
    }

    /// From now on, each row of the domain that is written is noted, also where nothing in it changes.
    pub fn watch_writes(&self) -> Result<()> {
        let log = self.touched();
        self.world.system.execute(&format!("CREATE TABLE {log} (name TEXT);"))?;
        for (table, column) in [
            ("mailbox", "username"),
            ("alias", "address"),
            ("user_acl", "username"),
            ("quota2", "username"),
            ("keydove_person", "mailbox"),
            ("keydove_sync", "mailbox"),
        ] {
            for event in ["INSERT", "UPDATE"] {
                let trigger = format!("CREATE TRIGGER {log}_{table}_{event} AFTER {event} ON {table}");
                let here = format!("NEW.{column} LIKE '%@{}'", self.domain);
                let insert = format!("INSERT INTO {log} SELECT '{event} {table}'");
                self.world.system.execute(&match self.world.system.database() {
                    Database::Sqlite => format!("{trigger} WHEN {here} BEGIN {insert}; END;"),
                    Database::MariaDb => format!("{trigger} FOR EACH ROW {insert} FROM DUAL WHERE {here};"),
                })?;
            }
        }
        Ok(())
    }

    /// What was written since then.
    pub fn writes(&self) -> Result<Vec<Vec<String>>> {
        self.world.system.query(&format!("SELECT name FROM {}", self.touched()))
    }

    fn touched(&self) -> String {
        format!("touched_{}", self.domain.replace(['.', '-'], "_"))
    }
}

/// With a name of its own, or the people of other cases were missing in this realm.
fn own_realm(name: &str) -> String {
    format!("realm = \"{name}\"\nname = \"{name}\"\n")
}

/// A person with the right password and this template.
pub fn templated(email: &str, template: &str) -> Value {
    let mut user = person(email);
    user["attributes"]["mailcow_template"] = json!([template]);
    user
}

/// Compares numbers of a report; those that are not named must be 0.
pub fn counts(report: &Value, expected: &[(&str, u64)]) -> Result<()> {
    let named =
        |wanted: &str| expected.iter().find(|(name, _)| *name == wanted).map_or(0, |(_, count)| *count);
    for name in
        ["seen", "created", "changed", "unchanged", "restored", "deactivated", "refused_deactivations"]
    {
        ensure(report[name] == named(name), || format!("{name} is not {}: {report}", named(name)))?;
    }
    let skipped = report["skipped"].as_object().cloned().unwrap_or_default();
    for (reason, count) in &skipped {
        ensure(*count == named(reason), || format!("skipped {reason}: {report}"))?;
    }
    let missing = expected.iter().skip_while(|(name, _)| report.get(*name).is_some());
    for (reason, _) in missing.filter(|(name, _)| report.get(*name).is_none()) {
        ensure(skipped.contains_key(*reason), || format!("nobody was skipped for {reason}: {report}"))?;
    }
    Ok(())
}

/// The realm of the stage under another name, with these people in place of its own.
pub fn realm(name: &str, users: Vec<Value>) -> Result<Value> {
    let path = source_tree().join("tests/realm/mail-realm.json");
    let text = attempt("read", &path, fs::read_to_string(&path))?;
    let mut realm: Value = attempt("read", &path, serde_json::from_str(&text))?;
    realm["realm"] = name.into();
    let all = realm["users"].as_array().cloned().unwrap_or_default().into_iter();
    let mut kept: Vec<_> = all.filter(|user| !user["serviceAccountClientId"].is_null()).collect();
    kept.extend(users);
    realm["users"] = kept.into();
    Ok(realm)
}
