//! The cases that are run with other versions of Keycloak, too: `tests/versions/run` names one.

use std::sync::Arc;

use libtest_mimic::Trial;

use crate::run::{Body, On, Run};
use crate::stage::keycloak::{KEYCLOAK_OF_EVENTS, chosen_version};
use crate::stage::keydove::Keydove;
use crate::stage::process::run;
use crate::stage::system::System;
use crate::stage::{Failure, Result};
use crate::{Case, account_states, check, directory, ensure, events, logins, organizations};

/// With every version.
pub const CASES: &[Case] = &[("check_says_whether_this_keycloak_can_tell_events", |system| {
    let keydove = follower(system)?;
    let mut command = keydove.command("check");
    let output = command.output().map_err(|error| Failure(format!("run keydove check: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_too_old = text.contains("needs Keycloak 26.2 or later");
    ensure(is_too_old != has_events(), || text)
})];

/// It has a realm with a blank in its name; Keycloak 24 does not take the tokens that it gives there.
const ODD_REALM: &str = "check_tells_each_way_of_not_reaching_the_realm_apart";
const KEYCLOAK_OF_ODD_REALMS: (u32, u32) = (25, 0);
/// The first version that has organizations without a switch for previews.
const KEYCLOAK_OF_ORGANIZATIONS: (u32, u32) = (26, 0);

/// Those that the chosen version can pass; the database does not matter there.
pub fn all(run: &Arc<Run>) -> Vec<Trial> {
    let with_events = if has_events() { events::CASES } else { &[] };
    let mut cases = [logins::CASES, check::CASES, with_events, CASES].concat();
    cases.retain(|(name, _)| *name != ODD_REALM || is_from(KEYCLOAK_OF_ODD_REALMS));
    let looks = cases.into_iter().map(|(name, case)| ("versions", name, Body::Looks(case)));
    let states = ("account_states", On::Sqlite, account_states::CASES);
    let managed = if is_from(KEYCLOAK_OF_ORGANIZATIONS) { organizations::CASES } else { &[] };
    let managed = ("organizations", On::Sqlite, managed);
    let asks = directory::GROUPS
        .iter()
        .chain([&states, &managed])
        .flat_map(|(subject, _, cases)| cases.iter().map(|&(name, case)| (*subject, name, Body::Asks(case))));
    looks.chain(asks).flat_map(|(subject, name, body)| run.trials(subject, On::Sqlite, name, body)).collect()
}

/// Whether the version that is tested with tells events by the time of day.
fn has_events() -> bool {
    is_from(KEYCLOAK_OF_EVENTS)
}

/// Whether the version that is tested with is this one, or younger.
pub fn is_from(first: (u32, u32)) -> bool {
    let number = |version: &str| {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    };
    chosen_version().is_none_or(|version| number(&version) >= first)
}

fn follower(system: &System) -> Result<Keydove> {
    let keydove = system.keydove.beside("follower", |text| {
        text.replace("client_id = \"mailcow\"", "client_id = \"mailcow-events\"\npoll_events = \"1s\"")
    })?;
    // The file is there, and sound.
    run(keydove.command("check").arg("--offline"))?;
    Ok(keydove)
}
