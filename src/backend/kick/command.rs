//! The command itself.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::config::{Config, USER};

/// A command that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What `doveadm kick` exits with where nobody of this name has a session (`EX_NOHOST`).
const NOBODY_THERE: i32 = 68;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kicked {
    /// The command says that it is done.
    Done,
    /// It says that there was no session.
    NobodyThere,
    /// Sessions may go on, for this reason.
    Failed(String),
}

/// Ends the sessions of a mailbox, and says in the log how that went; `why` they are to end.
pub async fn kick_and_tell(config: &Config, mailbox: &str, why: &str) {
    match kick(config, mailbox).await {
        Kicked::Done => tracing::info!(user = mailbox, why, "open sessions are ended"),
        Kicked::NobodyThere => tracing::info!(user = mailbox, why, "there were no open sessions to end"),
        Kicked::Failed(error) => {
            tracing::warn!(user = mailbox, why, error, "open sessions go on: the kick command failed");
        }
    }
}

/// Ends the sessions of a mailbox: runs the command, each argument with the mailbox in the place of `{user}`, and never
/// through a shell.
pub async fn kick(config: &Config, mailbox: &str) -> Kicked {
    let failed = |why: String| Kicked::Failed(why);
    let Some((program, arguments)) = config.command.split_first() else {
        return failed("there is no command".to_owned());
    };
    // It must become no option, no mask of doveadm's, and nothing else in a text that is quoted.
    if mailbox.starts_with('-') || mailbox.contains(['*', '?', '"', '\\']) {
        return failed("a command could take this name for something else".to_owned());
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
        Err(error) => return failed(format!("{program} cannot be started: {error}")),
    };
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Kicked::Done,
            Ok(Some(status)) if status.code() == Some(NOBODY_THERE) => return Kicked::NobodyThere,
            Ok(Some(status)) => return failed(format!("{program}: {status}")),
            Ok(None) if began.elapsed() < LIMIT => sleep(LOOK_AGAIN).await,
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return failed(format!("{program} did not end within {} s and was killed", LIMIT.as_secs()));
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
            kick(&Config::of(command), mailbox).await
        };
        let done = run(&["/bin/cp", "/dev/null", &format!("{path}-{{user}}")], "a;b@example.org").await;
        assert_eq!(done, Kicked::Done);
        let made = format!("{path}-a;b@example.org");
        assert!(std::path::Path::new(&made).exists());
        std::fs::remove_file(made).unwrap();
        for name in ["-f@example.org", "?@example.org", "a\"b@example.org"] {
            let end = run(&["/bin/cp", "/dev/null", &format!("{path}-{{user}}")], name).await;
            assert!(matches!(end, Kicked::Failed(_)), "{name}: {end:?}");
            assert!(!std::path::Path::new(&format!("{path}-{name}")).exists(), "{name}");
        }
        // What cannot be started, and what fails, is survived.
        for (command, end) in [("/nonexistent", "cannot be started"), ("/bin/false", "exit status: 1")] {
            let Kicked::Failed(why) = run(&[command, USER], "a@example.org").await else {
                panic!("{command}")
            };
            assert!(why.contains(end), "{command}: {why}");
        }
        let nobody = ["/bin/sh", "-c", "exit 68", USER];
        assert_eq!(run(&nobody, "a@example.org").await, Kicked::NobodyThere);
    }
}
