//! Many mailboxes in one transaction, for the sync.

use std::time::Duration;

use tokio::time::Instant;

use super::checks::OfDomain;
use super::create::CreateMailbox;
use super::rows::{Creation, NewMailboxRows};
use crate::backend::sql::error::Error;
use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::placement::Candidates;
use crate::backend::sql::retry::{Fault, Trouble};
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};
use crate::backend::sql::sync::FollowName;

/// Somebody's first login waits for the domain's row, or for the SQLite file, no longer than this and one mailbox.
const LONGEST: Duration = Duration::from_millis(150);

/// A mailbox that the sync makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedMailbox {
    /// Everything that it needs.
    pub rows: NewMailboxRows,
    /// The name that Keycloak has for the person, to be remembered; empty where names are not followed.
    pub source_name: String,
}

/// Makes mailboxes of one domain, each with a savepoint: what stands against one leaves the others as they are, and a crash
/// leaves whole mailboxes or none.
///
/// The first statement locks the domain, so that its limits hold; a transaction of several domains would read those of the
/// second at a moment before its lock.
pub(super) struct CreateMailboxes(pub(super) Vec<ImportedMailbox>, pub(super) Option<Candidates>);

impl Work for CreateMailboxes {
    const ATTEMPT: &'static str = "creating mailboxes";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    /// Of the first ones; the others come in the next transaction.
    type Output = Vec<Result<Creation, Error>>;

    fn needs(&self) -> TableSets {
        TableSets::of_if(self.1.is_some(), TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let began = Instant::now();
        let (mut ends, mut of_domain) = (Vec::new(), None);
        for mailbox in &self.0 {
            if !ends.is_empty() && began.elapsed() >= LONGEST {
                break;
            }
            session.command("SAVEPOINT one_mailbox").await?;
            let before = of_domain.clone();
            match create(session, mailbox, &self.1, &mut of_domain).await {
                Ok(end) => {
                    session.command("RELEASE SAVEPOINT one_mailbox").await?;
                    ends.push(Ok(end));
                }
                // Any other trouble is of the whole transaction.
                Err(Fault { trouble: Trouble::Refused, error }) => {
                    session.command("ROLLBACK TO SAVEPOINT one_mailbox").await?;
                    of_domain = before;
                    ends.push(Err(error));
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(ends)
    }
}

async fn create<S: Session>(
    session: &mut S,
    mailbox: &ImportedMailbox,
    candidates: &Option<Candidates>,
    of_domain: &mut Option<OfDomain>,
) -> Result<Creation, Fault> {
    let work = CreateMailbox::new(mailbox.rows.clone(), None, candidates.clone());
    let end = work.create(session, of_domain).await?;
    if end == Creation::Created && !mailbox.source_name.is_empty() && session.has_own_tables() {
        let (name, user) = (mailbox.source_name.clone(), mailbox.rows.user.as_str().to_owned());
        FollowName { mailbox: user, name, write: false }.run(session).await?;
    }
    Ok(end)
}
