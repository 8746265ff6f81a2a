//! A restart while Keycloak is down: with a record file the known still log in, without one nobody can tell.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};

use super::mailcow::world::End::{Accept, CannotTell, Refuse};
use super::mailcow::world::{Attempt, End, OTHER, RIGHT, RIGHT_HASH, attempt_at, prompt};
use super::stage::keydove::{Keydove, remembering};
use super::stage::relay::{Conduct, Relay};
use super::stage::system::System;
use super::stage::{Result, attempt};
use super::{LoneCase, control, ensure, eventually};

const KNOWN: [&str; 3] = ["saved1@example.org", "saved2@example.org", "saved3@example.org"];
const DISABLED: &str = "saved-disabled@example.org";
const FORGOTTEN: &str = "saved-forgotten@example.org";

pub const CASES: &[LoneCase] = &[
    ("with_a_record_file_a_restart_during_an_outage_knows_people", |system| {
        let relay = system.keycloak.relay(Conduct::Pass)?;
        let mut keydove = start(system, &relay, "records", true)?;
        let file = system.stage().path("keydove/records.known");
        warm(system, &keydove)?;
        control::run(&keydove, &["forget", FORGOTTEN])?;
        keydove.stop()?;
        closed_and_sealed(&file)?;

        relay.turn(Conduct::Close);
        keydove.start_again()?;
        for address in KNOWN {
            let line = login(&keydove, address, RIGHT, Accept("keycloak"))?;
            ensure(line.contains("stale=true"), || line.clone())?;
        }
        login(&keydove, KNOWN[0], OTHER, CannotTell("keycloak_reset"))?;
        login(&keydove, DISABLED, RIGHT, Refuse("user_disabled"))?;
        login(&keydove, FORGOTTEN, RIGHT, CannotTell("keycloak_reset"))?;
        keydove.stop()?;

        // A file that is damaged is none, and no reason not to start.
        let mut bytes = attempt("read", &file, std::fs::read(&file))?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        attempt("write", &file, std::fs::write(&file, &bytes))?;
        let said = keydove.log().matches("the record file is not used").count();
        keydove.start_again()?;
        login(&keydove, KNOWN[1], RIGHT, CannotTell("keycloak_reset"))?;
        let now = keydove.log().matches("the record file is not used").count();
        ensure(said == 0 && now == 1, || format!("the warning came {said} times, then {now}"))?;

        relay.turn(Conduct::Pass);
        eventually(|| login(&keydove, KNOWN[1], RIGHT, Accept("keycloak")).map(drop))
    }),
    ("whoever_was_seen_to_be_disabled_stays_out_after_a_crash_during_an_outage", |system| {
        let relay = system.keycloak.relay(Conduct::Pass)?;
        let mut keydove = start(system, &relay, "crashed", true)?;
        let (left, stays) = ("crashed-left@example.org", "crashed-stays@example.org");
        for address in [left, stays] {
            control::make_person(system, address)?;
            login(&keydove, address, RIGHT, Accept("keycloak"))?;
        }
        keydove.stop()?;
        keydove.start_again()?;
        let file = system.stage().path("keydove/crashed.known");
        let written = || attempt("look at", &file, std::fs::metadata(&file).and_then(|file| file.modified()));
        let before = written()?;
        system.keycloak.admin().update(left, |user| user["enabled"] = false.into())?;
        eventually(|| login(&keydove, left, RIGHT, Refuse("user_disabled")).map(drop))?;
        eventually(|| ensure(written()? > before, || "the record file was not saved".to_owned()))?;
        keydove.kill()?;
        relay.turn(Conduct::Close);
        // Where there is a server, it is down as well.
        if let Some(server) = system.mariadb() {
            server.stop()?;
        }
        let end = keydove.start_again().and_then(|()| {
            login(&keydove, stays, RIGHT, Accept("keycloak"))?;
            login(&keydove, left, RIGHT, Refuse("user_disabled"))
        });
        if let Some(server) = system.mariadb() {
            server.start_again()?;
        }
        end.map(drop)
    }),
    ("without_a_record_file_a_restart_during_an_outage_knows_nobody", |system| {
        let relay = system.keycloak.relay(Conduct::Pass)?;
        let mut keydove = start(system, &relay, "unsaved", false)?;
        login(&keydove, "alice@example.org", "pw", Accept("keycloak"))?;
        relay.turn(Conduct::Close);
        login(&keydove, "alice@example.org", "pw", Accept("keycloak"))?;
        keydove.stop()?;
        keydove.start_again()?;
        login(&keydove, "alice@example.org", "pw", CannotTell("keycloak_reset")).map(drop)
    }),
];

/// A keydove that asks Keycloak through the relay and holds what it knows for fresh for a second only.
fn start(system: &System, relay: &Relay, name: &'static str, with_file: bool) -> Result<Keydove> {
    let path = |end: &str| system.stage().path(&format!("keydove/{name}.{end}")).display().to_string();
    let record_file =
        if with_file { format!("record_file = \"{}\"\n", path("known")) } else { String::new() };
    let url = system.keycloak.url();
    system.keydove.beside(name, |text| {
        let text = remembering(&prompt(&text)).replace(&url, &relay.url());
        let listener = format!("[[listener]]\ndoor = \"control\"\npath = \"{}\"\n", path("control"));
        format!("{listener}{text}\n[cache]\nmax_staleness = \"1s\"\n{record_file}")
    })
}

fn warm(system: &System, keydove: &Keydove) -> Result<()> {
    for address in KNOWN.into_iter().chain([DISABLED, FORGOTTEN]) {
        control::make_person(system, address)?;
        login(keydove, address, RIGHT, Accept("keycloak"))?;
    }
    system.keycloak.admin().update(DISABLED, |user| user["enabled"] = false.into())?;
    eventually(|| login(keydove, DISABLED, RIGHT, Refuse("user_disabled")).map(drop))?;
    std::thread::sleep(Duration::from_millis(1200));
    Ok(())
}

/// The file's mode, and that no hash, password or address is in it in any of the usual forms.
fn closed_and_sealed(file: &Path) -> Result<()> {
    let mode = attempt("look at", file, std::fs::metadata(file))?.permissions().mode() & 0o777;
    ensure(mode == 0o600, || format!("the record file has the mode {mode:o}"))?;
    let bytes = attempt("read", file, std::fs::read(file))?;
    ensure(bytes.len() > 1000, || format!("the record file has {} bytes", bytes.len()))?;
    for secret in [RIGHT_HASH, &RIGHT_HASH[12..], RIGHT, KNOWN[0]] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let forms =
            [secret.to_owned(), BASE64_STANDARD.encode(secret), BASE64_STANDARD_NO_PAD.encode(secret), hex];
        for form in forms {
            // Five bytes turn up by chance once in a million files of this size.
            let is_there =
                bytes.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form.as_bytes()));
            ensure(!is_there, || format!("the record file holds `{form}`"))?;
        }
    }
    Ok(())
}

fn login(keydove: &Keydove, user: &str, password: &str, end: End<'_>) -> Result<String> {
    Ok(attempt_at(keydove, Attempt::new(user, password), end)?.0)
}
