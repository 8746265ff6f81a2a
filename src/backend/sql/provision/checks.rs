//! The rules for new mailboxes, mailcow's in mailcow's order.

use super::rows::{Announced, Creation, NewMailboxRows};
use crate::auth::{ProvisionRefusal, Username};
use crate::backend::sql::domain_name::DomainName;
use crate::backend::sql::mailbox::{MIB, is_resource};
use crate::backend::sql::names::{
    Presence, is_domain_of, is_name_of, look_for_address, pick, spellings, texts,
};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::Session;

/// Reading the row also locks it on a server, so that of two logins one counts after the other has committed.
/// It must be the first statement: what is read afterwards is of a moment after the lock.
const FIND_DOMAIN: &str =
    "SELECT domain, active, mailboxes, maxquota, quota FROM domain WHERE domain IN (?, ?)";
/// The last column: whether the database itself takes the row for the name under which a new one is stored.
const FIND_OBJECTS: &str = "\
SELECT username, kind, local_part, domain, username = ? FROM mailbox WHERE username IN (?, ?)";
/// mailcow compares local part and domain, which no index has together: asked for each mailbox, the server would look at all
/// of the domain. [`SUM_UP`] does that anyway, and counts those that [`FIND_OBJECTS`] would not find. mailcow makes none.
const FIND_STRAYS: &str = "\
SELECT username, kind, local_part, domain FROM mailbox \
 WHERE domain IN (?, ?) AND username <> CONCAT(local_part, '@', domain)";
/// By the bytes of domain and kind, because a collation takes some for one. It looks at each mailbox of the domain.
const SUM_UP: &str = "\
SELECT MIN(domain), MIN(kind), COUNT(*), CAST(COALESCE(SUM(quota), 0) AS SIGNED), MAX(quota), \
 COUNT(CASE WHEN username <> CONCAT(local_part, '@', domain) THEN 1 END) FROM mailbox \
 WHERE domain IN (?, ?) GROUP BY HEX(domain), HEX(kind)";

/// A row of `domain`, as far as it limits.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend::sql) struct Limits {
    pub(in crate::backend::sql) active: bool,
    pub(in crate::backend::sql) mailboxes: i64,
    pub(in crate::backend::sql) max_quota_mib: i64,
    pub(in crate::backend::sql) quota_mib: i64,
}

/// What the mailboxes of a domain have together.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::backend::sql) struct Usage {
    pub(in crate::backend::sql) mailboxes: i64,
    pub(in crate::backend::sql) quota_bytes: i64,
    /// The largest quota of one mailbox.
    pub(in crate::backend::sql) largest_bytes: i64,
    /// So many have a name that is not their local part at their domain.
    strays: i64,
}

/// What a look at each mailbox of a domain finds out. It holds as long as the domain's row is locked.
#[derive(Clone, Debug, Default)]
pub(in crate::backend::sql) struct OfDomain {
    pub(in crate::backend::sql) usage: Usage,
    strays: Vec<Stray>,
}

/// A mailbox whose name is not its local part at its domain.
#[derive(Clone, Debug)]
struct Stray {
    name: String,
    kind: String,
    address: String,
}

impl OfDomain {
    async fn find<S: Session>(session: &mut S, user: &Username) -> Result<Self, Fault> {
        let domain = DomainName::of(user);
        let usage = Usage::sum_up(session, &domain).await?;
        let mut strays = Vec::new();
        if usage.strays == 0 {
            return Ok(Self { usage, strays });
        }
        for mut row in session.query(FIND_STRAYS, texts(domain.spellings())).await? {
            strays.push(row.read("mailbox", user.domain(), |row| {
                let address = format!("{}@{}", row.words(2)?, row.words(3)?);
                Ok(Stray { name: row.words(0)?, kind: row.text(1)?.unwrap_or_default(), address })
            })?);
        }
        Ok(Self { usage, strays })
    }
}

/// Everything that the rules look at.
#[derive(Clone, Debug, Default)]
pub(in crate::backend::sql) struct Facts {
    pub(in crate::backend::sql) limits: Option<Limits>,
    /// Names and kinds of the rows of `mailbox` that have this address, or that the database takes for it.
    pub(in crate::backend::sql) objects: Vec<(String, String)>,
    pub(in crate::backend::sql) is_alias: bool,
    pub(in crate::backend::sql) is_spam_alias: bool,
    pub(in crate::backend::sql) other_person: bool,
    pub(in crate::backend::sql) of_domain: OfDomain,
}

impl Facts {
    /// Judges; `None` is a go-ahead. `domain.active` comes first, which mailcow does not look at.
    pub(in crate::backend::sql) fn judge(&self, rows: &NewMailboxRows) -> Option<Creation> {
        use ProvisionRefusal::{
            DomainInactive, DomainUnknown, IsAlias, IsSpamAlias, MaxMailboxExceeded, ObjectExists,
        };
        let refused = |refusal| Some(Creation::Refused(refusal));
        if self.limits.is_some_and(|limits| !limits.active) {
            return refused(DomainInactive);
        }
        let is_this = |(name, kind): &(String, String)| is_name_of(&rows.user, name) && !is_resource(kind);
        if self.objects.iter().any(is_this) {
            return Some(Creation::AlreadyThere);
        }
        if !self.objects.is_empty() {
            return refused(ObjectExists);
        }
        if self.is_alias {
            return refused(IsAlias);
        }
        if self.is_spam_alias {
            return refused(IsSpamAlias);
        }
        let Some(limits) = self.limits else { return refused(DomainUnknown) };
        if self.of_domain.usage.mailboxes >= limits.mailboxes {
            return refused(MaxMailboxExceeded);
        }
        if let Err(refusal) = limits.check_quota(rows.quota_mib, self.of_domain.usage.quota_bytes) {
            return refused(refusal);
        }
        self.other_person.then_some(Creation::OtherPerson)
    }
}

impl Limits {
    /// Reads the row of a user's domain, and locks it where other processes can write meanwhile.
    pub(in crate::backend::sql) async fn find<S: Session>(
        session: &mut S,
        user: &Username,
    ) -> Result<Option<Self>, Fault> {
        let statement = format!("{FIND_DOMAIN}{}", S::DIALECT.for_update());
        let [_, _, domain, unicode] = spellings(user);
        let rows = session.query(&statement, texts([domain, unicode])).await?;
        let mut found = Vec::new();
        for mut row in rows {
            let (name, limits) = row.read("domain", user.domain(), |row| {
                let limits = Self {
                    active: row.number(1)? == 1,
                    mailboxes: row.number(2)?,
                    max_quota_mib: row.number(3)?,
                    quota_mib: row.number(4)?,
                };
                Ok((row.words(0)?, limits))
            })?;
            if is_domain_of(user, &name) {
                found.push((name, limits));
            }
        }
        Ok(pick("domain", user.domain(), found)?)
    }

    /// Whether a mailbox of this quota fits beside others that have `others_bytes` together. Unlimited fits every
    /// mailbox's limit and adds nothing to the sum.
    pub(in crate::backend::sql) fn check_quota(
        &self,
        quota_mib: i64,
        others_bytes: i64,
    ) -> Result<(), ProvisionRefusal> {
        if quota_mib > self.max_quota_mib {
            return Err(ProvisionRefusal::MailboxQuotaExceeded);
        }
        // As in mailcow the sum is rounded, half a mebibyte up.
        let others_mib = others_bytes.saturating_add(MIB / 2).div_euclid(MIB);
        if others_mib.saturating_add(quota_mib) > self.quota_mib {
            return Err(ProvisionRefusal::MailboxQuotaLeftExceeded);
        }
        Ok(())
    }
}

impl Usage {
    /// With what a dry run has announced already.
    pub(in crate::backend::sql) fn and(mut self, announced: Announced) -> Self {
        self.mailboxes += announced.mailboxes;
        self.quota_bytes = self.quota_bytes.saturating_add(announced.quota_bytes);
        self
    }

    pub(in crate::backend::sql) async fn sum_up<S: Session>(
        session: &mut S,
        domain: &DomainName,
    ) -> Result<Self, Fault> {
        let mut usage = Self::default();
        for mut row in session.query(SUM_UP, texts(domain.spellings())).await? {
            let (name, kind, of_kind) = row.read("mailbox", domain.as_str(), |row| {
                let usage = Self {
                    mailboxes: row.number(2)?,
                    quota_bytes: row.number(3)?,
                    largest_bytes: row.integer(4)?.unwrap_or(0),
                    strays: row.number(5)?,
                };
                Ok((row.words(0)?, row.text(1)?.unwrap_or_default(), usage))
            })?;
            usage.strays += of_kind.strays;
            if domain.is(&name) && counts(&kind) {
                usage.mailboxes += of_kind.mailboxes;
                usage.quota_bytes = usage.quota_bytes.saturating_add(of_kind.quota_bytes);
                usage.largest_bytes = usage.largest_bytes.max(of_kind.largest_bytes);
            }
        }
        Ok(usage)
    }
}

/// Whether a mailbox of this kind counts towards the limits of its domain. Resources do not; mailboxes that are
/// switched off do.
pub(in crate::backend::sql) fn counts(kind: &str) -> bool {
    kind.trim_end_matches(' ').is_empty()
}

/// Asks for everything that the rules look at, the domain first; what takes a look at each of its mailboxes is not asked where
/// it is `known` already.
pub(in crate::backend::sql) async fn gather<S: Session>(
    session: &mut S,
    user: &Username,
    known: Option<OfDomain>,
) -> Result<Facts, Fault> {
    let limits = Limits::find(session, user).await?;
    let [name, unicode, _, _] = spellings(user);
    let parameters = texts([name.clone(), name, unicode]);
    let mut objects = Vec::new();
    for mut row in session.query(FIND_OBJECTS, parameters).await? {
        let (name, kind, address, is_taken) = row.read("mailbox", user.as_str(), |row| {
            let address = format!("{}@{}", row.words(2)?, row.words(3)?);
            Ok((row.words(0)?, row.text(1)?.unwrap_or_default(), address, row.number(4)? == 1))
        })?;
        if is_taken || is_name_of(user, &name) || is_name_of(user, &address) {
            objects.push((name, kind));
        }
    }
    // An alias that the database takes for this one stands in the way too: the mailbox has an alias of its own.
    let is_alias = look_for_address(session, ("alias", "address"), user).await? != Presence::Free;
    let temporary = look_for_address(session, ("spamalias", "address"), user).await?;
    let is_spam_alias = matches!(temporary, Presence::There(_));
    let of_domain = match known {
        Some(of_domain) => of_domain,
        None => OfDomain::find(session, user).await?,
    };
    let strays = of_domain.strays.iter().filter(|stray| is_name_of(user, &stray.address));
    objects.extend(strays.map(|stray| (stray.name.clone(), stray.kind.clone())));
    Ok(Facts { limits, objects, is_alias, is_spam_alias, other_person: false, of_domain })
}
