//! The same bytes to keydove and to Dovecot's own auth server, 2.3.19 and 2.4.1: the same answers, but for what is listed.
//!
//! The inputs and the differences are in `conformance/table.rs`. A difference that is not listed fails, and so does a
//! listed one that is none.

mod table;
mod talk;

use std::collections::BTreeMap;

use super::LoneCase;
use super::stage::dovecot::Release;
use super::stage::dovecot_auth::DovecotAuth;
use super::stage::system::System;
use super::stage::{Failure, Result};
use table::{DIFFERENCES, Door, INPUTS};
use talk::outcome;

/// They are keydove's too.
const PEOPLE: &[(&str, &str)] = &[("alice@example.org", "{PLAIN}pw"), ("carol@example.org", "{PLAIN}pw")];

pub const CASES: &[LoneCase] = &[
    ("conformance_with_the_auth_server_of_dovecot_2_3", |system| compare(system, Release::V2_3)),
    ("conformance_with_the_auth_server_of_dovecot_2_4", |system| compare(system, Release::V2_4)),
];

fn compare(system: &mut System, release: Release) -> Result<()> {
    let dovecot = DovecotAuth::start(system.stage(), release, PEOPLE)?;
    system.keydove.stop()?;
    system
        .keydove
        .start_changed(|text| text.replace("failure_delay = \"300ms\"", "failure_delay = \"0\""))?;
    let end = compare_all(system, &dovecot, release);
    system.keydove.stop()?;
    system.keydove.start_again()?;
    end
}

fn compare_all(system: &System, dovecot: &DovecotAuth, release: Release) -> Result<()> {
    let mut listed: BTreeMap<&str, &str> = DIFFERENCES
        .iter()
        .filter(|difference| difference.from.is_none_or(|from| from == release))
        .map(|difference| (difference.input, difference.reason))
        .collect();
    let mut complaints = Vec::new();
    for input in INPUTS {
        let (own, theirs) = match input.door {
            Door::Client => (system.keydove.socket("auth-client")?, &dovecot.client),
            Door::Master => (system.keydove.socket("auth-master")?, &dovecot.master),
        };
        let (own, theirs) = (outcome(own, input)?, outcome(theirs, input)?);
        let reason = listed.remove(input.name);
        match (own == theirs, reason) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => {
                complaints.push(format!("{}:\n  keydove {own:?}\n  Dovecot {theirs:?}", input.name));
            }
            (true, Some(_)) => {
                complaints.push(format!("{}: a difference is listed, but both say {own:?}", input.name));
            }
        }
    }
    complaints.extend(listed.keys().map(|name| format!("{name}: there is no such input")));
    if complaints.is_empty() { Ok(()) } else { Err(Failure(complaints.join("\n"))) }
}
