//! Logins without Keycloak and without a slow hash, beside the echo server, over connections and depth.

use std::io;
use std::path::Path;

use super::client::{self, Expect, Load};
use super::daemon::{Daemon, Mailbox};
use super::echo::Echo;
use super::requests::People;
use super::table::{CELLS_HEAD, Ratios, Summary};
use super::{Plan, say};

const CONNECTIONS: [usize; 3] = [1, 32, 256];
const DEPTHS: [usize; 2] = [1, 16];
const PEOPLE: usize = 1000;
const WRONG_PERCENT: u64 = 5;
const PASSWORD: &str = "pw";
/// Of [`PASSWORD`]; the cheapest scheme that mailcow writes.
const HASH: &str = "{SSHA512}mAmPaElro8MJT/+2ohnmww5w7khtVXJFkXDAy8XDcxOPwcPLePW0CbNMVMRYxOE881ntDBHHfBHceDyzpq562nNhbHRzYWx0";
/// Nobody listens there, and nobody is asked.
const NO_KEYCLOAK: &str = "http://127.0.0.1:9";

/// Measures every combination and prints its row at once. Says whether all replies were right.
pub fn measure(plan: Plan, folder: &Path, ratios: &mut Ratios) -> io::Result<bool> {
    // All names have one length, and so have the lines of both servers.
    let names: Vec<String> = (0..PEOPLE).map(|number| format!("u{number:04}@example.org")).collect();
    let mailbox = |name| Mailbox { name, authsource: "mailcow", hash: HASH };
    let mailboxes: Vec<_> = names.iter().map(|name| mailbox(name)).collect();
    let daemon = Daemon::start(&folder.join("hot"), NO_KEYCLOAK, &mailboxes)?;
    let echo = Echo::start(folder.join("echo"), &names[0])?;
    let people = People::new(names, PASSWORD, WRONG_PERCENT);
    say(&format!(
        "\nlogins from SQLite, {PEOPLE} people, {WRONG_PERCENT} % wrong passwords, medians of {} rounds of {} ms",
        plan.rounds,
        plan.window.as_millis()
    ));
    say(&format!("conns depth  server  {CELLS_HEAD}   rate   cpu"));
    let mut sound = true;
    for connections in CONNECTIONS {
        for depth in DEPTHS {
            let load = |socket, expect| Load {
                socket,
                people: &people,
                connections,
                depth,
                warm_up: plan.warm_up,
                window: plan.window,
                expect,
            };
            let (mut of_echo, mut of_keydove) = (Vec::new(), Vec::new());
            for _ in 0..plan.rounds {
                of_echo.push(client::run(load(echo.socket(), Expect::AlwaysOk), || echo.read_cpu())?);
                of_keydove.push(client::run(load(daemon.socket(), Expect::Verdicts), || daemon.read_cpu())?);
            }
            let (of_echo, of_keydove) = (Summary::of(&of_echo), Summary::of(&of_keydove));
            show(connections, depth, (&of_echo, &of_keydove), ratios);
            sound &= !of_echo.is_faulty() && !of_keydove.is_faulty();
        }
    }
    Ok(sound)
}

fn show(connections: usize, depth: usize, (echo, keydove): (&Summary, &Summary), ratios: &mut Ratios) {
    let (rate, cpu) = (keydove.rate / echo.rate, keydove.cpu / echo.cpu);
    say(&format!("{connections:>5} {depth:>5}  echo    {}", echo.cells()));
    say(&format!("{connections:>5} {depth:>5}  keydove {}  {rate:>5.3} {cpu:>5.1}", keydove.cells()));
    let mut add = |what: &str, value| ratios.add(&format!("hot_{what}_c{connections}_d{depth}"), value);
    add("rate_vs_echo", rate);
    add("cpu_vs_echo", cpu);
    add("p99_vs_echo", keydove.p99.as_secs_f64() / echo.p99.as_secs_f64());
    add("cpu_us_per_login", keydove.cpu);
}
