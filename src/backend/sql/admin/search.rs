//! Mailboxes that an administrator looks for: one by its address, or a page of those that a text fits.

use super::mailbox::{LIST, MailboxRow};
use crate::auth::Username;
use crate::backend::sql::domain_name::DomainName;
use crate::backend::sql::names::{is_name_of, pick, spellings, texts};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::Parameter;
use crate::backend::sql::session::{Kind, Session, Work};

/// Resources are no mailboxes; `kind` is NULL or empty for those that are.
const NO_RESOURCE: &str = "COALESCE(m.kind, '') NOT IN ('location', 'thing', 'group')";

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxSearch {
    /// What the address or the name contains, as the database compares; empty is anything.
    pub text: String,
    /// Only of this domain.
    pub domain: Option<DomainName>,
    /// So many rows are left out at the beginning.
    pub skip: u64,
    /// So many are wanted.
    pub most: u32,
}

pub(super) struct FindRow(pub(super) Username);

impl Work for FindRow {
    const ATTEMPT: &'static str = "looking for a mailbox";
    const KIND: Kind = Kind::Reads;
    type Output = Option<MailboxRow>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let [name, unicode, ..] = spellings(&self.0);
        let statement = format!("{LIST} WHERE m.username IN (?, ?)");
        let mut found = Vec::new();
        for mut row in session.query(&statement, texts([name, unicode])).await? {
            let read = row.read("mailbox", self.0.as_str(), MailboxRow::read)?;
            found.extend(read.filter(|mailbox| is_name_of(&self.0, &mailbox.address)));
        }
        let found = only_once(found).into_iter().map(|row| (row.address.clone(), row));
        Ok(pick("mailbox", self.0.as_str(), found.collect())?)
    }
}

pub(super) struct Search(pub(super) MailboxSearch);

impl Work for Search {
    const ATTEMPT: &'static str = "searching mailboxes";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<MailboxRow>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let MailboxSearch { text, domain, skip, most } = &self.0;
        let mut statement = format!("{LIST} WHERE {NO_RESOURCE}");
        let mut parameters: Vec<Parameter> = Vec::new();
        if let Some(domain) = domain {
            statement.push_str(" AND m.domain IN (?, ?)");
            parameters.extend(texts(domain.spellings()));
        }
        if !text.is_empty() {
            statement.push_str(" AND (m.username LIKE ? ESCAPE '!' OR m.name LIKE ? ESCAPE '!')");
            let pattern = pattern(text);
            parameters.extend(texts([pattern.clone(), pattern]));
        }
        statement.push_str(&format!(" ORDER BY m.username LIMIT {most} OFFSET {skip}"));
        let mut mailboxes = Vec::new();
        for mut row in session.query(&statement, parameters).await? {
            let read = row.read("mailbox", "", MailboxRow::read)?;
            let of_domain = |mailbox: &MailboxRow| match domain {
                Some(domain) => mailbox.address.rsplit_once('@').is_some_and(|(_, stored)| domain.is(stored)),
                None => true,
            };
            mailboxes.extend(read.filter(of_domain));
        }
        Ok(only_once(mailboxes))
    }
}

/// Of several rows of usage that the database takes for a mailbox's own, that one counts.
fn only_once(mut mailboxes: Vec<MailboxRow>) -> Vec<MailboxRow> {
    mailboxes.dedup_by(|later, earlier| {
        let is_same = later.address == earlier.address;
        if is_same {
            earlier.used = earlier.used.max(later.used);
        }
        is_same
    });
    mailboxes
}

/// Text that contains this one; no character of it is a wildcard.
fn pattern(text: &str) -> String {
    let escaped =
        text.chars().flat_map(|c| matches!(c, '%' | '_' | '!').then_some('!').into_iter().chain([c]));
    format!("%{}%", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn nothing_in_a_search_is_a_wildcard() {
        assert_eq!(pattern("a%b_c!"), "%a!%b!_c!!%");
    }
}
