//! All numbers, collected when somebody asks for them.

use tokio::time::Instant;

use super::Operations;
use crate::backend::breaker::Condition;
use crate::backend::records::RecordCounts;
use crate::credential::hashing::HashingCounts;
use crate::jobs::sync::StatusNumbers;
use crate::login::throttle;
use crate::observe::metrics::{CallsSnapshot, LoginsSnapshot, ShadowCount};

/// What `/metrics` shows.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    pub(super) logins: LoginsSnapshot,
    /// In shadow mode.
    pub(super) shadow: Vec<ShadowCount>,
    /// By the name of the source.
    pub(super) keycloaks: Vec<(String, CallsSnapshot)>,
    /// How many seconds ago events were read, by the name of the source; where they are polled, and once they were.
    pub(super) events: Vec<(String, u64)>,
    pub(super) sql: CallsSnapshot,
    pub(super) hashing: HashingCounts,
    /// By the name of the backend.
    pub(super) breakers: Vec<(String, Condition)>,
    /// By the name of the cache.
    pub(super) caches: Vec<(&'static str, RecordCounts)>,
    pub(super) throttle: throttle::Counts,
    pub(super) dropped_notes: u64,
    pub(super) insecure: Vec<String>,
    pub(super) sync: StatusNumbers,
}

impl Numbers {
    /// Collects them; while keydove starts there are few.
    pub(super) fn collect(operations: &Operations) -> Self {
        let mut numbers = Self { insecure: operations.insecure.clone(), ..Self::default() };
        let Some(watched) = operations.watched.get() else { return numbers };
        let decision = &watched.decision;
        numbers.breakers.push(("sql".to_owned(), decision.mailboxes().condition()));
        for client in decision.people().sources().clients() {
            let name = client.name().to_owned();
            numbers.keycloaks.push((name.clone(), client.calls().snapshot()));
            if let Some(read) = client.events_read() {
                let age = Instant::now().saturating_duration_since(read).as_secs();
                numbers.events.push((name.clone(), age));
            }
            numbers.breakers.push((name, client.condition()));
            let setting = "mailcow.server_url";
            let is_known = numbers.insecure.iter().any(|known| known.ends_with(".server_url"));
            if client.is_in_the_clear() && !is_known {
                numbers.insecure.push(setting.to_owned());
            }
        }
        Self {
            logins: watched.logins.snapshot(),
            shadow: watched.shadow.iter().flat_map(|shadow| shadow.snapshot()).collect(),
            sql: decision.database().questions().snapshot(),
            hashing: decision.passdb().hasher().counts(),
            caches: vec![
                ("mailboxes", decision.mailboxes().counts()),
                ("people", decision.people().counts()),
            ],
            throttle: decision.throttle().counts(),
            dropped_notes: watched.bookkeeper.dropped(),
            sync: watched.sync.as_ref().map(|status| status.numbers()).unwrap_or_default(),
            ..numbers
        }
    }
}
