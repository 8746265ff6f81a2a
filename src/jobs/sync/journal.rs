//! mailcow's log of its cron jobs, which its web interface shows: a list in Redis, an entry a line.

use tokio::time::Instant;

use super::report::{Outcome, Skip};
use crate::auth::ProvisionRefusal;
use crate::backend::redis::Redis;
use crate::provision::json_encode;

pub(super) const LIST: &str = "CRON_LOG";
/// As many as mailcow itself keeps.
const KEEP: usize = 9999;
/// The name under which mailcow's own job writes.
pub(super) const TASK: &str = "Keycloak Sync";
/// Who wrote a line.
pub(super) const SIGNATURE: &str = "keydove";
/// So many lines of one run say what is as it should be, and so many that something is not; the others are in keydove's
/// own log.
const MOST_OF_A_RUN: usize = 500;

/// Lines of one run, on their way to Redis.
#[derive(Debug)]
pub(super) struct Journal {
    /// Nobody reads it.
    off: bool,
    /// Seconds since 1970 when the run began, and when that was.
    began: (i64, Instant),
    lines: Vec<String>,
    written: Written,
    left_out: usize,
}

/// How many lines there are, apart so that many of the one kind push out none of the other.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    good: usize,
    bad: usize,
}

/// What is told of a person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    /// The address; the user name where there is none.
    pub(super) name: &'a str,
    /// What became of them.
    pub(super) outcome: Outcome,
    /// No mapping fits them.
    pub(super) is_unmapped: bool,
    /// They have a mailbox.
    pub(super) has_mailbox: bool,
}

impl Journal {
    /// `now`: seconds since 1970; `None` where no line is wanted.
    pub(super) fn new(now: Option<i64>) -> Self {
        let began = (now.unwrap_or_default(), Instant::now());
        Self { off: now.is_none(), began, lines: Vec::new(), written: Written::default(), left_out: 0 }
    }

    /// A line in mailcow's words and form; `priority` is `info`, `warning` or `err`.
    pub(super) fn write(&mut self, priority: &'static str, message: &str) {
        if self.off {
            return;
        }
        let written = match priority {
            "info" => &mut self.written.good,
            _ => &mut self.written.bad,
        };
        if *written >= MOST_OF_A_RUN {
            self.left_out += 1;
            return;
        }
        *written += 1;
        self.push(priority, message);
    }

    fn push(&mut self, priority: &str, message: &str) {
        let passed = i64::try_from(self.began.1.elapsed().as_secs()).unwrap_or_default();
        let (time, message) = (self.began.0 + passed, json_encode(message));
        self.lines.push(format!(
            r#"{{"time":{time},"priority":"{priority}","task":"{TASK}","message":{message},"by":"{SIGNATURE}"}}"#
        ));
    }

    /// The lines about a person, in mailcow's words where mailcow has any. Nothing is said where nothing was done and
    /// nothing is wrong.
    pub(super) fn tell(&mut self, told: Told<'_>) {
        if self.off {
            return;
        }
        let Told { name, outcome, is_unmapped, has_mailbox } = told;
        match outcome {
            Outcome::Created => {
                if is_unmapped {
                    self.write("warning", &format!("Using default template for user {name}"));
                }
                self.write("info", &format!("Creating user {name}"));
            }
            Outcome::Changed | Outcome::Restored | Outcome::Unchanged => {
                if is_unmapped {
                    self.write("warning", &no_mapping(name));
                }
                if outcome != Outcome::Unchanged {
                    self.write("info", &format!("Syncing attributes for user {name}"));
                }
            }
            Outcome::Skipped(skip) => self.tell_of_skipped(name, skip, has_mailbox),
        }
    }

    fn tell_of_skipped(&mut self, name: &str, skip: Skip, has_mailbox: bool) {
        match skip {
            Skip::ServiceAccount => {}
            Skip::NoAddress => {
                self.write("warning", &format!("No email address in keycloak found for user {name}"));
            }
            Skip::Refused(ProvisionRefusal::NoMapping) => self.write("warning", &no_mapping(name)),
            Skip::LocalMailbox | Skip::NotImported => {
                self.write("info", &format!("Skipping user {name}"));
            }
            Skip::Refused(_) | Skip::Failed if has_mailbox => {
                self.write("info", &format!("Syncing attributes for user {name}"));
                self.write("err", &format!("Could not sync user {name}: {}", skip.words()));
            }
            Skip::Refused(_) | Skip::Failed | Skip::DomainUnknown => {
                self.write("info", &format!("Creating user {name}"));
                self.write("err", &format!("Could not create user {name}: {}", skip.words()));
            }
            Skip::Disabled
            | Skip::SwitchedOff
            | Skip::DomainInactive
            | Skip::ImportLimit
            | Skip::OtherSource
            | Skip::Conflict
            | Skip::AddressChanged
            | Skip::Filtered
            | Skip::BadAddress
            | Skip::NotInKeycloak
            | Skip::Unreadable => {
                self.write("warning", &format!("Skipping user {name}: {}", skip.words()));
            }
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

fn no_mapping(name: &str) -> String {
    format!("No matching attribute mapping found for user {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "a@example.org";

    fn of(outcome: Outcome, is_unmapped: bool) -> Told<'static> {
        Told { name: NAME, outcome, is_unmapped, has_mailbox: true }
    }

    #[tokio::test(start_paused = true)]
    async fn lines_have_mailcows_form() {
        let mut journal = Journal::new(Some(1_700_000_000));
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        journal.tell(of(Outcome::Created, true));
        journal.tell(of(Outcome::Unchanged, false));
        journal.tell(of(Outcome::Unchanged, true));
        let noaddress = Outcome::Skipped(Skip::NoAddress);
        journal.tell(Told { name: "ann", outcome: noaddress, is_unmapped: false, has_mailbox: false });
        journal.write("err", "a/b");
        journal.finish(true);
        let line = |priority: &str, message: &str| {
            format!(
                r#"{{"time":1700000002,"priority":"{priority}","task":"Keycloak Sync","message":"{message}","by":"keydove"}}"#
            )
        };
        assert_eq!(
            journal.lines,
            [
                line("warning", "Using default template for user a@example.org"),
                line("info", "Creating user a@example.org"),
                line("warning", "No matching attribute mapping found for user a@example.org"),
                line("warning", "No email address in keycloak found for user ann"),
                line("err", r"a\/b"),
                line("info", "DONE!"),
            ]
        );
    }

    #[test]
    fn whoever_is_skipped_is_named_with_the_reason() {
        for skip in [Skip::Disabled, Skip::SwitchedOff, Skip::DomainInactive, Skip::ImportLimit] {
            let mut journal = Journal::new(Some(1));
            journal.tell(of(Outcome::Skipped(skip), false));
            let [line] = &journal.lines[..] else { panic!("{:?}", journal.lines) };
            let begins = format!("Skipping user {NAME}: {}", skip.words());
            assert!(line.contains(&begins) && line.contains("warning"), "{line}");
        }
    }

    #[tokio::test]
    async fn a_run_writes_so_many_lines_and_no_more() {
        let mut journal = Journal::new(Some(1));
        for _ in 0..2 * MOST_OF_A_RUN {
            journal.tell(of(Outcome::Changed, false));
        }
        // What is wrong is said all the same.
        journal.tell(of(Outcome::Skipped(Skip::Disabled), false));
        journal.finish(false);
        assert_eq!(journal.lines.len(), MOST_OF_A_RUN + 2);
        assert!(journal.lines[MOST_OF_A_RUN].contains("disabled"));
        assert!(journal.lines[MOST_OF_A_RUN + 1].contains("500 more lines"));
    }
}
