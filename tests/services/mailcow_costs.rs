//! What a login of mailcow's script costs beside keydove itself: statements at the database, and calls to Keycloak. The table
//! of `docs/mailcow.md` has what is measured here; `KEYDOVE_SHOW_COSTS=1` prints it.

use std::process::Command;
use std::time::Duration;

use super::LoneCase;
use super::http_login;
use super::mailcow_mode::{fill_table, mailcow_mode, prepare_for_import, set};
use super::stage::keydove::remembering;
use super::stage::process::run;
use super::stage::relay::{Conduct, Relay};
use super::stage::system::System;
use super::stage::{Result, free_port};
use super::{ensure, eventually};

const ALICE: &str = "alice@example.org";
const PLAIN: &str = "plain@example.org";

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    statements: u64,
    calls: u64,
}

pub const CASES: &[LoneCase] = &[("a_login_of_mailcows_script_costs_no_more_than_the_page_says", |system| {
    system.execute("SET GLOBAL userstat = 1")?;
    fill_table(system)?;
    prepare_for_import(system)?;
    set(system, "login_provisioning", "1")?;
    let relay = Relay::start(&system.keycloak, Conduct::Pass)?;
    set(system, "server_url", &relay.url())?;
    let port = free_port()?;
    let door = format!(
        "\n[http_login]\nlisten = \"127.0.0.1:{port}\"\n[housekeeping]\ninterval = \"0\"\n[sync]\ninterval = \"0\"\n"
    );
    let _keydove = system.keydove.beside("costs", |text| {
        mailcow_mode(remembering(&text)).replace("refresh = \"200ms\"", "refresh = \"10m\"") + &door
    })?;
    eventually(|| {
        std::net::TcpStream::connect(("127.0.0.1", port))
            .map(drop)
            .map_err(|error| super::Failure(error.to_string()))
    })?;
    let ask = |user: &str, password: &str| -> Result<String> {
        let body = http_login::login(user, password, "imap");
        run(Command::new("curl").args(["-s", "-d", &body, &format!("http://127.0.0.1:{port}")]))
    };
    for (what, user, password, says, most) in [
        ("the first login after a start", ALICE, "pw", "true", Cost { statements: 6, calls: 2 }),
        ("the next ones", ALICE, "pw", "true", Cost { statements: 1, calls: 0 }),
        ("a wrong password", ALICE, "wrong", "false", Cost { statements: 3, calls: 1 }),
        ("a name that nobody has", "nobody@example.org", "pw", "false", Cost { statements: 3, calls: 1 }),
        ("a first login that makes the mailbox", PLAIN, "pw", "true", Cost { statements: 30, calls: 1 }),
    ] {
        let before = settled(system, &relay)?;
        let answer = ask(user, password)?;
        ensure(answer.contains(says), || format!("{what}: {answer}"))?;
        let after = settled(system, &relay)?;
        let cost =
            Cost { statements: after.statements - before.statements, calls: after.calls - before.calls };
        if std::env::var_os("KEYDOVE_SHOW_COSTS").is_some() {
            eprintln!(
                "{what}: {cost:?}: {:?}",
                relay.requests("").iter().skip(before.calls as usize).collect::<Vec<_>>()
            );
        }
        let holds = cost.statements <= most.statements && cost.calls <= most.calls;
        ensure(holds, || format!("{what}: {cost:?}, more than {most:?}"))?;
    }
    Ok(())
})];

/// The counts, once what is written down after a login is written.
fn settled(system: &System, relay: &Relay) -> Result<Cost> {
    let mut last = now(system, relay)?;
    let mut same = 0;
    while same < 4 {
        std::thread::sleep(Duration::from_millis(250));
        let next = now(system, relay)?;
        same = if next == last { same + 1 } else { 0 };
        last = next;
    }
    Ok(last)
}

fn now(system: &System, relay: &Relay) -> Result<Cost> {
    let rows = system.query(
        "SELECT SELECT_COMMANDS + UPDATE_COMMANDS + OTHER_COMMANDS FROM information_schema.USER_STATISTICS WHERE USER = 'keydove'",
    )?;
    let statements = rows.first().and_then(|row| row.first()).and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Cost { statements, calls: relay.requests("").len() as u64 })
}
