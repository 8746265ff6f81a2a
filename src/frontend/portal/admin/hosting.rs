//! Mailboxes and domains, a page at a time.

use super::malformed;
use super::people::state_of;
use crate::backend::sql::{DomainName, DomainRow, MailboxRow, MailboxSearch};
use crate::frontend::portal::PortalService;
use crate::frontend::portal::service::{out_of_reach, unsigned};
use crate::portal::Response;
use crate::portal::admin::{
    AdminResponse, DomainLine, DomainList, HostingRequest, MailboxLine, MailboxList, PAGE_ROWS,
};

const MIB: u64 = 1_048_576;

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
        }
    }
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
