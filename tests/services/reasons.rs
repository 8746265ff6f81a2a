//! Which reason codes were seen in the logs of a whole run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use keydove::auth::Reason;

use super::stage::{Failure, Result};

/// Codes that no real server brings about at will, and where they are tried instead.
const ELSEWHERE: &[(&str, &str)] = &[
    // The decision looks at the domain first.
    ("provision_domain_inactive", "tests/databases/provisioning.rs"),
    ("provision_domain_unknown", "tests/databases/provisioning.rs"),
];
/// Whatever is under way is finished before keydove ends, unless it takes longer than that: met or not by chance here,
/// and tried in src/credential/hashing/tests.rs.
const BY_CHANCE: &str = "stopping";

/// All reasons that the logs in a folder tell of.
pub fn in_folder(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let logs = entries.filter_map(|entry| fs::read(entry.path()).ok());
    logs.flat_map(|log| reasons(&String::from_utf8_lossy(&log))).collect()
}

/// In a log of text lines or of JSON.
fn reasons(log: &str) -> Vec<String> {
    let marks = [" reason=", " reason=\"", "\"reason\":\""];
    let is_code = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let after = |mark| log.split(mark).skip(1).map(|rest| rest.chars().take_while(|&c| is_code(c)).collect());
    marks.into_iter().flat_map(after).collect()
}

/// Every code was seen in this run, or is tried elsewhere and not both.
pub fn all_were_seen(seen: &BTreeSet<String>) -> Result<()> {
    let codes: BTreeSet<_> =
        Reason::all().filter(|reason| *reason != Reason::Accepted).map(Reason::code).collect();
    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|(code, _)| (*code).to_owned()).collect();
    let unseen: Vec<_> = codes
        .iter()
        .filter(|code| !seen.contains(**code) && !elsewhere.contains(**code) && **code != BY_CHANCE)
        .collect();
    let listed: Vec<_> = elsewhere.intersection(seen).collect();
    if unseen.is_empty() && listed.is_empty() {
        return Ok(());
    }
    Err(Failure(format!(
        "reason codes that no case has met: {unseen:?}; listed as tried elsewhere in vain: {listed:?}"
    )))
}
