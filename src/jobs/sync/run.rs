//! One run: each Keycloak, page by page, then those who were missing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::foresight::Foresight;
use super::journal::Journal;
use super::newcomer::Newcomer;
use super::report::{Outcome, Report, Skip, SourceReport};
use super::walk::Walk;
use super::{Request, Sync, Trouble, Watch};
use crate::auth::Username;
use crate::backend::keycloak;
use crate::backend::keycloak::{Client, Disabled, Lookup};
use crate::backend::people::LiveSource;
use crate::backend::sql::LeaseWish;
use crate::provision::Rulebook;

/// The lease is prolonged no more often.
const PROLONG_AFTER: Duration = Duration::from_secs(20);

/// What a run knows of one Keycloak beyond its list.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// Who is really disabled; read when the list shows the first who may be.
    pub(super) disabled: Option<Disabled>,
    /// How many people lost access because something that they share is switched off.
    pub(super) switched_off: u64,
}

/// A run while it goes on.
pub(super) struct Run<'s> {
    pub(super) sync: &'s mut Sync,
    pub(super) request: &'s Request,
    pub(super) rulebook: Rulebook,
    pub(super) report: Report,
    pub(super) journal: Journal,
    /// The addresses so far.
    pub(super) addresses: HashSet<Username>,
    /// Addresses that somebody has who is not the owner of the mailbox.
    pub(super) claimed: HashSet<Username>,
    /// What the list alone does not tell of this Keycloak.
    pub(super) sight: Sight,
    /// What a dry run has announced.
    pub(super) foresight: Foresight,
    /// People of this page who get a mailbox at its end.
    pub(super) newcomers: Vec<Newcomer>,
    /// Marks cannot be written.
    pub(super) marks_denied: bool,
    /// The lease, and when it was prolonged last; `None` where there is none.
    lease: Option<(LeaseWish, Instant)>,
}

impl<'s> Run<'s> {
    pub(super) fn new(
        sync: &'s mut Sync,
        request: &'s Request,
        rulebook: Rulebook,
        journal: Journal,
        lease: Option<LeaseWish>,
    ) -> Self {
        Self {
            sync,
            request,
            rulebook,
            report: Report { dry_run: request.dry_run, ..Report::default() },
            journal,
            addresses: HashSet::new(),
            claimed: HashSet::new(),
            sight: Sight::default(),
            foresight: Foresight::default(),
            newcomers: Vec::new(),
            marks_denied: false,
            lease: lease.map(|wish| (wish, Instant::now())),
        }
    }

    /// Goes through everybody.
    pub(super) async fn everybody(&mut self, watch: Watch<'_>) {
        let sources = self.sync.parts.sources.all();
        let mut keycloaks = 0;
        let mut good = true;
        for source in sources {
            let (name, end) = match source {
                LiveSource::NotKeycloak => continue,
                LiveSource::Unknown(trouble) => ("mailcow".to_owned(), Err(Trouble::Settings(trouble))),
                LiveSource::Keycloak { client, .. } => {
                    self.addresses.clear();
                    self.claimed.clear();
                    self.newcomers.clear();
                    self.sight = Sight::default();
                    self.foresight.on = 0;
                    (client.name().to_owned(), self.one_source(&client, watch).await)
                }
            };
            keycloaks += 1;
            good &= end.is_ok();
            let trouble = end.err().map(|trouble| {
                tracing::warn!(source = name, error = %trouble, "the sync did not get to the end of a Keycloak");
                match &trouble {
                    Trouble::Keycloak(error) => {
                        self.journal.write("err", &format!("Received HTTP {}", status(error)));
                    }
                    trouble => self.journal.write("err", &trouble.to_string()),
                }
                trouble.to_string()
            });
            self.report.sources.push(SourceReport { name, trouble });
        }
        self.report.complete = good && keycloaks > 0;
    }

    async fn one_source(&mut self, client: &Arc<Client>, watch: Watch<'_>) -> Result<(), Trouble> {
        let stores = self.ask_known_stores(client).await?;
        let mut walk = Walk::begin(&**client, self.sync.config.pause.get()).await?;
        let end = self.walk_through(client, &mut walk, watch).await;
        let cost = walk.cost();
        self.report.keycloak_seconds += cost.asking.as_secs_f64();
        self.report.paused_seconds += cost.paused.as_secs_f64();
        self.report.pages += cost.pages;
        end?;
        let walked = walk.end().await?;
        if let Some(doubt) = walked.doubt {
            return Err(Trouble::Doubt(doubt));
        }
        self.check_sight()?;
        self.look_for_hidden(client, stores, &walked.stores).await?;
        self.take_leavers(client, &walked).await
    }

    async fn walk_through(
        &mut self,
        client: &Arc<Client>,
        walk: &mut Walk<'_, Client>,
        watch: Watch<'_>,
    ) -> Result<(), Trouble> {
        let mut page = walk.next().await?;
        while let Some(people) = page {
            self.keep_lease().await?;
            self.sync.log.note().await;
            // While this page is written, Keycloak is left alone and then asked for the next one.
            let (taken, next) = tokio::join!(self.take_page(client, people), walk.next());
            taken?;
            watch(&self.report, walk.expected());
            page = next?;
        }
        Ok(())
    }

    /// Looks at one address only. Nobody is taken for gone.
    pub(super) async fn one_person(&mut self, user: &Username) -> Result<(), Trouble> {
        let Ok(client) = self.sync.parts.sources.client_for(user) else {
            self.report.count(Some(user), Outcome::Skipped(Skip::OtherSource));
            return Ok(());
        };
        let person = match client.find_person(user).await? {
            Lookup::Found(person) => person,
            Lookup::Unknown(_) => {
                self.report.count(Some(user), Outcome::Skipped(Skip::NotInKeycloak));
                return Ok(());
            }
            Lookup::Conflict => {
                self.report.count(Some(user), Outcome::Skipped(Skip::Conflict));
                return Ok(());
            }
        };
        self.report.seen += 1;
        let standings = self.sync.parts.database.standings(vec![user.clone()]).await?;
        for standing in standings {
            self.take_person(&client, &person, &standing).await;
        }
        self.make_mailboxes().await;
        self.report.complete = true;
        Ok(())
    }

    /// Prolongs the lease if it is time to. Whoever has lost it must stop.
    pub(super) async fn keep_lease(&mut self) -> Result<(), Trouble> {
        let Some((wish, since)) = &mut self.lease else { return Ok(()) };
        if self.sync.parts.database.has_lost_lease() {
            return Err(Trouble::LeaseLost);
        }
        if since.elapsed() < PROLONG_AFTER {
            return Ok(());
        }
        if !self.sync.parts.database.keep_lease(wish).await? {
            return Err(Trouble::LeaseLost);
        }
        *since = Instant::now();
        Ok(())
    }
}

/// The status as mailcow would log it; 0 where there was none.
fn status(error: &keycloak::Error) -> u16 {
    use keycloak::Error::{Forbidden, NotFound, RateLimited, ServerError, Unauthorized};
    match error {
        Unauthorized { .. } => 401,
        Forbidden { .. } => 403,
        NotFound { .. } => 404,
        RateLimited { .. } => 429,
        ServerError { status, .. } => *status,
        _ => 0,
    }
}
