//! mailcow's own job, `keycloak-sync.php`: whether it runs, too. It writes in the log of cron jobs each minute, by an interval of
//! a minute at the end of each run. keydove's lines there are signed, which mailcow's web interface does not show.

use std::time::Duration;

use serde::Deserialize;

use super::journal::{LIST, SIGNATURE, TASK};
use crate::backend::redis;
use crate::backend::redis::Redis;

/// So many of the newest lines are looked at.
const LINES: usize = 300;
/// It is started each minute; a line that is older says nothing of now.
const RECENT: Duration = Duration::from_secs(180);

/// Whether it wrote a line within the last minutes. `now` is in seconds since 1970.
///
/// # Errors
/// Redis does not answer.
pub async fn runs(redis: &mut Redis, now: u64) -> Result<bool, redis::Error> {
    let lines = redis.newest(LIST, LINES).await?;
    Ok(lines.iter().any(|line| is_its_own(line, now)))
}

#[derive(Deserialize)]
struct Line {
    time: u64,
    task: String,
    by: Option<String>,
}

fn is_its_own(line: &str, now: u64) -> bool {
    let Ok(line) = serde_json::from_str::<Line>(line) else { return false };
    let is_recent = now.saturating_sub(line.time) <= RECENT.as_secs();
    line.task == TASK && is_recent && line.by.as_deref() != Some(SIGNATURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_mailcows_job_said_lately_counts() {
        let line = |time: u64, task: &str, message: &str| {
            format!(r#"{{"time":{time},"priority":"warning","task":"{task}","message":"{message}"}}"#)
        };
        for (text, is_it) in [
            (line(1000, TASK, "Sync not ready (3.20min \\/ 15min)"), true),
            (line(1000, TASK, "Sync is already running"), true),
            (line(700, TASK, "Sync not ready (3.20min \\/ 15min)"), false),
            (line(1000, "LDAP Sync", "Sync not ready (1min)"), false),
            // Each minute, where its interval is one.
            (line(1000, TASK, "DONE!"), true),
            (line(1000, TASK, "DONE!").replace('}', r#","by":"keydove"}"#), false),
            (line(1000, TASK, "Received HTTP 401"), true),
            ("nonsense".to_owned(), false),
        ] {
            assert_eq!(is_its_own(&text, 1060), is_it, "{text}");
        }
    }
}
