//! `keydove-checkpassword` in Dovecot 2.3.19, and for a program of qmail's kind.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};

use super::super::stage::{Result, attempt};
use super::super::{LoneCase, ensure};
use super::dovecot::{self, HookDovecot};
use super::{ALICE, doveadm, imap, keydove, lookups_are_answered, refused_alike, unavailable_in_time};

const CHECKPASSWORD: &str = "!include checkpassword-2.3.conf";
/// Runs that are timed.
const RUNS: u32 = 20;

pub const CASES: &[LoneCase] = &[
    ("checkpassword_answers_logins_and_lookups", |system| {
        let mut keydove = keydove(system, |text| text)?;
        let dovecot = HookDovecot::start(system.stage(), CHECKPASSWORD, None)?;
        imap(&dovecot, ALICE, "pw", "OK ")?;
        refused_alike(&dovecot)?;
        lookups_are_answered(&dovecot)?;
        let log = keydove.log();
        for part in ["service=imap mech=PLAIN remote=127.0.0.1", "session=", "door=hook"] {
            ensure(log.contains(part), || format!("the log lacks `{part}`: {log}"))?;
        }
        keydove.stop()?;
        unavailable_in_time(&dovecot)?;
        let lookup = doveadm(&dovecot, &["user", ALICE]);
        ensure(!lookup.contains("doesn't exist"), || format!("an outage made somebody unknown: {lookup}"))?;
        keydove.start_again()?;
        imap(&dovecot, ALICE, "pw", "OK ")
    }),
    ("checkpassword_serves_programs_of_qmails_kind", |system| {
        let mut keydove = keydove(system, |text| text)?;
        let socket = dovecot::socket(system.stage())?;
        let right = run(&socket, &format!("{ALICE}\0pw\0\0"))?;
        ensure(right.code == 0, || format!("{right:?}"))?;
        for line in [&format!("USER={ALICE}"), "userdb_uid=5000", "SERVICE_OF_ANOTHER=kept"] {
            ensure(right.out.lines().any(|found| found == line), || format!("no {line} in {right:?}"))?;
        }
        for part in [
            "HOME=",
            "/mail/example.org/alice",
            "EXTRA=userdb_uid userdb_gid userdb_mail",
            "uid=5000(",
            "gid=5000(",
        ] {
            let found = right.out.contains(part) || right.out.contains(&part.replace('(', " "));
            ensure(found, || format!("no {part} in {right:?}"))?;
        }
        ensure(!right.out.contains("leak"), || format!("a descriptor was passed on: {right:?}"))?;
        for (input, code) in [
            (format!("{ALICE}\0wrong\0\0"), 1),
            ("ghost@example.org\0pw\0\0".to_owned(), 1),
            ("no password".to_owned(), 2),
            (format!("{ALICE}\0{}\0\0", "x".repeat(512)), 2),
        ] {
            let end = run(&socket, &input)?;
            ensure(end.code == code && end.out.is_empty(), || {
                format!("{input:?} must give {code}: {end:?}")
            })?;
        }
        let start = Instant::now();
        for _ in 0..RUNS {
            run(&socket, &format!("{ALICE}\0pw\0\0"))?;
        }
        eprintln!("keydove-checkpassword, login and program included: {:?} each", start.elapsed() / RUNS);
        time_start();
        keydove.stop()?;
        let end = run(&socket, &format!("{ALICE}\0pw\0\0"))?;
        ensure(end.code == 111, || format!("without keydove: {end:?}"))?;
        ensure(!end.err.is_empty() && !end.err.contains("pw"), || format!("what it says: {end:?}"))
    }),
];

#[derive(Debug)]
struct End {
    code: i32,
    out: String,
    err: String,
}

/// Runs it as a mail server does, with a pipe for descriptor 3 and one more open that nobody needs.
fn run(socket: &Path, input: &str) -> Result<End> {
    let program = Path::new(env!("CARGO_BIN_EXE_keydove-checkpassword"));
    let start = || -> std::io::Result<End> {
        let (reader, mut writer) = std::io::pipe()?;
        let (stray, _other) = std::io::pipe()?;
        let mut command = Command::new(program);
        command.arg("--socket").arg(socket).args(["--service", "pop3", "--failure-delay", "0"]);
        command.args([
            "/bin/sh",
            "-c",
            "env; id; { true <&9; } 2>/dev/null && echo leak; { true <&3; } 2>/dev/null && echo leak; exit 0",
        ]);
        command.env("SERVICE_OF_ANOTHER", "kept").env("TCPREMOTEIP", "192.0.2.44");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mappings = vec![
            FdMapping { parent_fd: OwnedFd::from(reader), child_fd: 3 },
            FdMapping { parent_fd: OwnedFd::from(stray), child_fd: 9 },
        ];
        command.fd_mappings(mappings).map_err(|error| std::io::Error::other(error.to_string()))?;
        let mut child = command.spawn()?;
        drop(command);
        // It may have judged the beginning and ended.
        drop(writer.write_all(input.as_bytes()));
        drop(writer);
        let (mut out, mut err) = (String::new(), String::new());
        if let (Some(mut pipe), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) {
            pipe.read_to_string(&mut out)?;
            errors.read_to_string(&mut err)?;
        }
        Ok(End { code: child.wait()?.code().unwrap_or(-1), out, err })
    };
    attempt("run", program, start())
}

/// Printed, not judged: the machine may be busy.
fn time_start() {
    let start = Instant::now();
    let mut done: u32 = 0;
    for _ in 0..RUNS {
        let status = Command::new(env!("CARGO_BIN_EXE_keydove-checkpassword"))
            .arg("--help")
            .stdout(Stdio::null())
            .status();
        done += u32::from(status.is_ok_and(|status| status.success()));
    }
    let each = start.elapsed().checked_div(done).unwrap_or(Duration::ZERO);
    eprintln!("keydove-checkpassword, start to end: {each:?} each");
}
