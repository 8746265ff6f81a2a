//! The keydove that setup has started: does it answer, and what does `keydove check` say?

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::super::control::ask;
use super::super::output::{say, say_error};
use super::super::storage::Failure;
use super::login::TestUser;
use super::{command, service};
use crate::frontend::control::Request;

/// How long keydove may take to answer after its start, and Dovecot after its reload.
const READY: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(200);

/// Whether a keydove of this configuration answers.
pub(super) fn answers(config: &Path) -> bool {
    config.exists() && ask(config, &Request::CacheCounts).is_ok()
}

pub(super) fn wait_until_it_answers(config: &Path) -> Result<(), Failure> {
    match wait(|| answers(config)) {
        true => Ok(()),
        false => Err(Failure::System(format!(
            "keydove does not answer; what it said last:\n{}",
            service::last_words()
        ))),
    }
}

/// Runs `keydove check`.
pub(super) fn check(
    config: &Path,
    test: Option<&TestUser>,
    narrow: impl FnOnce(&mut Command),
) -> Result<Output, Failure> {
    // Without /proc, by the name that it was called by.
    let own = std::env::current_exe().ok().or_else(|| std::env::args_os().next().map(PathBuf::from));
    let mut command = command::program(own.unwrap_or_else(|| "keydove".into()));
    command.arg("check").arg("--config").arg(config);
    if let Some(test) = test {
        command.arg("--user").arg(test.user.as_str());
    }
    narrow(&mut command);
    command.output().map_err(|error| Failure::System(format!("cannot run `check`: {error}")))
}

/// Runs it on all but the mail servers, which are not switched over yet. A fault is a failure.
pub(super) fn check_before_the_switch(config: &Path, test: Option<&TestUser>) -> Result<(), Failure> {
    let output = check(config, test, |command| {
        command.arg("--no-mail-servers");
    })?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::System(format!(
            "`keydove check` found what stands against logins:\n{}",
            faults(&String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr))
        ))),
    }
}

/// Shows what a check said, and tells whether it is no fault.
pub(super) fn show(output: &Output) -> bool {
    say(String::from_utf8_lossy(&output.stdout).trim_end());
    if !output.stderr.is_empty() {
        say_error(String::from_utf8_lossy(&output.stderr).trim_end());
    }
    output.status.success()
}

/// The lines of a check that are faults, each with its cure; all of it where there are none.
fn faults(text: &str, complaint: &str) -> String {
    let (mut lines, mut is_of_fault) = (Vec::new(), false);
    for line in text.lines() {
        is_of_fault = line.starts_with("fault:") || (is_of_fault && line.trim_start().starts_with("->"));
        lines.extend(is_of_fault.then_some(line));
    }
    match lines.is_empty() {
        true => format!("{complaint}{text}").trim().to_owned(),
        false => lines.join("\n"),
    }
}

/// Waits for what must happen; tells whether it did.
pub(super) fn wait(mut holds: impl FnMut() -> bool) -> bool {
    let mut waited = Duration::ZERO;
    loop {
        if holds() {
            return true;
        }
        if waited >= READY {
            return false;
        }
        std::thread::sleep(STEP);
        waited += STEP;
    }
}
