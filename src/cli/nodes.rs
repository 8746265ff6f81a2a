//! Whether every running keydove knows of a change that a command has made.

use std::time::Duration;

use crate::backend::sql::{Database, Followed};

/// Nodes that follow say so within two seconds or three.
const LIMIT: Duration = Duration::from_secs(5);

/// Waits until every node has followed what is committed now, for five seconds at most; says how that ended.
pub(super) async fn wait_until_followed(database: &Database) -> String {
    match database.wait_until_followed(None, LIMIT).await {
        Followed::ByAll(1) => "the running keydove knows of it".to_owned(),
        Followed::ByAll(count) => format!("all {count} nodes know of it"),
        Followed::NotBy(nodes) => format!(
            "not heard of yet: {}. Such a node refuses it a second after it reaches the database; until then, and where the \
             process hangs, it goes by what it remembers",
            nodes.join(", ")
        ),
        Followed::NoNodes => {
            "no running keydove follows changes in this database; one that runs all the same goes by what \
                              it remembers for up to [cache] mailbox_staleness"
                .to_owned()
        }
        Followed::NotKnown => "whether every node knows of it could not be read from the database".to_owned(),
    }
}
