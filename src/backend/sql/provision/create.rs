//! The rows of a new mailbox, in mailcow's order.

use super::checks::{OfDomain, gather};
use super::rows::{Announced, Creation, NewMailboxRows, UserAcl};
use crate::auth::{Secret, Username};
use crate::backend::sql::mailbox::{AuthSource, MIB};
use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::person::{self, PersonOf};
use crate::backend::sql::placement::{self, Candidates};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::Parameter;
use crate::backend::sql::session::{Dialect, Kind, LostCommit, Session, Work};
use crate::backend::sql::sogo;

/// The time is the database's own, as a text without fractions.
const INSERT_MAILBOX: &str = "\
INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, authsource, active) \
VALUES (?, ?, ?, ?, ?, ?, JSON_SET(?, '$.passwd_update', CAST(CURRENT_TIMESTAMP AS CHAR)), ?, ?)";
/// A tag that the database takes for an earlier one is left out.
const INSERT_TAG_SQLITE: &str = "INSERT OR IGNORE INTO tags_mailbox (username, tag_name) VALUES (?, ?)";
const INSERT_TAG_MARIADB: &str = "INSERT IGNORE INTO tags_mailbox (username, tag_name) VALUES (?, ?)";
/// Rows that an earlier mailbox of this name left behind begin again.
const RESET_QUOTA: [&str; 2] = [
    "REPLACE INTO quota2 (username, bytes, messages) VALUES (?, 0, 0)",
    "REPLACE INTO quota2replica (username, bytes, messages) VALUES (?, 0, 0)",
];
const INSERT_ALIAS: &str = "INSERT INTO alias (address, goto, domain, active) VALUES (?, ?, ?, ?)";

/// Makes a mailbox, if the rules allow it.
pub(in crate::backend::sql) struct CreateMailbox {
    rows: NewMailboxRows,
    /// The hash of a mailbox that has a password of its own. `None` is the normal case: Keycloak has it.
    password: Option<Secret>,
    /// Where mailboxes live on several machines: it gets one of them.
    candidates: Option<Candidates>,
}

impl CreateMailbox {
    pub(in crate::backend::sql) fn new(
        rows: NewMailboxRows,
        password: Option<Secret>,
        candidates: Option<Candidates>,
    ) -> Self {
        Self { rows, password, candidates }
    }

    pub(in crate::backend::sql) fn user(&self) -> &Username {
        &self.rows.user
    }
}

impl Work for CreateMailbox {
    const ATTEMPT: &'static str = "creating a mailbox";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = Creation;

    fn needs(&self) -> TableSets {
        TableSets::of_if(self.candidates.is_some(), TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Creation, Fault> {
        self.create(session, &mut None).await
    }
}

impl CreateMailbox {
    /// `of_domain` is what was found out about all mailboxes of the domain; afterwards it includes this one.
    pub(super) async fn create<S: Session>(
        &self,
        session: &mut S,
        of_domain: &mut Option<OfDomain>,
    ) -> Result<Creation, Fault> {
        let rows = &self.rows;
        let mut facts = gather(session, &rows.user, of_domain.take()).await?;
        let known = PersonOf(rows.user.clone()).run(session).await?;
        facts.other_person = match (known, &rows.owner) {
            (Some(known), Some(owner)) => known.keycloak_id != owner.keycloak_id,
            _ => false,
        };
        let judged = facts.judge(rows);
        let of_domain = of_domain.insert(facts.of_domain);
        match judged {
            // The row is that of the run before, whose commit was made although nobody heard of it.
            Some(Creation::AlreadyThere) if session.follows_lost_commit() => return Ok(Creation::Created),
            Some(end) => return Ok(end),
            None => {}
        }
        for (statement, parameters) in statements(rows, self.password.as_ref(), S::DIALECT) {
            session.query(&statement, parameters).await?;
        }
        if let Some(owner) = &rows.owner {
            person::remember(session, &rows.user, owner).await?;
        }
        if let Some(candidates) = &self.candidates {
            // Where none is free the mailbox is made all the same, and its first login says so.
            placement::place(session, &rows.user, candidates).await?;
        }
        sogo::tell(session, &rows.user).await?;
        let quota_bytes = rows.quota_mib.saturating_mul(MIB);
        of_domain.usage = of_domain.usage.and(Announced { mailboxes: 1, quota_bytes });
        Ok(Creation::Created)
    }
}

/// Makes a mailbox, and keeps nothing of it.
pub(super) struct RehearseMailbox(CreateMailbox);

impl RehearseMailbox {
    pub(super) fn new(rows: NewMailboxRows) -> Self {
        Self(CreateMailbox::new(rows, None, None))
    }
}

impl Work for RehearseMailbox {
    const ATTEMPT: &'static str = CreateMailbox::ATTEMPT;
    const KIND: Kind = Kind::TriesOut;
    type Output = Creation;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Creation, Fault> {
        self.0.run(session).await
    }
}

/// Whether the rules would allow a mailbox. Writes nothing.
pub(super) struct WouldCreate(pub(super) NewMailboxRows, pub(super) Announced);

impl Work for WouldCreate {
    const ATTEMPT: &'static str = "asking whether a mailbox could be made";
    const KIND: Kind = Kind::Reads;
    type Output = Creation;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Creation, Fault> {
        let mut facts = gather(session, &self.0.user, None).await?;
        facts.of_domain.usage = facts.of_domain.usage.and(self.1);
        Ok(facts.judge(&self.0).unwrap_or(Creation::Created))
    }
}

fn statements(
    rows: &NewMailboxRows,
    password: Option<&Secret>,
    dialect: Dialect,
) -> Vec<(String, Vec<Parameter>)> {
    let (password, authsource) = match password {
        Some(password) => (password.into(), AuthSource::Mailcow),
        None => (Parameter::from(""), AuthSource::Keycloak),
    };
    let user = &rows.user;
    let name = || Parameter::from(user.as_str());
    let domain = || Parameter::from(user.domain());
    let mailbox = vec![
        name(),
        password,
        rows.name.as_str().into(),
        rows.quota_mib.saturating_mul(MIB).into(),
        user.local_part().into(),
        domain(),
        rows.attributes.as_str().into(),
        authsource.name().into(),
        rows.active.into(),
    ];
    let mut statements = vec![(INSERT_MAILBOX.to_owned(), mailbox)];
    statements.extend(rows.tags.iter().map(|tag| insert_tag(user, tag, dialect)));
    statements.extend(RESET_QUOTA.map(|statement| (statement.to_owned(), vec![name()])));
    statements.push((INSERT_ALIAS.to_owned(), vec![name(), name(), domain(), rows.active.into()]));
    statements.push(insert_acl(user, &rows.acl));
    statements
}

/// The statement that adds a tag, unless it is there.
pub(super) fn insert_tag(user: &Username, tag: &str, dialect: Dialect) -> (String, Vec<Parameter>) {
    let statement = match dialect {
        Dialect::Sqlite => INSERT_TAG_SQLITE,
        Dialect::Mariadb => INSERT_TAG_MARIADB,
    };
    (statement.to_owned(), vec![user.as_str().into(), tag.into()])
}

fn insert_acl(user: &Username, acl: &UserAcl) -> (String, Vec<Parameter>) {
    let columns = UserAcl::RIGHTS.join(", ");
    let marks = "?, ".repeat(UserAcl::RIGHTS.len());
    let mut parameters: Vec<Parameter> =
        acl.iter().map(|(_, granted)| Parameter::Integer(granted.into())).collect();
    parameters.push(user.as_str().into());
    (format!("INSERT INTO user_acl ({columns}, username) VALUES ({marks}?)"), parameters)
}
