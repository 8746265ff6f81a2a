//! A few rows, for a look at whether logins work.

use super::database::Database;
use super::error::Error;
use super::mailbox::is_resource;
use super::retry::Fault;
use super::session::{Kind, Session, Work};
use crate::auth::{Username, normalise_domain};

impl Database {
    /// Some mailboxes of Keycloak's people that are on, in domains that are on.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(crate) async fn sample_mailboxes(&self, limit: usize) -> Result<Vec<Username>, Error> {
        let domains = self.active_domains().await?;
        let mut found = self.run(SampleMailboxes).await?;
        found.retain(|user| domains.iter().any(|domain| domain == user.domain()));
        found.truncate(limit);
        Ok(found)
    }

    /// The domains that are on, in normal form.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(crate) async fn active_domains(&self) -> Result<Vec<String>, Error> {
        self.run(ActiveDomains).await
    }
}

struct SampleMailboxes;

impl Work for SampleMailboxes {
    const ATTEMPT: &'static str = "looking at some mailboxes";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<Username>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let statement =
            "SELECT username, kind FROM mailbox WHERE active = 1 AND authsource = 'keycloak' LIMIT 100";
        let mut found = Vec::new();
        for mut row in session.query(statement, Vec::new()).await? {
            let (name, kind) =
                row.read("mailbox", "a sample", |row| Ok((row.words(0)?, row.text(1)?.unwrap_or_default())))?;
            found.extend(Username::parse(name.as_bytes()).ok().filter(|_| !is_resource(&kind)));
        }
        Ok(found)
    }
}

struct ActiveDomains;

impl Work for ActiveDomains {
    const ATTEMPT: &'static str = "listing the domains";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<String>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let mut domains = Vec::new();
        for mut row in session.query("SELECT domain, active FROM domain", Vec::new()).await? {
            let (name, active) =
                row.read("domain", "a sample", |row| Ok((row.words(0)?, row.number(1)? == 1)))?;
            domains.extend(normalise_domain(&name).ok().filter(|_| active));
        }
        Ok(domains)
    }
}
