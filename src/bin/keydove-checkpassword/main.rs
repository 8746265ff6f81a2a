//! `keydove-checkpassword`: keydove for everything that speaks the checkpassword interface.
//!
//! Dovecot 2.3's `checkpassword` drivers and qmail-style servers start it once for each login. It reads name and
//! password from descriptor 3, asks keydove's `hook` socket, and ends with an exit code, or becomes the program that
//! it was given. It is small and starts within a millisecond: no runtime, no configuration file, no log.
//!
//! * `options.rs`: the command line and the environment.
//! * `hook.rs`: the question and the answer on the socket.
//! * `reply.rs`: what is done with a yes.

// The daemon's own.
#[path = "../../frontend/dovecot/escaping.rs"]
mod escaping;
mod hook;
mod options;
mod reply;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::thread;

use hook::Verdict;
use options::{Command, Options};
use zeroize::Zeroizing;

/// What descriptor 3 may bring, by the interface.
const MAX_INPUT: u64 = 512;
/// The first descriptor that nobody has promised us.
const FIRST_UNPROMISED: i32 = 5;

const REFUSED: u8 = 1;
const MISUSED: u8 = 2;
const UNKNOWN: u8 = 3;
const CANNOT_TELL: u8 = 111;

const USAGE: &str = "\
Usage: keydove-checkpassword [OPTIONS] PROGRAM [ARGUMENTS]

Reads name and password from descriptor 3 and asks keydove. When they are right it runs PROGRAM; when PROGRAM is
Dovecot's checkpassword-reply it answers on descriptor 4 by itself.

Options:
  --socket PATH            keydove's listener with door = \"hook\" [default: /run/keydove/hook]
  --service NAME           imap, pop3, smtp ...; for servers that set no SERVICE in the environment
  --failure-delay SECONDS  a refusal waits so long, beside keydove's own failure_delay [default: 0]
  --help                   this text

Exit codes: 1 refused, 2 used wrongly, 3 no such user (lookups), 111 cannot tell: try again later.
";

fn main() -> ExitCode {
    close_what_was_not_meant_for_us();
    match Command::read(std::env::args_os().skip(1), |name| std::env::var_os(name)) {
        Ok(Command::Help) => say_usage(),
        Ok(Command::Check(options)) => check(&options),
        Err(mistake) => {
            complain(&mistake);
            ExitCode::from(MISUSED)
        }
    }
}

/// Answers one login or one lookup.
fn check(options: &Options) -> ExitCode {
    let input = match read_input() {
        Ok(input) => input,
        Err(trouble) => {
            complain(&trouble);
            // Under Dovecot 2 is the code of a user that was found.
            return ExitCode::from(if options.is_lookup { CANNOT_TELL } else { MISUSED });
        }
    };
    let mut parts = input.split(|&byte| byte == 0);
    let (user, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match hook::ask(options, user, password) {
        Ok(Verdict::Yes(fields)) => reply::accept(options, &fields).map_or_else(
            |trouble| {
                complain(&trouble);
                ExitCode::from(CANNOT_TELL)
            },
            ExitCode::from,
        ),
        Ok(Verdict::No) if options.is_lookup => ExitCode::from(UNKNOWN),
        Ok(Verdict::No) => {
            thread::sleep(options.failure_delay);
            ExitCode::from(REFUSED)
        }
        Ok(Verdict::CannotTell) => ExitCode::from(CANNOT_TELL),
        Err(trouble) => {
            complain(&trouble);
            ExitCode::from(CANNOT_TELL)
        }
    }
}

/// Name, NUL, password, NUL, and whatever follows.
fn read_input() -> Result<Zeroizing<Vec<u8>>, String> {
    let explain = |error: io::Error| format!("cannot read name and password from descriptor 3: {error}");
    let mut input = Zeroizing::new(Vec::with_capacity(MAX_INPUT as usize + 1));
    File::open("/proc/self/fd/3")
        .and_then(|file| file.take(MAX_INPUT + 1).read_to_end(&mut input))
        .map_err(explain)?;
    let _ = nix::unistd::close(3);
    if input.len() as u64 > MAX_INPUT {
        return Err("descriptor 3 brought more than 512 bytes".to_owned());
    }
    if input.iter().filter(|&&byte| byte == 0).count() < 2 {
        return Err("descriptor 3 did not bring a name and a password, each with a NUL behind it".to_owned());
    }
    Ok(input)
}

/// Dovecot's auth process passes on all that it has open, its listening sockets too. Neither we nor the program that
/// follows should hold them.
fn close_what_was_not_meant_for_us() {
    let Ok(folder) = fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> = folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&descriptor| descriptor >= FIRST_UNPROMISED)
        .collect();
    for descriptor in open {
        // The folder's own is among them, and closed by now.
        let _ = nix::unistd::close(descriptor);
    }
}

fn say_usage() -> ExitCode {
    match io::stdout().write_all(USAGE.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(MISUSED),
    }
}

/// One line on standard error, which Dovecot writes into its log.
fn complain(trouble: &str) {
    // There is nobody left to tell.
    let _ = writeln!(io::stderr(), "keydove-checkpassword: {trouble}");
}

/// Bytes as they are in the environment and in arguments.
fn os(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}
