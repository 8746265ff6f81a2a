//! Exim as the client, with the authenticators of docs/exim.md.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{Login, smtp_auth_login, smtp_login};
use crate::mailcow::WorldCase;
use crate::mailcow::world::{RIGHT, RIGHT_HASH, World, prompt};
use crate::stage::process::{Group, Program, accepts};
use crate::stage::{Failure, Result, attempt, free_port, source_tree};
use crate::{ensure, expect};

/// Exim's own user, which no package has made here: `$0` is the accounts that it shall see.
const OTHER_ACCOUNTS: &str = r#"
mount --bind "$0.passwd" /etc/passwd && mount --bind "$0.group" /etc/group && exec "$@"
"#;
const EXIM_ID: u32 = 64_999;

pub const CASES: &[WorldCase] = &[("exims_clients_are_told_to_try_again_in_an_outage", |world| {
    let name = "doors-exim";
    let mut keydove = world.system.keydove.beside(name, |text| {
        prompt(&text).replacen("role = \"dovecot\"", "role = \"exim\"\nmode = \"0666\"", 1)
    })?;
    let exim = Exim::start(world, keydove.only_socket()?)?;
    let user = "doors-exim@case.example";
    world.person_with_hash(user, RIGHT_HASH)?;
    world.undecidable_person("doors-exim-odd@case.example")?;
    for log_in in [smtp_login, smtp_auth_login] {
        for (user, password, answer) in [
            (user, RIGHT, "235 "),
            (user, "wrong", "535 "),
            ("doors-exim-odd@case.example", RIGHT, "435 "),
            (user, RIGHT, "235 "),
        ] {
            expect(user, log_in(exim.port, Login { user, password }), answer)?;
        }
    }
    let log = keydove.log();
    ensure(log.matches("door=auth-client role=exim").count() == 8, || log.clone())?;
    ensure(log.contains("service=smtp"), || log.clone())?;
    keydove.stop()?;
    expect("while keydove is away", smtp_login(exim.port, Login { user, password: RIGHT }), "435 ")
})];

struct Exim {
    port: u16,
    _program: Program,
}

impl Exim {
    fn start(world: &World<'_>, socket: &Path) -> Result<Self> {
        let binary = source_tree().join(".stage/exim/usr/sbin/exim4");
        ensure(binary.exists(), || format!("{} is missing: run tests/setup", binary.display()))?;
        let (stage, port) = (world.system.stage(), free_port()?);
        let folder = stage.folder("exim")?;
        let accounts = |file: &str, line: String| {
            let path = format!("/etc/{file}");
            let text = attempt("read", Path::new(&path), std::fs::read_to_string(&path))?;
            stage.write(&format!("exim/accounts.{file}"), &format!("{text}{line}"))
        };
        accounts("passwd", format!("Debian-exim:x:{EXIM_ID}:{EXIM_ID}::/nonexistent:/bin/false\n"))?;
        accounts("group", format!("Debian-exim:x:{EXIM_ID}:\n"))?;
        let spool = stage.folder("exim/spool")?;
        for folder in [&folder, &spool] {
            let owned = std::os::unix::fs::chown(folder, Some(EXIM_ID), Some(EXIM_ID));
            attempt("give away", folder, owned)?;
        }
        let text = format!(
            "primary_hostname = exim.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
spool_directory = {spool}
log_file_path = {folder}/%slog
host_lookup =
rfc1413_hosts =
smtp_accept_max = 0
auth_advertise_hosts = *
tls_advertise_hosts =
acl_smtp_rcpt = accept

{authenticators}",
            spool = spool.display(),
            folder = folder.display(),
            authenticators = documented(socket)?,
        );
        let config = stage.write("exim/exim.conf", &text)?;
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--mount", "/bin/sh", "-c", OTHER_ACCOUNTS]).arg(folder.join("accounts"));
        command.arg(&binary).arg("-C").arg(&config).arg("-bdf");
        let mut program = Program::start(stage, "exim", command, Group::Own)?;
        program.wait_until(|| accepts(port))?;
        Ok(Self { port, _program: program })
    }
}

/// The authenticators of docs/exim.md, at this socket and without TLS.
fn documented(socket: &Path) -> Result<String> {
    let path: PathBuf = source_tree().join("docs/exim.md");
    let page = attempt("read", &path, std::fs::read_to_string(&path))?;
    let begin = page.find("begin authenticators").unwrap_or_default();
    let length = page[begin..].find("```").unwrap_or_default();
    let snippet = page[begin..begin + length].replace("/run/keydove/exim", &socket.display().to_string());
    let lines = snippet.lines().filter(|line| !line.contains("tls_in_cipher"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let is_whole = text.matches("driver = dovecot").count() == 2 && text.contains(&*socket.to_string_lossy());
    if is_whole { Ok(text) } else { Err(Failure(format!("docs/exim.md has no authenticators: {text}"))) }
}
