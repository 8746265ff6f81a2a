//! Bringing a mailbox in line with its template: only what differs is written.

use serde_json::{Map, Value};

use super::checks::{Limits, Usage};
use super::create::insert_tag;
use super::rows::{Announced, AttributeChange, Change, MailboxChanges, WouldChange};
use crate::auth::ProvisionRefusal;
use crate::backend::sql::domain_name::DomainName;
use crate::backend::sql::invalidation::Invalidation;
use crate::backend::sql::mailbox::MIB;
use crate::backend::sql::names::{is_name_of, pick, spellings, texts};
use crate::backend::sql::person;
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};

const FIND_ROW: &str = "SELECT username, quota, attributes, kind FROM mailbox WHERE username IN (?, ?)";

/// The attribute by which mailcow knows that a template is applied.
const HASH: &str = "attribute_hash";

/// Applies changes to a mailbox.
pub(super) struct ChangeMailbox(pub(super) MailboxChanges);

/// The row as it is.
struct Now {
    /// As stored, for the statements.
    name: String,
    quota: i64,
    attributes: Map<String, Value>,
    /// Resources have no part in the sum of a domain.
    counts: bool,
}

/// What is to be written, or the end where nothing is.
enum Judged {
    Due(Due),
    End(Change),
}

struct Due {
    now: Now,
    /// The quota to write, in bytes, where it changes.
    quota: Result<Option<i64>, ProvisionRefusal>,
}

impl Work for ChangeMailbox {
    const ATTEMPT: &'static str = "applying a template to a mailbox";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = true;
    type Output = Change;

    fn outdates(&self, change: &Self::Output) -> Option<Invalidation> {
        match change {
            Change::Applied | Change::QuotaRefused(_) => Some(Invalidation::Mailbox(self.0.user.clone())),
            Change::AppliedBefore | Change::MailboxGone => None,
        }
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Change, Fault> {
        let changes = &self.0;
        let Due { now, quota } = match judge(session, changes, Announced::default()).await? {
            Judged::Due(due) => due,
            Judged::End(end) => {
                if end == Change::AppliedBefore {
                    person::remember(session, &changes.user, &changes.owner).await?;
                }
                return Ok(end);
            }
        };
        if let Some((statement, parameters)) = update_mailbox(changes, &now, quota) {
            session.query(&statement, parameters).await?;
        }
        for tag in &changes.tags {
            let (statement, parameters) = insert_tag(&changes.user, tag, S::DIALECT);
            session.query(&statement, parameters).await?;
        }
        update_acl(session, &now.name, &changes.acl).await?;
        let mut owner = changes.owner.clone();
        if quota.is_err() {
            owner.template_fingerprint.clear();
        }
        person::remember(session, &changes.user, &owner).await?;
        Ok(end_of(quota))
    }
}

/// How [`ChangeMailbox`] would end. Writes nothing.
pub(super) struct ForeseeChange(pub(super) MailboxChanges, pub(super) Announced);

impl Work for ForeseeChange {
    const ATTEMPT: &'static str = "asking whether a template could be applied";
    const KIND: Kind = Kind::Reads;
    type Output = WouldChange;

    async fn run<S: Session>(&self, session: &mut S) -> Result<WouldChange, Fault> {
        Ok(match judge(session, &self.0, self.1).await? {
            Judged::End(change) => WouldChange { change, quota_bytes: 0 },
            Judged::Due(Due { now, quota }) => {
                let own = if now.counts { now.quota } else { 0 };
                let more = quota.ok().flatten().filter(|_| now.counts).map_or(0, |bytes| bytes - own);
                WouldChange { change: end_of(quota), quota_bytes: more }
            }
        })
    }
}

async fn judge<S: Session>(
    session: &mut S,
    changes: &MailboxChanges,
    announced: Announced,
) -> Result<Judged, Fault> {
    // The domain is locked before the mailbox, as in creating one, so that the two cannot wait for each other.
    let limits = Limits::find(session, &changes.user).await?;
    let Some(now) = find_row(session, changes).await? else { return Ok(Judged::End(Change::MailboxGone)) };
    if changes.unless_applied && now.text(HASH).as_deref() == Some(&changes.owner.template_fingerprint) {
        return Ok(Judged::End(Change::AppliedBefore));
    }
    let usage = Usage::sum_up(session, &DomainName::of(&changes.user)).await?.and(announced);
    let quota = new_quota(changes, &now, limits, usage);
    Ok(Judged::Due(Due { now, quota }))
}

fn end_of(quota: Result<Option<i64>, ProvisionRefusal>) -> Change {
    quota.map_or_else(Change::QuotaRefused, |_| Change::Applied)
}

async fn find_row<S: Session>(session: &mut S, changes: &MailboxChanges) -> Result<Option<Now>, Fault> {
    let statement = format!("{FIND_ROW}{}", S::DIALECT.for_update());
    let user = &changes.user;
    let [name, unicode, ..] = spellings(user);
    let mut found = Vec::new();
    for mut row in session.query(&statement, texts([name, unicode])).await? {
        let now = row.read("mailbox", user.as_str(), Now::read)?;
        if is_name_of(user, &now.name) {
            found.push((now.name.clone(), now));
        }
    }
    Ok(pick("mailbox", user.as_str(), found)?)
}

impl Now {
    fn read(row: &mut Row) -> Result<Self, String> {
        let attributes = row.text(2)?.unwrap_or_default();
        let Ok(Value::Object(attributes)) = serde_json::from_str(&attributes) else {
            return Err("`attributes` is no JSON object".to_owned());
        };
        let counts = row.text(3)?.unwrap_or_default().is_empty();
        Ok(Self { name: row.words(0)?, quota: row.number(1)?, attributes, counts })
    }

    /// A number is a text here, because other programs write numbers.
    fn text(&self, key: &str) -> Option<String> {
        match self.attributes.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Whether the key differs, and whoever chose it lets it change.
    fn follows(&self, change: &AttributeChange) -> bool {
        let Some(text) = self.text(change.key) else { return true };
        let is_chosen = change.unchosen.as_ref().is_some_and(|unchosen| !unchosen.contains(&text));
        text != change.text && !is_chosen
    }
}

/// The quota to write, in bytes; nothing where it is right already.
fn new_quota(
    changes: &MailboxChanges,
    now: &Now,
    limits: Option<Limits>,
    usage: Usage,
) -> Result<Option<i64>, ProvisionRefusal> {
    let Some(wanted) = changes.quota_mib else { return Ok(None) };
    let bytes = wanted.saturating_mul(MIB);
    if bytes == now.quota {
        return Ok(None);
    }
    let limits = limits.ok_or(ProvisionRefusal::DomainUnknown)?;
    let own = if now.counts { now.quota } else { 0 };
    limits.check_quota(wanted, usage.quota_bytes.saturating_sub(own))?;
    Ok(Some(bytes))
}

/// As in mailcow the fingerprint waits for a quota that does not fit, so that mailcow too knows what is due.
fn update_mailbox(
    changes: &MailboxChanges,
    now: &Now,
    quota: Result<Option<i64>, ProvisionRefusal>,
) -> Option<(String, Vec<Parameter>)> {
    let is_new = |change: &&AttributeChange| now.follows(change) && (quota.is_ok() || change.key != HASH);
    let attributes: Vec<_> = changes.attributes.iter().filter(is_new).collect();
    let (mut sets, mut parameters) = (Vec::new(), Vec::new());
    if let Ok(Some(bytes)) = quota {
        sets.push("quota = ?".to_owned());
        parameters.push(Parameter::Integer(bytes));
    }
    if !attributes.is_empty() {
        let pairs: String = attributes.iter().map(|change| format!(", '$.{}', ?", change.key)).collect();
        sets.push(format!("attributes = JSON_SET(attributes{pairs})"));
        parameters.extend(attributes.iter().map(|change| Parameter::from(change.text.as_str())));
    }
    if sets.is_empty() {
        return None;
    }
    parameters.push(now.name.as_str().into());
    Some((format!("UPDATE mailbox SET {} WHERE username = ?", sets.join(", ")), parameters))
}

async fn update_acl<S: Session>(
    session: &mut S,
    name: &str,
    rights: &[(&'static str, bool)],
) -> Result<(), Fault> {
    if rights.is_empty() {
        return Ok(());
    }
    let sets: Vec<String> = rights.iter().map(|(right, _)| format!("{right} = ?")).collect();
    let mut parameters: Vec<Parameter> =
        rights.iter().map(|(_, granted)| Parameter::Integer((*granted).into())).collect();
    parameters.push(name.into());
    let statement = format!("UPDATE user_acl SET {} WHERE username = ?", sets.join(", "));
    session.query(&statement, parameters).await.map(drop)
}
