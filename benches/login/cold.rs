//! Cold logins end to end: one question to a real Keycloak and one bcrypt hash of cost 10 each.
//!
//! Every login is cold as long as keydove remembers nobody.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::client::{self, Expect, Load};
use super::daemon::{Daemon, Mailbox};
use super::requests::People;
use super::table::{CELLS_HEAD, Ratios, Summary};
use super::{Plan, say};

/// Someone of the test realm.
const NAME: &str = "plain@example.org";
const PASSWORD: &str = "pw";
const CONNECTIONS: [usize; 2] = [1, 8];
/// A cold login takes so long that a window must be longer too; the warm-up fetches the token.
const WINDOW_FACTOR: u32 = 3;
const WARM_UP: Duration = Duration::from_secs(1);

/// Measures against the Keycloak at `address`. Says whether all replies were right.
pub fn measure(plan: Plan, folder: &Path, address: &str, ratios: &mut Ratios) -> io::Result<bool> {
    let mailbox = Mailbox { name: NAME, authsource: "keycloak", hash: "" };
    let daemon = Daemon::start(&folder.join("cold"), address, &[mailbox])?;
    let people = People::new([NAME.to_owned()], PASSWORD, 0);
    say(&format!("\ncold logins from {address}, bcrypt cost 10, median of {} rounds", plan.rounds));
    say(&format!("conns depth  server  {CELLS_HEAD}"));
    let mut sound = true;
    for connections in CONNECTIONS {
        let load = Load {
            socket: daemon.socket(),
            people: &people,
            connections,
            depth: 1,
            warm_up: WARM_UP,
            window: plan.window * WINDOW_FACTOR,
            expect: Expect::Verdicts,
        };
        let rounds = (0..plan.rounds).map(|_| client::run(load, || daemon.read_cpu()));
        let summary = Summary::of(&rounds.collect::<io::Result<Vec<_>>>()?);
        say(&format!("{connections:>5} {:>5}  keydove {}", 1, summary.cells()));
        ratios.add(&format!("cold_logins_per_second_c{connections}"), summary.rate);
        ratios.add(&format!("cold_p50_ms_c{connections}"), summary.p50.as_secs_f64() * 1e3);
        if summary.had_trouble() {
            say("keydove could not tell: does this Keycloak answer, and has it the test realm `mail`?");
        }
        sound &= !summary.is_faulty() && !summary.had_trouble();
    }
    Ok(sound)
}
