//! Records that come back from a file while logins go on.

use tokio::time::Instant;

use super::Records;
use super::record::Record;
use crate::auth::Username;

/// Records on their way. What is forgotten before this is dropped stays forgotten.
pub struct Restoring<V: Record> {
    records: Records<V>,
    number: u64,
}

impl<V: Record> Restoring<V> {
    pub(super) fn new(records: Records<V>, number: u64) -> Self {
        Self { records, number }
    }

    /// Puts a record back that was asked for at `asked`, unless a younger one is there or it was forgotten meanwhile.
    pub fn put(&self, user: Username, record: V, asked: Instant) {
        self.records.put_back(self.number, user, record, asked);
    }
}

impl<V: Record> Drop for Restoring<V> {
    fn drop(&mut self) {
        self.records.end_restoring(self.number);
    }
}
