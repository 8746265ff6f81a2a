//! The command itself.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::config::{Config, USER};

/// A command that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Ends the sessions of a mailbox: runs the command, each argument with the mailbox in the place of `{user}`, and never
/// through a shell. That it fails is said and changes nothing.
pub async fn kick(config: &Config, mailbox: &str) {
    let Some((program, arguments)) = config.command.split_first() else { return };
    // It must become no option, no mask of doveadm's, and nothing else in a text that is quoted.
    if mailbox.starts_with('-') || mailbox.contains(['*', '?', '"', '\\']) {
        tracing::warn!(
            user = mailbox,
            "nobody with such a name is kicked: a command could take it for something else"
        );
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
        let run = async |command: &[&str], mailbox| {
            let command = command.iter().map(|&word| word.to_owned()).collect();
            kick(&Config::of(command), mailbox).await;
        };
        run(&["/bin/cp", "/dev/null", &format!("{path}-{{user}}")], "a;b@example.org").await;
        let made = format!("{path}-a;b@example.org");
        assert!(std::path::Path::new(&made).exists());
        std::fs::remove_file(made).unwrap();
        for name in ["-f@example.org", "?@example.org", "a\"b@example.org"] {
            run(&["/bin/cp", "/dev/null", &format!("{path}-{{user}}")], name).await;
            assert!(!std::path::Path::new(&format!("{path}-{name}")).exists(), "{name}");
        }
        // What cannot be started, and what fails, is survived.
        run(&["/nonexistent", USER], "a@example.org").await;
        run(&["/bin/false", USER], "a@example.org").await;
    }
}
