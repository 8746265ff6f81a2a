//! Mailboxes and domains, a page at a time.

use super::people::state_of;
use super::{malformed, obstacle, unknown};
use crate::backend::sql::{DomainName, DomainRow, DomainSettings, MailboxRow, MailboxSearch};
use crate::frontend::portal::PortalService;
use crate::frontend::portal::service::{out_of_reach, unsigned};
use crate::portal::Response;
use crate::portal::admin::{
    AdminResponse, DomainLine, DomainList, Done, HostingRequest, MailboxLine, MailboxList, PAGE_ROWS,
};

const MIB: u64 = 1_048_576;
/// Longest description, in characters: a column of the database.
const LONGEST_DESCRIPTION: usize = 255;

impl PortalService {
    pub(super) async fn answer_hosting(&self, request: HostingRequest) -> Result<AdminResponse, Response> {
        let database = self.service.decision.database();
        match request {
            HostingRequest::Mailboxes { search, domain, page } => {
                let domain = match domain.as_deref().map(DomainName::parse).transpose() {
                    Ok(domain) => domain,
                    Err(error) => return Ok(malformed(error.to_string())),
                };
                let search = MailboxSearch {
                    text: search.trim().to_owned(),
                    domain,
                    skip: u64::from(page) * u64::from(PAGE_ROWS),
                    // One more tells whether there is another page.
                    most: PAGE_ROWS + 1,
                };
                let rows = database.search_mailboxes(search).await.map_err(|error| out_of_reach(&error))?;
                let more = rows.len() > PAGE_ROWS as usize;
                let rows = rows.into_iter().take(PAGE_ROWS as usize).map(mailbox).collect();
                Ok(AdminResponse::Mailboxes(MailboxList { rows, more }))
            }
            HostingRequest::Domains { search, page } => {
                let domains = database.domains().await.map_err(|error| out_of_reach(&error))?;
                let wanted = search.trim().to_lowercase();
                let fits = |row: &DomainRow| {
                    row.name.to_lowercase().contains(&wanted)
                        || row.description.to_lowercase().contains(&wanted)
                };
                let skip = page as usize * PAGE_ROWS as usize;
                let mut found = domains.into_iter().filter(fits).skip(skip);
                let rows = found.by_ref().take(PAGE_ROWS as usize).map(domain).collect();
                Ok(AdminResponse::Domains(DomainList { rows, more: found.next().is_some() }))
            }
            HostingRequest::Domain { domain: name } => Ok(match self.domain_row(&name).await? {
                Ok((_, row)) => AdminResponse::Domain(Box::new(domain(row))),
                Err(answer) => answer,
            }),
            HostingRequest::SetDomain { domain, values } => self.set_domain(&domain, &values).await,
        }
    }

    async fn domain_row(
        &self,
        name: &str,
    ) -> Result<Result<(DomainName, DomainRow), AdminResponse>, Response> {
        let name = match DomainName::parse(name) {
            Ok(name) => name,
            Err(error) => return Ok(Err(malformed(error.to_string()))),
        };
        let domains = self.service.decision.database().domains().await;
        let domains = domains.map_err(|error| out_of_reach(&error))?;
        let found = domains.into_iter().find(|row| DomainName::parse(&row.name).as_ref() == Ok(&name));
        Ok(match found {
            Some(row) => Ok((name, row)),
            None => Err(unknown(format!("there is no domain {name}"))),
        })
    }

    /// What `keydove domain set` does.
    async fn set_domain(&self, name: &str, values: &[(String, String)]) -> Result<AdminResponse, Response> {
        let (name, row) = match self.domain_row(name).await? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let (settings, count) = match differing(&row, values) {
            Ok(settings) => settings,
            Err(fault) => return Ok(malformed(fault)),
        };
        if count == 0 {
            return Ok(AdminResponse::Done(Done { count, holds_within: 0 }));
        }
        match self.service.decision.database().set_domain(&name, &settings).await {
            Ok(()) => Ok(AdminResponse::Done(Done { count, holds_within: self.holds_within })),
            Err(error) => obstacle(error),
        }
    }
}

/// What was filled in and is not so yet, and how much that is. Only what is set can be at fault.
fn differing(now: &DomainRow, values: &[(String, String)]) -> Result<(DomainSettings, u64), String> {
    let (mut settings, mut count) = (DomainSettings::default(), 0);
    let number = |key: &str, value: &str, most: i64, what: &str| {
        let number = value.parse::<i64>().ok().filter(|number| (0..=most).contains(number));
        number.ok_or_else(|| format!("`{key}` cannot be `{value}`: {what} from 0 to {most}"))
    };
    for (key, value) in values {
        let value = value.trim();
        let mib = || number(key, value, DomainSettings::MOST_MIB, "a number of MiB");
        let mut set = |place: &mut Option<i64>, now: i64, new: i64| {
            if new != now {
                (*place, count) = (Some(new), count + 1);
            }
        };
        match key.as_str() {
            "mailboxes" => {
                let most = DomainSettings::MOST_MAILBOXES;
                set(&mut settings.mailboxes, now.mailboxes, number(key, value, most, "a number")?);
            }
            "default_quota" => set(&mut settings.default_quota_mib, now.default_quota_mib, mib()?),
            "max_quota" => set(&mut settings.max_quota_mib, now.max_quota_mib, mib()?),
            "quota" => set(&mut settings.quota_mib, now.quota_mib, mib()?),
            "active" => {
                let on = number(key, value, 1, "a number")? == 1;
                if on != now.active {
                    (settings.active, count) = (Some(on), count + 1);
                }
            }
            "description" => {
                let is_label =
                    value.chars().count() <= LONGEST_DESCRIPTION && !value.chars().any(char::is_control);
                if !is_label {
                    return Err(
                        "`description` has at most 255 characters, and no control characters".to_owned()
                    );
                }
                if value != now.description {
                    (settings.description, count) = (Some(value.to_owned()), count + 1);
                }
            }
            _ => return Err(format!("a domain has no `{key}`")),
        }
    }
    Ok((settings, count))
}

fn mailbox(row: MailboxRow) -> MailboxLine {
    MailboxLine {
        state: state_of(&row),
        address: row.address,
        name: row.name,
        source: row.source,
        quota: unsigned(row.quota),
        used: unsigned(row.used),
    }
}

fn domain(row: DomainRow) -> DomainLine {
    let bytes = |mib: i64| unsigned(mib).saturating_mul(MIB);
    DomainLine {
        name: row.name,
        description: row.description,
        active: row.active,
        mailboxes: unsigned(row.mailboxes),
        mailboxes_used: unsigned(row.mailboxes_used),
        default_quota: bytes(row.default_quota_mib),
        max_quota: bytes(row.max_quota_mib),
        quota: bytes(row.quota_mib),
        quota_given: unsigned(row.quota_given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> DomainRow {
        DomainRow {
            name: "example.org".to_owned(),
            description: "ours".to_owned(),
            active: true,
            mailboxes: 10,
            mailboxes_used: 3,
            default_quota_mib: 3072,
            max_quota_mib: 10_240,
            quota_mib: 102_400,
            quota_given: 0,
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_differs_is_set_and_what_is_no_limit_is_named() {
        let same =
            pairs(&[("mailboxes", "10"), ("quota", "102400"), ("active", "1"), ("description", " ours ")]);
        assert_eq!(differing(&row(), &same).unwrap(), (DomainSettings::default(), 0));
        let wanted =
            pairs(&[("mailboxes", "20"), ("default_quota", "3072"), ("max_quota", "20480"), ("active", "0")]);
        let settings = DomainSettings {
            mailboxes: Some(20),
            max_quota_mib: Some(20_480),
            active: Some(false),
            ..DomainSettings::default()
        };
        assert_eq!(differing(&row(), &wanted).unwrap(), (settings, 3));
        for (key, value) in [
            ("mailboxes", "-1"),
            ("mailboxes", "1000000001"),
            ("quota", "5GiB"),
            ("quota", ""),
            ("active", "2"),
            ("description", "a\u{7}b"),
            ("colour", "red"),
        ] {
            assert!(differing(&row(), &pairs(&[(key, value)])).unwrap_err().contains(key), "{key}={value}");
        }
    }
}
