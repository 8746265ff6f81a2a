//! Every fault of Keycloak and of the database, against every service, for people who are unknown to keydove, known,
//! and known for too long: no fault makes a right password wrong, and none lasts longer than itself.
//!
//! A relay before the real servers brings the faults about. What a real server cannot show on demand is a double's
//! answer, and named so in [`Conduct`](crate::stage::relay::Conduct).

mod database;
mod grid;
mod keycloak;
mod mail_servers;

use crate::LoneCase;
use crate::mailcow_cases::{Waiting, WorldCase};

pub const CASES: &[&[WorldCase]] = &[keycloak::CASES];
pub const LONE_CASES: &[LoneCase] = mail_servers::CASES;
pub const SERVER_CASES: &[LoneCase] = database::SERVER_CASES;
pub const WAITING: &[Waiting] = &[
    // Until then a person whose attribute cannot be seen is refused as one without a password.
    Waiting { feature: "hidden attributes are noticed", is_there: false, cases: keycloak::HIDDEN },
];
