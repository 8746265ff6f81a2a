//! mailcow's log of its cron jobs, which its web interface shows: a list in Redis, an entry a line.

use tokio::time::Instant;

use super::report::{Outcome, Skip};
use crate::auth::{ProvisionRefusal, Username};
use crate::backend::redis::Redis;
use crate::provision::json_encode;

pub(super) const LIST: &str = "CRON_LOG";
/// As many as mailcow itself keeps.
const KEEP: usize = 9999;
/// The name under which mailcow's own job writes.
pub(super) const TASK: &str = "Keycloak Sync";
/// So many lines of one run; the others are in keydove's own log.
const MOST_OF_A_RUN: usize = 500;

/// Lines of one run, on their way to Redis.
#[derive(Debug)]
pub(super) struct Journal {
    /// Nobody reads it.
    off: bool,
    /// Seconds since 1970 when the run began, and when that was.
    began: (i64, Instant),
    lines: Vec<String>,
    written: usize,
    left_out: usize,
}

impl Journal {
    /// `now`: seconds since 1970; `None` where no line is wanted.
    pub(super) fn new(now: Option<i64>) -> Self {
        let began = (now.unwrap_or_default(), Instant::now());
        Self { off: now.is_none(), began, lines: Vec::new(), written: 0, left_out: 0 }
    }

    /// A line in mailcow's words and form; `priority` is `info`, `warning` or `err`.
    pub(super) fn write(&mut self, priority: &'static str, message: &str) {
        if self.off {
            return;
        }
        if self.written >= MOST_OF_A_RUN {
            self.left_out += 1;
            return;
        }
        self.push(priority, message);
    }

    fn push(&mut self, priority: &str, message: &str) {
        let passed = i64::try_from(self.began.1.elapsed().as_secs()).unwrap_or_default();
        let (time, message) = (self.began.0 + passed, json_encode(message));
        self.lines.push(format!(
            r#"{{"time":{time},"priority":"{priority}","task":"{TASK}","message":{message}}}"#
        ));
        self.written += 1;
    }

    /// The line about a person, as mailcow would word it. Nothing is said where nothing was done and nothing is wrong.
    pub(super) fn tell(&mut self, user: Option<&Username>, outcome: Outcome, is_unmapped: bool) {
        let user = user.map(Username::as_str).unwrap_or_default();
        match outcome {
            Outcome::Created => {
                if is_unmapped {
                    self.write("warning", &format!("Using default template for user {user}"));
                }
                self.write("info", &format!("Creating user {user}"));
            }
            Outcome::Changed | Outcome::Restored => {
                self.write("info", &format!("Syncing attributes for user {user}"));
            }
            Outcome::Skipped(Skip::NoAddress) => {
                self.write("warning", "No email address in keycloak found for user ");
            }
            Outcome::Skipped(Skip::Refused(ProvisionRefusal::NoMapping)) => {
                self.write("warning", &format!("No matching attribute mapping found for user {user}"));
            }
            Outcome::Skipped(Skip::LocalMailbox | Skip::Conflict | Skip::AddressChanged) => {
                self.write("info", &format!("Skipping user {user}"));
            }
            Outcome::Skipped(Skip::Refused(_) | Skip::DomainUnknown | Skip::Failed) => {
                self.write("info", &format!("Creating user {user}"));
                self.write("err", &format!("Could not create user {user}"));
            }
            Outcome::Skipped(_) | Outcome::Unchanged => {}
        }
    }

    /// The last lines of a run.
    pub(super) fn finish(&mut self, complete: bool) {
        if self.left_out > 0 {
            let message = format!("{} more lines are in the log of keydove", self.left_out);
            self.push("info", &message);
        }
        if complete && !self.off {
            self.push("info", "DONE!");
        }
    }

    /// Sends what is there. Without Redis, or when it fails, the lines are lost: keydove's own log has them.
    pub(super) async fn send(&mut self, redis: Option<&mut Redis>) {
        let lines = std::mem::take(&mut self.lines);
        let Some(redis) = redis else { return };
        if let Err(error) = redis.push(LIST, &lines, KEEP).await {
            self.off = true;
            tracing::warn!(%error, "mailcow's log of cron jobs was not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_have_mailcows_form() {
        let mut journal = Journal::new(Some(1_700_000_000));
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        let user = Username::parse(b"a@example.org").unwrap();
        journal.tell(Some(&user), Outcome::Created, true);
        journal.tell(Some(&user), Outcome::Unchanged, false);
        journal.tell(None, Outcome::Skipped(Skip::NoAddress), false);
        journal.write("err", "a/b");
        journal.finish(true);
        let line = |priority: &str, message: &str| {
            format!(
                r#"{{"time":1700000002,"priority":"{priority}","task":"Keycloak Sync","message":"{message}"}}"#
            )
        };
        assert_eq!(
            journal.lines,
            [
                line("warning", "Using default template for user a@example.org"),
                line("info", "Creating user a@example.org"),
                line("warning", "No email address in keycloak found for user "),
                line("err", r"a\/b"),
                line("info", "DONE!"),
            ]
        );
    }

    #[tokio::test]
    async fn a_run_writes_so_many_lines_and_no_more() {
        let mut journal = Journal::new(Some(1));
        let user = Username::parse(b"a@example.org").unwrap();
        for _ in 0..2 * MOST_OF_A_RUN {
            journal.tell(Some(&user), Outcome::Changed, false);
        }
        journal.finish(false);
        assert_eq!(journal.lines.len(), MOST_OF_A_RUN + 1);
        assert!(journal.lines[MOST_OF_A_RUN].contains("500 more lines"));
    }
}
