//! Every fault of Keycloak and of the database, against every service, for people who are unknown to keydove, known,
//! and known for too long: no fault makes a right password wrong, and none lasts longer than itself.
//!
//! A relay before the real servers brings the faults about. What a real server cannot show on demand is a double's
//! answer, and named so in [`Conduct`](crate::stage::relay::Conduct).

mod database;
mod grid;
mod keycloak;
mod mail_servers;

use crate::mailcow::WorldCase;
use crate::run::On;
use crate::{Group, LoneCase};

pub const GROUPS: &[Group<WorldCase>] = &[("fault_matrix", On::Sqlite, keycloak::CASES)];
pub const LONE_CASES: &[LoneCase] = mail_servers::CASES;
pub const SERVER_CASES: &[LoneCase] = database::SERVER_CASES;
