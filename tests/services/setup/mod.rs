//! `keydove setup` and its undo: on a realm of its own, on Dovecot 2.3 and 2.4 with an auth server of their own, and on
//! Postfix.

mod ground;
pub mod portal;

use std::process::Command;

use super::LoneCase;
use super::clients::{imap_login, pop3_login, sieve_login, smtp_login};
use super::stage::dovecot::Release;
use super::stage::relay::Relay;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{ensure, eventually, expect};
use ground::{ALICE, Ground, WRONG};

const DONE: i32 = 0;
const UNUSABLE: i32 = 65;
const FAILED: i32 = 70;

pub const CASES: &[LoneCase] = &[
    ("setup_takes_dovecot_2_3_and_postfix_over_and_back_without_a_lost_login_or_a_bounce", |system| {
        there_and_back(system, Release::V2_3, &[])
    }),
    ("setup_lets_postfix_ask_everything_and_takes_it_back", |system| {
        let all = ["--postfix", "sasl", "--postfix", "maps", "--postfix", "policy"];
        there_and_back(system, Release::V2_3, &all)
    }),
    ("setup_takes_dovecot_2_4_over_and_back_without_a_lost_login_or_a_bounce", |system| {
        there_and_back(system, Release::V2_4, &[])
    }),
    ("setup_gives_dovecot_2_3_the_lua_script_and_takes_it_back", |system| {
        there_and_back(system, Release::V2_3, &["--dovecot", "lua"])
    }),
    ("setup_gives_dovecot_2_4_the_lua_script_and_takes_it_back", |system| {
        there_and_back(system, Release::V2_4, &["--dovecot", "lua"])
    }),
    ("setup_gives_dovecot_2_3_the_checkpassword_program_and_takes_it_back", |system| {
        there_and_back(system, Release::V2_3, &["--dovecot", "checkpassword"])
    }),
    ("a_setup_that_dovecot_does_not_take_leaves_all_as_it_was", |system| {
        let ground = Ground::prepare(system, Release::V2_3)?;
        // What is read last wins.
        std::fs::write(ground.folder.join("dovecot/local.conf"), "auth_socket_path = auth-userdb\n")
            .map_err(|error| Failure(error.to_string()))?;
        fails_and_leaves_all(&ground, ground.setup(&["--yes"]), FAILED, "`doveconf -n` does not show")
    }),
    ("a_setup_whose_keydove_does_not_start_leaves_all_as_it_was", |system| {
        let ground = Ground::prepare(system, Release::V2_3)?;
        let command = ground.setup(&["--yes", "--start-command", "exit 3", "--stop-command", "true"]);
        fails_and_leaves_all(&ground, command, FAILED, "`exit 3` failed")
    }),
    ("a_setup_whose_test_user_cannot_log_in_leaves_all_as_it_was", |system| {
        let ground = Ground::prepare(system, Release::V2_3)?;
        let mut command = ground.setup(&["--yes"]);
        command.env("KEYDOVE_TEST_PASSWORD", "wrong");
        fails_and_leaves_all(&ground, command, FAILED, "cannot log in at keydove")
    }),
    ("a_setup_that_loses_keycloak_takes_the_rest_back_and_keycloak_later", |system| loses_keycloak(system)),
    ("an_undo_keeps_what_an_administrator_changed", |system| {
        let ground = Ground::prepare(system, Release::V2_3)?;
        ground.ends(ground.setup(&["--yes"]), DONE)?;
        let path = ground.folder.join("dovecot/conf.d/99-keydove.conf");
        let own = std::fs::read_to_string(&path).map_err(|error| Failure(error.to_string()))?;
        std::fs::write(&path, format!("{own}# mine\n")).map_err(|error| Failure(error.to_string()))?;
        let text = ground.ends(undo(&ground), UNUSABLE)?;
        ensure(text.contains("99-keydove.conf was changed since setup wrote it"), || text.clone())?;
        ensure(text.contains("# mine") && text.contains("keydove goes on"), || text)?;
        expect("Dovecot still asks keydove", imap_login(ground.imap, ALICE), "OK ")?;
        std::fs::write(&path, own).map_err(|error| Failure(error.to_string()))?;
        ground.ends(undo(&ground), DONE)?;
        ensure(!path.exists(), || "the drop-in is still there".to_owned())
    }),
    ("a_setup_stops_before_mail_to_anybody_would_bounce", |system| {
        let ground = Ground::prepare(system, Release::V2_3)?;
        let users = ground.folder.join("users");
        let line = "left@setup.example:{PLAIN}x:5000:5000::/tmp::\n";
        std::fs::write(&users, line).map_err(|error| Failure(error.to_string()))?;
        let databases = format!(
            "passdb {{\n  driver = static\n  args = password=right\n}}\nuserdb {{\n  driver = passwd-file\n  args = {}\n}}\n",
            users.display()
        );
        std::fs::write(ground.folder.join("dovecot/conf.d/10-auth.conf"), databases)
            .map_err(|error| Failure(error.to_string()))?;
        super::stage::process::run(
            Command::new("doveadm").arg("-c").arg(ground.folder.join("dovecot/dovecot.conf")).arg("reload"),
        )?;
        eventually(|| {
            let before = ground.files()?;
            let text = ground.ends(ground.setup(&["--yes"]), FAILED)?;
            ensure(text.contains("would bounce: left@setup.example"), || text)?;
            ensure(ground.files()? == before, || "files are not as before".to_owned())
        })
    }),
];

fn undo(ground: &Ground) -> Command {
    let mut command = ground.command();
    command.args(["--undo", "--yes"]);
    command
}

fn there_and_back(system: &mut System, release: Release, way: &[&str]) -> Result<()> {
    let ground = Ground::prepare(system, release)?;
    let (files, realm) = (ground.files()?, ground.realm()?);
    expect("IMAP, before", imap_login(ground.imap, ALICE), "OK ")?;

    let tried = ground.ends(ground.setup(&[way, &["--dry-run"]].concat()), DONE)?;
    for part in
        ["+++ Keycloak: client keydove", "99-keydove.conf", "none was made", "(a secret, which is not shown)"]
    {
        ensure(tried.contains(part), || format!("no `{part}` in {tried}"))?;
    }
    ensure(ground.files()? == files && ground.realm()? == realm, || {
        "a dry run changed something".to_owned()
    })?;

    let done = ground.under_load(|| ground.ends(ground.setup(&[way, &["--yes"]].concat()), DONE))?;
    ensure(done.contains("nothing stands against logins"), || done.clone())?;
    let is_in = |what: &str, answer, ok: &str| expect(what, answer, ok);
    eventually(|| is_in("IMAP", imap_login(ground.imap, ALICE), "OK "))?;
    is_in("POP3", pop3_login(ground.pop3, ALICE), "+OK")?;
    is_in("ManageSieve", sieve_login(ground.sieve, ALICE), "OK")?;
    expect("IMAP, wrong", imap_login(ground.imap, WRONG), "NO [AUTHENTICATIONFAILED]")?;
    if release == Release::V2_3 {
        is_in("SMTP", smtp_login(ground.submission, ALICE), "235 ")?;
    }
    for service in ["imap", "pop3", "sieve"] {
        let line = format!("service={service}");
        let log = ground.log();
        let asked = log.lines().any(|text| text.contains("verdict=accept") && text.contains(&line));
        ensure(asked, || format!("keydove was not asked for {service}: {log}"))?;
    }

    let environment = ground.environment()?;
    ensure(
        !environment.contains("KEYDOVE_ADMIN_PASSWORD") && !environment.contains("KEYDOVE_TEST_PASSWORD"),
        || "keydove was told the administrator's password".to_owned(),
    )?;

    let again = ground.ends(ground.setup(&[way, &["--yes"]].concat()), DONE)?;
    ensure(again.contains("nothing had to be changed"), || again)?;

    let back = ground.under_load(|| ground.ends(undo(&ground), DONE))?;
    ensure(back.contains("everything is as it was"), || back.clone())?;
    same_as_before(&ground, &files, &realm)?;
    eventually(|| expect("IMAP, back", imap_login(ground.imap, ALICE), "OK "))?;
    let log = ground.dovecot_log();
    ensure(!log.contains("Panic"), || format!("Dovecot panics: {log}"))
}

type Files = std::collections::BTreeMap<std::path::PathBuf, (u32, String)>;

fn same_as_before(ground: &Ground, files: &Files, realm: &serde_json::Value) -> Result<()> {
    let now = ground.files()?;
    let differing: Vec<_> = files
        .keys()
        .chain(now.keys())
        .filter(|path| files.get(*path) != now.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    ensure(differing.is_empty(), || format!("not as before: {differing:?}"))?;
    let now = ground.realm()?;
    let mut paths = Vec::new();
    differences("", realm, &now, &mut paths);
    ensure(paths.is_empty(), || format!("the realm is not as before: {paths:#?}"))
}

fn differences(path: &str, one: &serde_json::Value, other: &serde_json::Value, found: &mut Vec<String>) {
    match (one.as_object(), other.as_object()) {
        (Some(a), Some(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter()
                .for_each(|key| differences(&format!("{path}/{key}"), &one[key], &other[key], found));
        }
        _ if one != other => found.push(format!("{path}: {one} became {other}")),
        _ => {}
    }
}

fn fails_and_leaves_all(ground: &Ground, command: Command, code: i32, said: &str) -> Result<()> {
    let (files, realm) = (ground.files()?, ground.realm()?);
    let text = ground.under_load(|| ground.ends(command, code))?;
    ensure(text.contains(said) && text.contains("everything is as it was"), || text.clone())?;
    same_as_before(ground, &files, &realm)?;
    expect("IMAP, as before", imap_login(ground.imap, ALICE), "OK ")?;
    let text = ground.ends(undo(ground), DONE)?;
    ensure(text.contains("there is nothing to take back"), || text)
}

/// Keycloak goes away after its own part is done.
fn loses_keycloak(system: &mut System) -> Result<()> {
    let mut ground = Ground::prepare(system, Release::V2_3)?;
    let relay = Relay::start(ground.url.trim_start_matches("http://"))?;
    ground.url = relay.url();
    let (files, realm) = (ground.files()?, ground.realm()?);
    let flag = ground.folder.join("keydove/reached");
    let start = format!("touch {}; while [ -e {0} ]; do sleep 0.1; done; exit 3", flag.display());
    let command = ground.setup(&["--yes", "--start-command", &start, "--stop-command", "true"]);
    let text = std::thread::scope(|scope| {
        scope.spawn(|| {
            let gone = eventually(|| ensure(flag.exists(), || "keydove was never started".to_owned()));
            relay.shut();
            let _ = std::fs::remove_file(&flag);
            gone
        });
        ground.ends(command, FAILED)
    })?;
    ensure(text.contains("not everything could be taken back"), || text.clone())?;
    let journal = ground.folder.join("etc/setup-journal.json");
    let mut now = ground.files()?;
    now.retain(|path, _| files.contains_key(path) || (*path != journal && !path.ends_with("etc")));
    ensure(now == files, || format!("not as before: {now:?}"))?;
    relay.turn(super::stage::relay::Conduct::Pass);
    ground.ends(undo(&ground), DONE)?;
    same_as_before(&ground, &files, &realm)
}
