//! A real Dovecot with passwords of its own, which asks keydove's counters before each login.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::{World, prompt};
use crate::stage::keydove::Keydove;
use crate::stage::process::{Group, Program};
use crate::stage::{Failure, Result, attempt, free_port, give};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ATTACKER: &str = "198.51.100.66";
const OWNER: &str = "203.0.113.1";
const ALICE: &str = "alice@policy.example";

pub const CASES: &[WorldCase] = &[("a_dovecot_with_its_own_passwords_asks_the_same_counters", |world| {
    let port = free_port()?;
    let token = secret(world, "policy-token", TOKEN)?;
    let keydove = world.system.keydove.beside("policy", |text| {
        let throttle = "[throttle]\nfirst_wait = \"15m\"\n";
        let text = prompt(&text).replace("[throttle]\nenabled = false\n", throttle);
        format!(
            "{text}\n[http]\nlisten = \"127.0.0.1:{port}\"\npolicy_token_file = \"{}\"\n",
            token.display()
        )
    })?;
    for (name, url, header) in [
        ("policy-a", "/auth-policy", format!("X-API-Key: {TOKEN}")),
        ("policy-b", "/auth-policy?", TOKEN.to_owned()),
        ("policy-c", "/auth-policy?node=c&", format!("Authorization: Bearer {TOKEN}")),
    ] {
        let url = format!("http://127.0.0.1:{port}{url}");
        let dovecot =
            Dovecot::start(world, name, &format!("{url}\nauth_policy_server_api_header = {header}"))?;
        let user = format!("{name}@policy.example");
        dovecot.users(&[ALICE, &user])?;
        (0..10).try_for_each(|number| dovecot.refuses(&user, &format!("guess {number}"), ATTACKER))?;
        // The right one, where somebody guessed; elsewhere; and another's there.
        dovecot.refuses(&user, "pw", ATTACKER)?;
        dovecot.accepts(&user, "pw", OWNER)?;
        dovecot.accepts(ALICE, "pw", ATTACKER)?;
        if name == "policy-a" {
            known_or_old_passwords_make_nobody_wait(&dovecot, &user)?;
        }
        let told = keydove.log().matches("many different passwords were wrong").count();
        ensure(told > 0, || format!("{name}: nothing tells of the guesses\n{}", keydove.log()))?;
    }
    strangers_are_turned_away(world, port, &keydove)
})];

fn known_or_old_passwords_make_nobody_wait(dovecot: &Dovecot, user: &str) -> Result<()> {
    (0..11).try_for_each(|number| dovecot.refuses(user, &format!("guess {number}"), OWNER))?;
    dovecot.accepts(user, "pw", OWNER)?;
    (0..11).try_for_each(|_| dovecot.refuses(user, "old", "192.0.2.77"))?;
    dovecot.accepts(user, "pw", "192.0.2.77")
}

/// With a wrong token Dovecot hears nothing, and goes on as without a policy server.
fn strangers_are_turned_away(world: &World<'_>, port: u16, keydove: &Keydove) -> Result<()> {
    let url = format!(
        "http://127.0.0.1:{port}/auth-policy\nauth_policy_server_api_header = X-API-Key: another-one"
    );
    let dovecot = Dovecot::start(world, "policy-x", &url)?;
    dovecot.users(&["x@policy.example"])?;
    (0..15)
        .try_for_each(|number| dovecot.refuses("x@policy.example", &format!("guess {number}"), ATTACKER))?;
    dovecot.accepts("x@policy.example", "pw", ATTACKER)?;
    ensure(!keydove.log().contains("x@policy.example"), || keydove.log())
}

/// Only its auth process is of interest, without the penalty that delays everybody at an address.
struct Dovecot {
    config: PathBuf,
    passwords: PathBuf,
    _program: Program,
}

impl Dovecot {
    fn start(world: &World<'_>, name: &'static str, url: &str) -> Result<Self> {
        let stage = world.system.stage();
        let (base, state) = (stage.folder(name)?, stage.folder(&format!("{name}/state"))?);
        let passwords = stage.write(&format!("{name}/users"), "")?;
        give(&passwords, "root", "dovecot", 0o640)?;
        let text = format!(
            "base_dir = {base}/run
state_dir = {state}
instance_name = {name}
log_path = /dev/stderr
protocols =
ssl = no
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = passwd-file
  args = {passwords}
}}
userdb {{
  driver = static
  args = uid=5000 gid=5000 home=/nonexistent
}}
auth_policy_hash_nonce = some random text
auth_policy_check_after_auth = no
auth_policy_server_url = {url}
",
            base = base.display(),
            state = state.display(),
            passwords = passwords.display(),
        );
        let config = stage.write(&format!("{name}/dovecot.conf"), &text)?;
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(&config);
        let mut program = Program::start(stage, name, command, Group::Own)?;
        let socket = base.join("run/auth-client");
        program.wait_until(|| socket.exists())?;
        Ok(Self { config, passwords, _program: program })
    }

    /// All with the password `pw`.
    fn users(&self, names: &[&str]) -> Result<()> {
        let lines: Vec<_> = names.iter().map(|name| format!("{name}:{{PLAIN}}pw\n")).collect();
        attempt("write", &self.passwords, std::fs::write(&self.passwords, lines.concat()))
    }

    fn accepts(&self, user: &str, password: &str, remote: &str) -> Result<()> {
        self.ends(user, password, remote, true)
    }

    fn refuses(&self, user: &str, password: &str, remote: &str) -> Result<()> {
        self.ends(user, password, remote, false)
    }

    fn ends(&self, user: &str, password: &str, remote: &str, well: bool) -> Result<()> {
        let mut command = Command::new("/usr/bin/doveadm");
        command.arg("-c").arg(&self.config).args(["auth", "test", "-x"]).arg(format!("rip={remote}"));
        let output = command.args(["-x", "service=imap", user, password]).output();
        let output = output.map_err(|error| Failure(error.to_string()))?;
        ensure(output.status.success() == well, || {
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            format!("{user} with {password} from {remote}: {said}")
        })
    }
}

fn secret(world: &World<'_>, name: &str, text: &str) -> Result<PathBuf> {
    let path = world.system.stage().write(name, text)?;
    give(Path::new(&path), "root", "root", 0o600)?;
    Ok(path)
}
