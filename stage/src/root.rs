//! Root: needed by Postfix's master, and by Dovecot and MariaDB to run their parts as their own users.

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

/// What the program needs to know of its environment beyond `sudo`.
const KEPT: [&str; 8] = [
    "PATH",
    "JAVA_HOME",
    "DEMO_EXIT",
    "KEYDOVE_KEEP_STAGE",
    "KEYDOVE_NODES_SECONDS",
    "KEYDOVE_TEST_SEED",
    "LLVM_PROFILE_FILE",
    "RUST_BACKTRACE",
];

/// Starts this program again through `sudo` if it does not run as root, and returns that run's exit code.
///
/// `None` means: go on, this is root.
pub fn become_root() -> Option<ExitCode> {
    if nix::unistd::geteuid().is_root() {
        return None;
    }
    eprintln!(
        "Postfix can be started by root only, and Dovecot and MariaDB change to users of their own: asking sudo."
    );
    let kept = KEPT.iter().filter_map(|name| Some(assignment(name, &std::env::var_os(name)?)));
    let program = std::env::current_exe().unwrap_or_default();
    let arguments = std::env::args_os().skip(1);
    let status = Command::new("sudo").args(["--", "env"]).args(kept).arg(program).args(arguments).status();
    match status {
        Ok(status) => {
            Some(status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(code.clamp(0, 255) as u8)))
        }
        Err(error) => {
            eprintln!("run sudo: {error}; run this as root instead");
            Some(ExitCode::FAILURE)
        }
    }
}

fn assignment(name: &str, value: &OsStr) -> OsString {
    let mut text = OsString::from(name);
    text.push("=");
    text.push(value);
    text
}
