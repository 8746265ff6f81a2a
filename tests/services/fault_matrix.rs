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
use crate::mailcow_cases::WorldCase;

pub const CASES: &[&[WorldCase]] = &[keycloak::CASES];
pub const LONE_CASES: &[LoneCase] = mail_servers::CASES;
pub const SERVER_CASES: &[LoneCase] = database::SERVER_CASES;
