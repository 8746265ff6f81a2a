//! Mailboxes: what an administrator changes in one, and the list of them.

use serde_json::Value;

use super::obstacle::{Obstacle, Outcome};
use crate::auth::{ProvisionRefusal, Secret, Username};
use crate::backend::sql::access::AccessSwitches;
use crate::backend::sql::domain_name::DomainName;
use crate::backend::sql::invalidation::Invalidation;
use crate::backend::sql::mailbox::AuthSource;
use crate::backend::sql::mailbox::is_resource;
use crate::backend::sql::names::{are_one, is_name_of, pick, spellings, texts};
use crate::backend::sql::provision::checks::{Limits, Usage, counts};
use crate::backend::sql::provision::create::CreateMailbox;
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};
use crate::backend::sql::switch::{ToldSogo, switch};
use crate::backend::sql::{Creation, MailboxState, sogo};

const MIB: i64 = 1_048_576;

const FIND: &str = "SELECT username, kind, quota, attributes, authsource, password <> '' FROM mailbox WHERE username IN (?, ?)";
pub(super) const LIST: &str = "\
SELECT m.username, m.kind, m.name, m.active, m.authsource, m.quota, m.attributes, q.bytes, q.username \
  FROM mailbox m LEFT JOIN quota2 q ON q.username = m.username";

/// What is to be written; `None` leaves it alone.
#[derive(Debug, Default)]
pub struct MailboxSettings {
    /// At most 255 characters.
    pub name: Option<String>,
    /// Also of the mailbox's own alias, as in mailcow.
    pub active: Option<MailboxState>,
    /// In MiB; 0 is unlimited.
    pub quota_mib: Option<i64>,
    /// Switches in `attributes`, by their keys, such as `imap_access`; all other attributes stay.
    pub access: Vec<(&'static str, bool)>,
    /// Who verifies the main password.
    pub source: Option<AuthSource>,
    /// The hash that counts where the source is `mailcow`.
    pub password: Option<Secret>,
}

/// A row of `mailbox` with what is used of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxRow {
    /// As stored.
    pub address: String,
    /// May be empty.
    pub name: String,
    /// Whether it may log in.
    pub active: MailboxState,
    /// `mailcow`, `keycloak` ...; empty for nobody.
    pub source: String,
    /// In bytes; 0 is unlimited.
    pub quota: i64,
    /// In bytes, as Dovecot wrote it last.
    pub used: i64,
    /// The services that are switched off.
    pub access: AccessSwitches,
}

/// Makes a mailbox for an administrator, who is told when nobody knows whether it was made: on a second run it would
/// be somebody else's.
pub(super) struct AddMailbox(pub(super) CreateMailbox);

impl Work for AddMailbox {
    const ATTEMPT: &'static str = "creating a mailbox";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = Outcome<()>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        done.is_ok().then(|| Invalidation::Mailbox(self.0.user().clone()))
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Outcome<()>, Fault> {
        let creation = self.0.run(session).await?;
        Ok(judge(self.0.user(), creation))
    }
}

/// What stands against a new mailbox.
fn judge(user: &Username, creation: Creation) -> Outcome<()> {
    match creation {
        Creation::Created => Ok(()),
        Creation::AlreadyThere => Err(Obstacle::MailboxExists(user.clone())),
        // Only where an owner is given, who could be another.
        Creation::OtherPerson => {
            Err(Obstacle::MailboxRefused { user: user.clone(), refusal: ProvisionRefusal::ObjectExists })
        }
        Creation::Refused(refusal) => Err(Obstacle::MailboxRefused { user: user.clone(), refusal }),
    }
}

/// The row as it is.
struct Now {
    name: String,
    kind: String,
    quota: i64,
    attributes: Option<String>,
    source: Option<String>,
    has_password: bool,
}

impl Now {
    fn read(row: &mut Row) -> Result<Self, String> {
        Ok(Self {
            name: row.words(0)?,
            kind: row.text(1)?.unwrap_or_default(),
            quota: row.number(2)?,
            attributes: row.text(3)?,
            source: row.text(4)?,
            has_password: row.number(5)? == 1,
        })
    }

    fn has_usable_attributes(&self) -> bool {
        let Some(text) = &self.attributes else { return true };
        matches!(serde_json::from_str(text), Ok(Value::Object(_)))
    }
}

/// The stored name of a mailbox; for rows that refer to it.
pub(super) async fn find_stored_name<S: Session>(
    session: &mut S,
    user: &Username,
) -> Result<Outcome<String>, Fault> {
    Ok(find(session, user).await?.and_then(|now| match is_resource(&now.kind) {
        true => Err(Obstacle::MailboxIsResource(user.clone())),
        false => Ok(now.name),
    }))
}

async fn find<S: Session>(session: &mut S, user: &Username) -> Result<Outcome<Now>, Fault> {
    let [name, unicode, ..] = spellings(user);
    let statement = format!("{FIND}{}", S::DIALECT.for_update());
    let mut found = Vec::new();
    for mut row in session.query(&statement, texts([name, unicode])).await? {
        let now = row.read("mailbox", user.as_str(), Now::read)?;
        if is_name_of(user, &now.name) {
            found.push((now.name.clone(), now));
        }
    }
    Ok(pick("mailbox", user.as_str(), found)?.ok_or_else(|| Obstacle::MailboxUnknown(user.clone())))
}

pub(super) struct SetMailbox {
    pub(super) user: Username,
    pub(super) settings: MailboxSettings,
}

impl Work for SetMailbox {
    const ATTEMPT: &'static str = "changing a mailbox";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = true;
    type Output = Outcome<()>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        done.is_ok().then(|| Invalidation::Mailbox(self.user.clone()))
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Outcome<()>, Fault> {
        let (user, settings) = (&self.user, &self.settings);
        // The domain is locked before the mailbox, as in creating one, so that the two cannot wait for each other.
        let limits = Limits::find(session, user).await?;
        let now = match find(session, user).await? {
            Ok(now) => now,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let usage = Usage::sum_up(session, &DomainName::of(user)).await?;
        if let Some(obstacle) = self.find_obstacle(&now, limits, usage) {
            return Ok(Err(obstacle));
        }
        if let Some((statement, parameters)) = update(settings, &now.name) {
            session.query(&statement, parameters).await?;
        }
        match settings.active {
            Some(active) => switch(session, &now.name, active.number(), ToldSogo::OrNothing).await?,
            None if settings.name.is_some() => sogo::tell(session, user).await?,
            None => {}
        }
        Ok(Ok(()))
    }
}

impl SetMailbox {
    fn find_obstacle(&self, now: &Now, limits: Option<Limits>, usage: Usage) -> Option<Obstacle> {
        let (user, settings) = (&self.user, &self.settings);
        if is_resource(&now.kind) {
            return Some(Obstacle::MailboxIsResource(user.clone()));
        }
        let in_attributes = !settings.access.is_empty() || settings.password.is_some();
        if in_attributes && !now.has_usable_attributes() {
            return Some(Obstacle::MailboxAttributes(user.clone()));
        }
        let becomes_own = settings.source == Some(AuthSource::Mailcow)
            && now.source.as_deref() != Some(AuthSource::Mailcow.name());
        if becomes_own && !now.has_password && settings.password.is_none() {
            return Some(Obstacle::MailboxWithoutPassword(user.clone()));
        }
        let quota_mib = settings.quota_mib.filter(|quota| quota.saturating_mul(MIB) != now.quota)?;
        let own = if counts(&now.kind) { now.quota } else { 0 };
        let judged = match limits {
            Some(limits) => limits.check_quota(quota_mib, usage.quota_bytes.saturating_sub(own)),
            None => Err(ProvisionRefusal::DomainUnknown),
        };
        judged.err().map(|refusal| Obstacle::MailboxRefused { user: user.clone(), refusal })
    }
}

/// The statement that writes what is set.
fn update(settings: &MailboxSettings, name: &str) -> Option<(String, Vec<Parameter>)> {
    let mut columns: Vec<(&str, Parameter)> = Vec::new();
    let mut set = |column, value: Option<Parameter>| columns.extend(value.map(|value| (column, value)));
    set("name", settings.name.as_deref().map(Parameter::from));
    set("quota", settings.quota_mib.map(|mib| mib.saturating_mul(MIB).into()));
    set("authsource", settings.source.map(|source| source.name().into()));
    set("password", settings.password.as_ref().map(Parameter::from));
    let mut sets: Vec<String> = columns.iter().map(|(column, _)| format!("{column} = ?")).collect();
    let mut parameters: Vec<Parameter> = columns.into_iter().map(|(_, value)| value).collect();

    let mut pairs = String::new();
    for (key, allowed) in &settings.access {
        pairs.push_str(&format!(", '$.{key}', ?"));
        parameters.push(if *allowed { "1" } else { "0" }.into());
    }
    if settings.password.is_some() {
        pairs.push_str(", '$.passwd_update', CAST(CURRENT_TIMESTAMP AS CHAR)");
    }
    if !pairs.is_empty() {
        sets.push(format!("attributes = JSON_SET(COALESCE(attributes, '{{}}'){pairs})"));
    }
    parameters.push(name.into());
    (!sets.is_empty())
        .then(|| (format!("UPDATE mailbox SET {} WHERE username = ?", sets.join(", ")), parameters))
}

pub(super) struct Mailboxes(pub(super) Option<DomainName>);

impl Work for Mailboxes {
    const ATTEMPT: &'static str = "listing mailboxes";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<MailboxRow>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let rows = match &self.0 {
            Some(domain) => {
                let statement = format!("{LIST} WHERE m.domain IN (?, ?)");
                session.query(&statement, texts(domain.spellings())).await?
            }
            None => session.query(LIST, Vec::new()).await?,
        };
        let mut mailboxes = Vec::new();
        for mut row in rows {
            let read = row.read("mailbox", "", MailboxRow::read)?;
            let of_domain = |mailbox: &MailboxRow| match &self.0 {
                Some(domain) => mailbox.address.rsplit_once('@').is_some_and(|(_, stored)| domain.is(stored)),
                None => true,
            };
            mailboxes.extend(read.filter(of_domain));
        }
        // Of several rows of usage that the database takes for the mailbox's own, that one counts.
        mailboxes.sort_by(|one, other| one.address.cmp(&other.address).then(other.used.cmp(&one.used)));
        mailboxes.dedup_by(|one, other| one.address == other.address);
        Ok(mailboxes)
    }
}

impl MailboxRow {
    /// `None` for a resource.
    pub(super) fn read(row: &mut Row) -> Result<Option<Self>, String> {
        if is_resource(&row.text(1)?.unwrap_or_default()) {
            return Ok(None);
        }
        let address = row.words(0)?;
        let is_own = row.text(8)?.is_some_and(|of| are_one(&address, &of));
        Ok(Some(Self {
            address,
            name: row.text(2)?.unwrap_or_default(),
            active: MailboxState::from_number(row.number(3)?),
            source: row.text(4)?.unwrap_or_default(),
            quota: row.number(5)?,
            access: AccessSwitches::parse(row.text(6)?.as_deref()),
            used: row.integer(7)?.filter(|_| is_own).unwrap_or(0),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_written() {
        assert_eq!(update(&MailboxSettings::default(), "a"), None);
        let settings = MailboxSettings {
            quota_mib: Some(2),
            access: vec![("imap_access", false), ("pop3_access", true)],
            ..MailboxSettings::default()
        };
        let (statement, parameters) = update(&settings, "a@x.org").unwrap();
        assert_eq!(
            statement,
            "UPDATE mailbox SET quota = ?, attributes = JSON_SET(COALESCE(attributes, '{}'), '$.imap_access', ?, \
             '$.pop3_access', ?) WHERE username = ?"
        );
        assert_eq!(parameters, [2_097_152.into(), "0".into(), "1".into(), "a@x.org".into()]);
    }
}
