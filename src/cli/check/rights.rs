//! The rights of the database user, each tried out; all that are missing are told at once, with the statements that
//! give them.

use std::collections::BTreeSet;

use super::Checked;
use super::finding::Findings;
use crate::backend::sql::{Account, Database, Error, Feature, Lack, Missing, Right, grants, needed};
use crate::cli::storage::explain;

/// How often the database is asked who we are.
const TRIES: usize = 3;

pub(super) async fn look(database: &Database, checked: &Checked<'_>, findings: &mut Findings) {
    let asked = checked.config.database_features.iter().copied();
    let features: Vec<Feature> =
        asked.filter(|feature| checked.makes_mailboxes || *feature != Feature::FirstLogins).collect();
    let rights = needed(&features);
    // The first question makes keydove's own tables, which may take a busy server longer than a question may.
    let mut account = database.account().await;
    for _ in 1..TRIES {
        if !matches!(account, Err(Error::Timeout { .. })) {
            break;
        }
        account = database.account().await;
    }
    let (account, missing) = match (account, database.missing_rights(&rights).await) {
        (Ok(Some(account)), Ok(missing)) => (account, missing),
        (Ok(None), _) => return,
        (Err(error), _) | (_, Err(error)) => {
            let what = format!("its rights were not tried out: {}", explain(&error));
            return findings.fault(what, "look at the database's own log");
        }
    };
    if missing.is_empty() {
        let Account { account, database } = account;
        let names: Vec<&str> = features.iter().map(|feature| feature.name()).collect();
        return findings.fine(format!("{account} has every right on {database} for {}", names.join(", ")));
    }
    let (stopping, other): (Vec<Missing>, Vec<Missing>) = missing.into_iter().partition(stops_logins);
    if !stopping.is_empty() {
        let (what, cure) = tell(&stopping, &account);
        findings.fault(what, cure);
    }
    if !other.is_empty() {
        let (what, cure) = tell(&other, &account);
        findings.warning(what, cure);
    }
}

/// keydove takes a table of its own for usable that it sees.
fn stops_logins(missing: &Missing) -> bool {
    let is_seen =
        missing.sees_table && missing.right.feature == Feature::Owners && missing.lack == Lack::Denied;
    !missing.right.is_missed_by_sogo_only()
        && missing.right.feature.stops_logins()
        && (!missing.right.is_of_own_table() || missing.sees_table)
        || is_seen && missing.right.verb == crate::backend::sql::Verb::Select
}

fn tell(missing: &[Missing], Account { account, database }: &Account) -> (String, String) {
    let mut lines = Vec::new();
    let mut cures = Vec::new();
    let denied: Vec<Right> =
        missing.iter().filter(|missing| missing.lack == Lack::Denied).map(|missing| missing.right).collect();
    if !denied.is_empty() {
        let features: BTreeSet<Feature> = denied.iter().map(|right| right.feature).collect();
        let names: Vec<&str> = features.iter().map(|feature| feature.name()).collect();
        let mut places: Vec<String> =
            denied.iter().map(|right| format!("{} on {}", right.verb, right.table)).collect();
        places.sort();
        places.dedup();
        lines.push(format!(
            "{account} lacks rights on the database {database}, needed for {}: {}",
            names.join(", "),
            places.join(", ")
        ));
        cures.push("as the database's administrator run:".to_owned());
        cures.extend(grants(&denied, database, account));
    }
    for Missing { right, lack, .. } in missing {
        let told = match lack {
            Lack::Denied => continue,
            Lack::Absent(detail) => {
                format!("{} on {} of {database}: {detail}", right.verb, right.table)
            }
            Lack::Refused(detail) => format!("{database} refuses {}: {detail}", right.verb),
        };
        let cure = match lack {
            Lack::Absent(_) => {
                "does [storage.mariadb] name the right database, and is its schema one that keydove knows?"
            }
            _ => "is the server read-only, or a replica?",
        };
        if !lines.contains(&told) {
            lines.push(told);
            cures.push(cure.to_owned());
        }
    }
    cures.dedup();
    (lines.join("; "), cures.join("\n       "))
}
