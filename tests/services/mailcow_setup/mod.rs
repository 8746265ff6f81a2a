//! `keydove setup` beside mailcow: shadow mode, a keydove that decides, and the way back. mailcow's folder is a copy of its
//! layout and `docker` is a double, because no containers run here; MariaDB, Redis, Keycloak and keydove are real.

mod ground;
mod page;

use super::LoneCase;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{ensure, eventually};
use ground::{ALICE, Ground, OVERRIDE, USER};
use page::Typist;

const DONE: i32 = 0;
const USAGE: i32 = 64;
const UNUSABLE: i32 = 65;
const FAILED: i32 = 70;
const YES: &str = "{\"success\":true} 200";
const NO: &str = "{\"success\":false} 401";

pub const CASES: &[LoneCase] = &[
    ("setup_takes_mailcow_to_shadow_mode_on_to_deciding_and_back_byte_for_byte", |system| {
        there_and_back(system)
    }),
    ("a_mailcow_that_is_not_as_it_should_be_is_told_of_and_left_alone", |system| wrong(system)),
    ("a_setup_that_docker_does_not_take_leaves_mailcow_as_it_was", |system| failing(system)),
    ("the_page_about_mailcow_is_followed_step_by_step_and_back", |system| by_hand(system)),
];

const SHADOW: &str = "1. Shadow mode";
const DECIDES: &str = "2. keydove decides";
const BACK: &str = "3. The way back";

fn by_hand(system: &mut System) -> Result<()> {
    let ground = Ground::prepare(system)?;
    let before = ground.files();
    let typist = Typist::new(&ground)?;
    let blocks = [typist.count(SHADOW)?, typist.count(DECIDES)?, typist.count(BACK)?];
    ensure(blocks == [10, 2, 2], || format!("the page has other blocks than are typed here: {blocks:?}"))?;
    let file = "opt/docker-compose.override.yml";

    typist.types(SHADOW, 0..2)?;
    ground.edit_configuration()?;
    typist.types(SHADOW, 2..4)?;
    // An administrator puts both parts into what is there already.
    let port = typist.file(SHADOW, 4)?.replace("services:\n", "");
    ground.write(file, &format!("{OVERRIDE}{port}"))?;
    typist.types(SHADOW, 5..7)?;
    let refused = typist.types(SHADOW, 7..8)?;
    ensure(refused.trim() == NO, || format!("by hand: {refused}"))?;
    let dovecot = typist.file(SHADOW, 8)?.replace("  dovecot-mailcow:\n", "").replace("    volumes:\n", "");
    let (hosts, script) = dovecot.split_at(dovecot.rfind("      - ").unwrap_or_default());
    let own = OVERRIDE.replace("ro\n", &format!("ro\n{script}{hosts}"));
    ground.write(file, &format!("{own}{port}"))?;
    typist.types(SHADOW, 9..10)?;
    expect(&ground, "pw", YES)?;
    ensure(ground.log().contains("shadow mode: mailcow decides logins over HTTP"), || ground.log())?;
    ensure(!ground.log().contains("verdict="), || "a login in shadow mode has a line".to_owned())?;

    typist.types(DECIDES, 0..1)?;
    ground.write(file, &own)?;
    typist.types(DECIDES, 1..2)?;
    expect(&ground, "pw", YES)?;
    eventually(|| {
        let log = ground.log();
        ensure(log.contains("login verdict=accept"), || log)
    })?;
    ensure(ground.read("opt/data/conf/dovecot/extra.conf").contains("\nauth_cache_size = 0\n"), || {
        "Dovecot remembers passwords".to_owned()
    })?;

    ground.write(file, OVERRIDE)?;
    typist.types(BACK, 0..2)?;
    ensure(ground.log_in(ALICE, "pw").is_err(), || "keydove still answers".to_owned())?;
    let left = std::fs::read_dir(ground.path("systemd/keydove.service.d")).map_or(0, Iterator::count);
    ensure(left == 0, || "a unit's file is left".to_owned())?;
    let mut now = ground.files();
    now.retain(|path, _| path.starts_with(&ground.opt));
    let mut mailcow = before.clone();
    mailcow.retain(|path, _| path.starts_with(&ground.opt));
    // Comments of extra.conf stay.
    let extra = ground.opt.join("data/conf/dovecot/extra.conf");
    let is_same = now.iter().all(|(path, state)| *path == extra || mailcow.get(path) == Some(state));
    ensure(is_same, || format!("not as before: {now:?}"))
}

fn there_and_back(system: &mut System) -> Result<()> {
    let ground = Ground::prepare(system)?;
    let before = ground.files();

    let tried = ground.ends(ground.first(&["--dry-run"]), DONE)?;
    for part in [
        "shadow mode: mailcow decides each login as before",
        "+      - \"keydove:127.",
        "+  nginx-mailcow:",
        "(a secret, which is not shown)",
        "+++ MariaDB: user 'kd_mailcow'@'localhost' and its rights",
        "mailcow's web pages are away for some seconds",
        "none was made",
    ] {
        ensure(tried.contains(part), || format!("no `{part}` in {tried}"))?;
    }
    ensure(ground.files() == before, || "a dry run changed something".to_owned())?;

    let shadow = ground.ends(ground.first(&["--yes", "--test-user", ALICE]), USAGE)?;
    ensure(shadow.contains("there is no password of the test user"), || shadow)?;
    let mut first = ground.first(&["--yes", "--test-user", ALICE]);
    first.env("KEYDOVE_TEST_PASSWORD", "pw");
    let shadow = ground.ends(first, DONE)?;
    for part in ["reaches keydove at https://keydove:9082", "logs in at keydove", "setup --decide"] {
        ensure(shadow.contains(part), || format!("no `{part}` in {shadow}"))?;
    }
    is_in_shadow(&ground)?;

    let again =
        ground.ends(ground.setup(&["--mailcow", &ground.opt.display().to_string(), "--yes"]), DONE)?;
    ensure(again.contains("nothing had to be changed"), || again)?;

    let in_shadow = ground.files();
    let decide = ground.ends(ground.setup(&["--decide", "--yes"]), DONE)?;
    ensure(decide.contains("keydove decides; "), || decide)?;
    decides(&ground)?;
    let again = ground.ends(ground.setup(&["--decide", "--yes"]), DONE)?;
    ensure(again.contains("nothing had to be changed"), || again)?;
    for path in ["opt/mailcow.conf", "opt/docker-compose.yml", "etc/database-password"] {
        let path = ground.opt.with_file_name(path);
        ensure(ground.files().get(&path) == in_shadow.get(&path), || format!("{} changed", path.display()))?;
    }

    let back = ground.ends(ground.setup(&["--undo", "--yes"]), DONE)?;
    ensure(back.contains("everything is as it was before setup"), || back)?;
    same(&ground, &before)?;
    let users = system.query(&format!("SELECT COUNT(*) FROM mysql.user WHERE User = '{USER}'"))?;
    ensure(users == [["0"]], || format!("database users are left: {users:?}"))?;
    ensure(ground.log_in(ALICE, "pw").is_err(), || "keydove still answers".to_owned())
}

fn is_in_shadow(ground: &Ground) -> Result<()> {
    let log = ground.log();
    ensure(log.contains("shadow mode: mailcow decides logins over HTTP"), || log.clone())?;
    expect(ground, "pw", YES)?;
    expect(ground, "wrong", NO)?;
    ensure(!ground.log().contains("verdict="), || "a login in shadow mode has a line".to_owned())?;
    let text = ground.read("opt/docker-compose.override.yml");
    let own: Vec<&str> = text.lines().filter(|line| OVERRIDE.lines().any(|own| own == *line)).collect();
    ensure(own == OVERRIDE.lines().collect::<Vec<_>>(), || format!("not as the administrator's: {text}"))?;
    for part in ["passwd-verify.lua:/etc/dovecot/auth/passwd-verify.lua", ":9082\"  #", "\"keydove:127."] {
        ensure(text.matches(part).count() == 1, || format!("no `{part}` in {text}"))?;
    }
    // nginx before keydove, and Dovecot after it.
    let told = ground.told();
    let at = |what: &str| told.find(what).ok_or_else(|| Failure(format!("`{what}` was not told: {told}")));
    let (nginx, asked) = (at("compose up -d nginx-mailcow\n")?, at("exec -T dovecot-mailcow curl")?);
    let dovecot = at("compose up -d nginx-mailcow dovecot-mailcow")?;
    ensure(nginx < asked && asked < dovecot, || told.clone())?;
    ensure(!told.contains("restart"), || told.clone())
}

fn decides(ground: &Ground) -> Result<()> {
    expect(ground, "pw", YES)?;
    expect(ground, "wrong", NO)?;
    eventually(|| {
        let log = ground.log();
        let is_line = |line: &&str| line.contains("login verdict=accept") && line.contains(ALICE);
        ensure(log.lines().any(|line| is_line(&line)), || log.clone())
    })?;
    let text = ground.read("opt/docker-compose.override.yml");
    ensure(!text.contains("nginx-mailcow") && text.contains("passwd-verify.lua"), || text.clone())?;
    ensure(!ground.read("etc/keydove.toml").contains("shadow"), || "still in shadow mode".to_owned())?;
    let extra = ground.read("opt/data/conf/dovecot/extra.conf");
    let kept = extra.starts_with("mail_max_userip_connections = 60\n");
    ensure(kept && extra.contains("\nauth_cache_size = 0\n"), || extra.clone())?;
    // Dovecot reads its own file again.
    let told = ground.told();
    let after = told.rsplit("compose up -d nginx-mailcow dovecot-mailcow\n").next().unwrap_or_default();
    ensure(after.starts_with("compose restart dovecot-mailcow\n"), || told.clone())
}

fn wrong(system: &mut System) -> Result<()> {
    let ground = Ground::prepare(system)?;
    let conf = ground.read("opt/mailcow.conf");
    for (from, to, said) in [
        ("IPV4_NETWORK=", "IPV4_NETWORK=x.", ":8: IPV4_NETWORK is \"x.127."),
        ("SQL_PORT=127.0.0.1", "SQL_PORT=localhost", ":6: SQL_PORT is \"localhost"),
        ("REDISPASS=", "#REDISPASS=", "mailcow.conf: REDISPASS is not set"),
    ] {
        ground.write("opt/mailcow.conf", &conf.replace(from, to))?;
        refuses(&ground, ground.first(&["--yes"]), UNUSABLE, said)?;
    }
    ground.write("opt/mailcow.conf", &conf)?;
    ground.write("bin/redis", "")?;
    refuses(&ground, ground.first(&["--yes"]), UNUSABLE, "redis-mailcow does not run")?;
    ground.write("bin/redis", "redis-mailcow")?;
    ground.write("opt/docker-compose.override.yml", "services: {dovecot-mailcow: {}}\n")?;
    let said = "cannot be changed safely: services is written on one line\nadd this to it yourself, and run setup again:\n\
                services:\n  nginx-mailcow:\n    ports:\n";
    refuses(&ground, ground.first(&["--yes"]), UNUSABLE, said)?;
    ground.write("opt/docker-compose.override.yml", OVERRIDE)?;
    refuses(&ground, ground.first(&["--yes", "--decide"]), USAGE, "keydove is not in shadow mode yet")?;
    refuses(
        &ground,
        ground.setup(&["--mailcow", "/nowhere"]),
        UNUSABLE,
        "there is no /nowhere/mailcow.conf",
    )?;
    std::fs::create_dir_all(&ground.etc).map_err(|error| Failure(error.to_string()))?;
    ground.write("etc/keydove.toml", "# mine\n")?;
    refuses(&ground, ground.first(&["--yes"]), UNUSABLE, "keydove.toml is there already")
}

fn failing(system: &mut System) -> Result<()> {
    let ground = Ground::prepare(system)?;
    let before = ground.files();
    for (fails, said) in [
        ("up -d nginx-mailcow", "driver failed"),
        ("config --quiet", "driver failed"),
        ("up -d nginx-mailcow dovecot-mailcow", "driver failed"),
    ] {
        ground.write("bin/fails", fails)?;
        let mut command = ground.first(&["--yes"]);
        command.env("KEYDOVE_TEST_PASSWORD", "pw");
        let text = ground.ends(command, FAILED)?;
        ensure(text.contains(said), || text.clone())?;
        // The way back is through the same door.
        std::fs::remove_file(ground.opt.with_file_name("bin/fails"))
            .map_err(|error| Failure(error.to_string()))?;
        ground.ends(ground.setup(&["--undo", "--yes"]), DONE)?;
        same(&ground, &before)?;
    }
    // A test user whom mailcow refuses is found before any login is affected.
    let mut command = ground.first(&["--yes", "--test-user", ALICE]);
    command.env("KEYDOVE_TEST_PASSWORD", "wrong");
    let text = ground.ends(command, FAILED)?;
    ensure(text.contains("cannot log in") && text.contains("everything is as it was"), || text)?;
    same(&ground, &before)?;
    // A keydove that cannot decide goes on in shadow mode.
    ground.ends(ground.first(&["--yes"]), DONE)?;
    ground.write("bin/fails", "restart dovecot-mailcow")?;
    let text = ground.ends(ground.setup(&["--decide", "--yes"]), FAILED)?;
    ensure(text.contains("driver failed"), || text)?;
    std::fs::remove_file(ground.opt.with_file_name("bin/fails"))
        .map_err(|error| Failure(error.to_string()))?;
    ground.ends(ground.setup(&["--decide", "--yes"]), DONE)?;
    ground.ends(ground.setup(&["--undo", "--yes"]), DONE)?;
    same(&ground, &before)
}

type Files = std::collections::BTreeMap<std::path::PathBuf, (u32, String)>;

fn same(ground: &Ground, before: &Files) -> Result<()> {
    let now = ground.files();
    let differing: Vec<_> = before
        .keys()
        .chain(now.keys())
        .filter(|path| before.get(*path) != now.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    ensure(differing.is_empty(), || format!("not as before: {differing:?}"))
}

fn refuses(ground: &Ground, command: std::process::Command, code: i32, said: &str) -> Result<()> {
    let before = ground.files();
    let text = ground.ends(command, code)?;
    ensure(text.contains(said), || format!("no `{said}` in {text}"))?;
    same(ground, &before)
}

fn expect(ground: &Ground, password: &str, answer: &str) -> Result<()> {
    let said = ground.log_in(ALICE, password)?;
    ensure(said == answer, || format!("{password}: {said}\n{}", ground.log()))
}
