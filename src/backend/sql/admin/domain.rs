//! Domains: their limits, and what their mailboxes have of them.

use super::obstacle::{Obstacle, Outcome};
use crate::backend::sql::domain_name::DomainName;
use crate::backend::sql::invalidation::Invalidation;
use crate::backend::sql::names::{Presence, look, pick, texts};
use crate::backend::sql::provision::checks::{Usage, counts};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};

const MIB: i64 = 1_048_576;

const COLUMNS: &str = "domain, description, active, mailboxes, defquota, maxquota, quota";
const INSERT: &str = "\
INSERT INTO domain (domain, description, aliases, mailboxes, defquota, maxquota, quota, active) \
VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const UPDATE: &str = "\
UPDATE domain SET description = ?, mailboxes = ?, defquota = ?, maxquota = ?, quota = ?, active = ? \
 WHERE domain = ?";
/// By its bytes, because a collation takes some domains for one.
const USAGES: &str = "\
SELECT MIN(domain), MIN(kind), COUNT(*), CAST(COALESCE(SUM(quota), 0) AS SIGNED) FROM mailbox \
 GROUP BY HEX(domain), HEX(kind)";

/// What a new domain gets where nothing is said: the numbers of mailcow's form and table.
const DEFAULT_ALIASES: i64 = 400;
const DEFAULT_MAILBOXES: i64 = 10;
const DEFAULT_DEFAULT_QUOTA: i64 = 3072;
const DEFAULT_QUOTA: i64 = 102_400;

/// What is to be written; `None` leaves a column alone, or gives a new domain its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainSettings {
    /// At most 255 characters.
    pub description: Option<String>,
    /// How many mailboxes there may be.
    pub mailboxes: Option<i64>,
    /// What a new mailbox gets, in MiB.
    pub default_quota_mib: Option<i64>,
    /// The most for one mailbox, in MiB.
    pub max_quota_mib: Option<i64>,
    /// The most for all together, in MiB.
    pub quota_mib: Option<i64>,
    /// Whether there are logins and mail.
    pub active: Option<bool>,
}

/// A row of `domain`, and what its mailboxes have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRow {
    /// As stored.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Whether there are logins and mail.
    pub active: bool,
    /// How many mailboxes there may be.
    pub mailboxes: i64,
    /// How many there are; resources do not count.
    pub mailboxes_used: i64,
    /// What a new mailbox gets, in MiB.
    pub default_quota_mib: i64,
    /// The most for one mailbox, in MiB.
    pub max_quota_mib: i64,
    /// The most for all together, in MiB.
    pub quota_mib: i64,
    /// What the mailboxes have been given together, in bytes.
    pub quota_given: i64,
}

impl DomainRow {
    fn read(row: &mut Row) -> Result<Self, String> {
        Ok(Self {
            name: row.words(0)?,
            description: row.text(1)?.unwrap_or_default(),
            active: row.number(2)? == 1,
            mailboxes: row.number(3)?,
            mailboxes_used: 0,
            default_quota_mib: row.number(4)?,
            max_quota_mib: row.number(5)?,
            quota_mib: row.number(6)?,
            quota_given: 0,
        })
    }

    fn new(name: &DomainName, settings: &DomainSettings) -> Self {
        let quota = settings.quota_mib.unwrap_or(DEFAULT_QUOTA);
        let max_quota = settings.max_quota_mib.unwrap_or(quota.min(DEFAULT_QUOTA));
        Self {
            name: name.as_str().to_owned(),
            description: settings.description.clone().unwrap_or_default(),
            active: settings.active.unwrap_or(true),
            mailboxes: settings.mailboxes.unwrap_or(DEFAULT_MAILBOXES),
            mailboxes_used: 0,
            default_quota_mib: settings.default_quota_mib.unwrap_or(max_quota.min(DEFAULT_DEFAULT_QUOTA)),
            max_quota_mib: max_quota,
            quota_mib: quota,
            quota_given: 0,
        }
    }

    fn change(&mut self, settings: &DomainSettings) {
        let keep = |new: Option<i64>, old: &mut i64| *old = new.unwrap_or(*old);
        keep(settings.mailboxes, &mut self.mailboxes);
        keep(settings.default_quota_mib, &mut self.default_quota_mib);
        keep(settings.max_quota_mib, &mut self.max_quota_mib);
        keep(settings.quota_mib, &mut self.quota_mib);
        self.active = settings.active.unwrap_or(self.active);
        if let Some(description) = &settings.description {
            self.description.clone_from(description);
        }
    }

    /// mailcow's rules. Only what is set can be at fault, so that a domain that is beyond a limit already can be
    /// switched off.
    fn find_contradiction(&self, settings: &DomainSettings, largest_bytes: i64) -> Option<String> {
        let (default, max, all) = (self.default_quota_mib, self.max_quota_mib, self.quota_mib);
        let given = self.quota_given.saturating_add(MIB / 2).div_euclid(MIB);
        let set_max = settings.max_quota_mib.is_some();
        if (settings.default_quota_mib.is_some() || set_max) && default > max {
            return Some(format!(
                "the default quota, {default} MiB, is more than the largest one, {max} MiB"
            ));
        }
        if (set_max || settings.quota_mib.is_some()) && max > all {
            return Some(format!(
                "the largest quota of one mailbox, {max} MiB, is more than that of all, {all} MiB"
            ));
        }
        if settings.mailboxes.is_some() && self.mailboxes < self.mailboxes_used {
            return Some(format!(
                "it has {} mailboxes already, so it cannot be limited to {}",
                self.mailboxes_used, self.mailboxes
            ));
        }
        if set_max && largest_bytes > max.saturating_mul(MIB) {
            return Some(format!("a mailbox has {} MiB already, more than {max} MiB", largest_bytes / MIB));
        }
        if settings.quota_mib.is_some() && given > all {
            return Some(format!("its mailboxes have {given} MiB already, more than {all} MiB"));
        }
        None
    }
}

/// Reads and locks the row of a domain.
pub(super) async fn find<S: Session>(session: &mut S, name: &DomainName) -> Result<Option<DomainRow>, Fault> {
    let statement = format!("SELECT {COLUMNS} FROM domain WHERE domain IN (?, ?){}", S::DIALECT.for_update());
    let mut found = Vec::new();
    for mut row in session.query(&statement, texts(name.spellings())).await? {
        let domain = row.read("domain", name.as_str(), DomainRow::read)?;
        if name.is(&domain.name) {
            found.push((domain.name.clone(), domain));
        }
    }
    Ok(pick("domain", name.as_str(), found)?)
}

pub(super) struct AddDomain {
    pub(super) name: DomainName,
    pub(super) settings: DomainSettings,
}

impl Work for AddDomain {
    const ATTEMPT: &'static str = "adding a domain";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = Outcome<()>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        done.is_ok().then(|| Invalidation::Domain(self.name.to_string()))
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Outcome<()>, Fault> {
        let name = &self.name;
        if find(session, name).await?.is_some() {
            return Ok(Err(Obstacle::DomainExists(name.to_string())));
        }
        let is_it = |stored: &str| name.is(stored);
        let there = look(session, ("domain", "domain"), name.spellings(), is_it).await?;
        if let Presence::Taken(stored) = there {
            return Ok(Err(Obstacle::DomainLooksAlike { domain: name.to_string(), stored }));
        }
        let other = look(session, ("alias_domain", "alias_domain"), name.spellings(), is_it).await?;
        if let Presence::There(_) = other {
            return Ok(Err(Obstacle::DomainIsAlias(name.to_string())));
        }
        let domain = DomainRow::new(name, &self.settings);
        if let Some(contradiction) = domain.find_contradiction(&self.settings, 0) {
            return Ok(Err(Obstacle::DomainLimits { domain: name.to_string(), contradiction }));
        }
        let parameters = vec![
            name.as_str().into(),
            domain.description.as_str().into(),
            DEFAULT_ALIASES.into(),
            domain.mailboxes.into(),
            domain.default_quota_mib.into(),
            domain.max_quota_mib.into(),
            domain.quota_mib.into(),
            Parameter::Integer(domain.active.into()),
        ];
        session.query(INSERT, parameters).await?;
        Ok(Ok(()))
    }
}

pub(super) struct SetDomain {
    pub(super) name: DomainName,
    pub(super) settings: DomainSettings,
}

impl Work for SetDomain {
    const ATTEMPT: &'static str = "changing a domain";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = true;
    type Output = Outcome<()>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        done.is_ok().then(|| Invalidation::Domain(self.name.to_string()))
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Outcome<()>, Fault> {
        let name = &self.name;
        let Some(mut domain) = find(session, name).await? else {
            return Ok(Err(Obstacle::DomainUnknown(name.to_string())));
        };
        let usage = Usage::sum_up(session, name).await?;
        (domain.mailboxes_used, domain.quota_given) = (usage.mailboxes, usage.quota_bytes);
        domain.change(&self.settings);
        if let Some(contradiction) = domain.find_contradiction(&self.settings, usage.largest_bytes) {
            return Ok(Err(Obstacle::DomainLimits { domain: name.to_string(), contradiction }));
        }
        let parameters = vec![
            domain.description.as_str().into(),
            domain.mailboxes.into(),
            domain.default_quota_mib.into(),
            domain.max_quota_mib.into(),
            domain.quota_mib.into(),
            Parameter::Integer(domain.active.into()),
            domain.name.as_str().into(),
        ];
        session.query(UPDATE, parameters).await?;
        Ok(Ok(()))
    }
}

pub(super) struct Domains;

impl Work for Domains {
    const ATTEMPT: &'static str = "listing domains";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<DomainRow>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let mut domains = Vec::new();
        for mut row in session.query(&format!("SELECT {COLUMNS} FROM domain"), Vec::new()).await? {
            domains.push(row.read("domain", "", DomainRow::read)?);
        }
        for mut row in session.query(USAGES, Vec::new()).await? {
            let (name, kind, count, bytes) = row.read("mailbox", "", |row| {
                let kind = row.text(1)?.unwrap_or_default();
                Ok((row.text(0)?.unwrap_or_default(), kind, row.number(2)?, row.number(3)?))
            })?;
            if !counts(&kind) {
                continue;
            }
            let Ok(name) = DomainName::parse(&name) else { continue };
            if let Some(domain) = domains.iter_mut().find(|domain| name.is(&domain.name)) {
                domain.mailboxes_used += count;
                domain.quota_given = domain.quota_given.saturating_add(bytes);
            }
        }
        domains.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(domains)
    }
}

pub(super) struct DefaultQuota(pub(super) DomainName);

impl Work for DefaultQuota {
    const ATTEMPT: &'static str = "reading a domain's default quota";
    const KIND: Kind = Kind::Reads;
    type Output = Option<i64>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let statement = "SELECT domain, defquota FROM domain WHERE domain IN (?, ?)";
        let mut found = Vec::new();
        for mut row in session.query(statement, texts(self.0.spellings())).await? {
            let (name, quota) =
                row.read("domain", self.0.as_str(), |row| Ok((row.words(0)?, row.number(1)?)))?;
            if self.0.is(&name) {
                found.push((name, quota));
            }
        }
        Ok(pick("domain", self.0.as_str(), found)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut DomainSettings)) -> DomainSettings {
        let mut settings = DomainSettings::default();
        change(&mut settings);
        settings
    }

    fn name() -> DomainName {
        DomainName::parse("example.org").unwrap()
    }

    #[test]
    fn a_small_new_domain_gets_limits_that_fit_it() {
        let small = settings(|settings| settings.quota_mib = Some(1024));
        let row = DomainRow::new(&name(), &small);
        assert_eq!((row.quota_mib, row.max_quota_mib, row.default_quota_mib), (1024, 1024, 1024));
        assert_eq!(row.find_contradiction(&small, 0), None);
        let row = DomainRow::new(&name(), &DomainSettings::default());
        assert_eq!((row.mailboxes, row.quota_mib, row.default_quota_mib), (10, 102_400, 3072));
    }

    #[test]
    fn limits_that_contradict_each_other_are_named() {
        let mut row = DomainRow::new(&name(), &DomainSettings::default());
        (row.mailboxes_used, row.quota_given) = (3, 5000 * MIB);
        for (wrong, words) in [
            (settings(|s| s.default_quota_mib = Some(200_000)), "default quota"),
            (settings(|s| s.max_quota_mib = Some(200_000)), "largest quota"),
            (
                settings(|s| (s.quota_mib, s.max_quota_mib) = (Some(4999), Some(4000))),
                "have 5000 MiB already",
            ),
            (settings(|s| s.mailboxes = Some(2)), "has 3 mailboxes already"),
            (settings(|s| s.max_quota_mib = Some(3999)), "a mailbox has 4000 MiB already"),
        ] {
            let mut changed = row.clone();
            changed.change(&wrong);
            let contradiction = changed.find_contradiction(&wrong, 4000 * MIB).unwrap();
            assert!(contradiction.contains(words), "{contradiction}");
        }
        let off = settings(|settings| settings.active = Some(false));
        row.mailboxes = 1;
        assert_eq!(row.find_contradiction(&off, i64::MAX), None, "it can always be switched off");
    }
}
