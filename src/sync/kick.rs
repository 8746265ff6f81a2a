//! Ends the sessions of a mailbox that was switched off, by a command of the administrator's.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::config::USER;

/// A command that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Runs the command, each argument with the mailbox in the place of `{user}`, and never through a shell. That it fails
/// is said and changes nothing.
pub(super) async fn kick(command: &[String], mailbox: &str) {
    let Some((program, arguments)) = command.split_first() else { return };
    // An option it must not become: a mailbox's name begins with no dash unless an administrator named it so.
    if mailbox.starts_with('-') {
        return;
    }
    let arguments = arguments.iter().map(|argument| argument.replace(USER, mailbox));
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(user = mailbox, program, %error, "the kick command cannot be started");
            return;
        }
    };
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return,
            Ok(Some(status)) => {
                tracing::warn!(user = mailbox, program, %status, "the kick command failed");
                return;
            }
            Ok(None) if began.elapsed() < LIMIT => sleep(LOOK_AGAIN).await,
            Ok(None) | Err(_) => {
                tracing::warn!(user = mailbox, program, "the kick command did not end and was killed");
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_command_gets_the_mailbox_and_no_shell() {
        let file = std::env::temp_dir().join(format!("keydove-kick-{}", std::process::id()));
        let path = file.display().to_string();
        let command = ["/bin/cp", "/dev/null", &format!("{path}-{{user}}")].map(str::to_owned);
        kick(&command, "a;b@example.org").await;
        let made = format!("{path}-a;b@example.org");
        assert!(std::path::Path::new(&made).exists());
        std::fs::remove_file(made).unwrap();
        // What cannot be started, and what fails, is survived.
        kick(&["/nonexistent".to_owned(), USER.to_owned()], "a@example.org").await;
        kick(&["/bin/false".to_owned(), USER.to_owned()], "a@example.org").await;
    }
}
