//! Other programs, run to their end.

use std::io::Write;
use std::process::{Command, Stdio};

use super::super::storage::Failure;

/// So much of what a program complains about is shown.
const SHOWN: usize = 1500;

/// Passwords that a shell may have handed over; they are no other program's business.
pub(super) const ADMIN_PASSWORD: &str = "KEYDOVE_ADMIN_PASSWORD";
pub(super) const TEST_PASSWORD: &str = "KEYDOVE_TEST_PASSWORD";
pub(super) const DATABASE_PASSWORD: &str = "KEYDOVE_MARIADB_PASSWORD";

/// A program that is not told the passwords, nor Ctrl-C.
pub(super) fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(path);
    // Ctrl-C is for setup, which lets it end and takes the changes back.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.env_remove(ADMIN_PASSWORD).env_remove(TEST_PASSWORD).env_remove(DATABASE_PASSWORD);
    command
}

/// What a program prints; an error has its complaint.
pub(super) fn output(command: &mut Command) -> Result<String, Failure> {
    output_of(command, "")
}

/// The same for a program that reads a text.
pub(super) fn output_of(command: &mut Command, input: &str) -> Result<String, Failure> {
    let what = describe(command);
    let cannot_run = |error: std::io::Error| Failure::System(format!("cannot run `{what}`: {error}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot_run)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that ends early says why by itself.
            let _ = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
        });
        child.wait_with_output()
    });
    let output = output.map_err(cannot_run)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = format!("{}\n{}", complaint.trim(), text.trim());
    let complaint: String = complaint.trim().chars().take(SHOWN).collect();
    Err(Failure::System(format!("`{what}` failed ({}): {complaint}", output.status)))
}

/// The same for a line of the shell, whose child may go on in the background.
pub(super) fn shell(line: &str) -> Result<(), Failure> {
    let status = program("/bin/sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::System(format!("`{line}` failed ({status})"))),
        Err(error) => Err(Failure::System(format!("cannot run `{line}`: {error}"))),
    }
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
