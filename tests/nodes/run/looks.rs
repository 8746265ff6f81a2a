//! What is seen after the run: rows, sessions, and the nodes' logs.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{AGAIN, Play};
use crate::cluster::clock_ahead;
use crate::galera::Database;
use crate::history::{Act, Event, Outcome};
use crate::schedule::NODES;
use crate::stage::Result;
use crate::stage::names::DATABASE;

/// The tables in which a first login makes a row, and the column with the address.
const ROWS: [(&str, &str); 4] =
    [("mailbox", "username"), ("alias", "address"), ("user_acl", "username"), ("keydove_person", "mailbox")];

impl Play<'_> {
    /// When which node ran the sync, by its log.
    pub(super) fn turns(&self) {
        for (place, name) in NODES.iter().enumerate() {
            let log = self.cluster.nodes[place].keydove().log_so_far();
            for (end, took) in log.lines().filter_map(sync_of) {
                let Some(end) = self.recorder.moment(end, clock_ahead(place)) else { continue };
                let act = Act::Turn { work: "sync".to_owned() };
                let begin = end.saturating_sub(took);
                self.recorder.note(Event { begin, end, node: (*name).to_owned(), act, result: Outcome::Yes });
            }
        }
    }

    /// What each database holds in the end, and which sessions there are.
    pub(super) fn look(&self) -> Result<()> {
        for (place, name) in NODES.iter().enumerate() {
            let found = self.cluster.at(place, |node| {
                node.database().query(&format!("SELECT mailbox, name, active FROM {DATABASE}.app_passwd"))
            })??;
            for row in found {
                let [user, key, active] = &row[..] else { continue };
                let result = if active == "1" { Outcome::Yes } else { Outcome::No };
                let act = Act::Standing { user: user.clone(), key: key.clone() };
                self.recorder.record(name, act, || result);
            }
            let arrived = self.book.arrived().clone();
            for user in arrived {
                let rows = self.cluster.at(place, |node| count(&node.database(), &user))??;
                self.recorder.record(name, Act::Rows { user, rows }, || Outcome::Yes);
            }
            let sessions = self.book.sessions().clone();
            self.cluster.at(place, |_| {
                let client = self.client(place, 0);
                for session in sessions.iter().rev().take(AGAIN) {
                    client.look_at_session(&session.name, &session.cookie);
                }
            })?;
        }
        Ok(())
    }
}

fn count(database: &Database, user: &str) -> Result<BTreeMap<String, u64>> {
    let questions = ROWS.map(|(table, column)| {
        format!("SELECT '{table}', COUNT(*) FROM {DATABASE}.{table} WHERE {column} = '{user}'")
    });
    let rows = database.query(&questions.join(" UNION ALL "))?;
    Ok(rows.into_iter().filter_map(|row| Some((row.first()?.clone(), row.get(1)?.parse().ok()?))).collect())
}

/// When a whole run of the sync ended, and how many milliseconds it took, if this line tells of one.
fn sync_of(line: &str) -> Option<(SystemTime, u64)> {
    let (time, rest) = line.split_once(" INFO sync complete ")?;
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    let seconds: f64 = rest.split_once(" seconds=")?.1.split(' ').next()?.parse().ok()?;
    Some((time.into(), Duration::try_from_secs_f64(seconds).ok()?.as_millis().try_into().ok()?))
}
