//! *Mailboxes* and *Domains*: search, a page at a time.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use form_urlencoded::Serializer;
use keydove_words::portal::admin::{DomainLine, MailboxLine};

use super::person::{source_title, state_title};
use super::size;
use crate::app::App;
use crate::pages::{Frame, Page, html};
use crate::problem::Problem;
use crate::session::Administrator;
use crate::texts::{AdminTexts, fill};

/// What is looked for.
struct Asked {
    search: String,
    domain: Option<String>,
    page: u32,
}

impl Asked {
    fn read(query: &str) -> Self {
        let field = |wanted: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
            found.next().map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        Self {
            search: field("search").unwrap_or_default(),
            domain: field("domain"),
            page: field("page").and_then(|page| page.parse().ok()).unwrap_or(0),
        }
    }

    /// The address of another page of the same list.
    fn at(&self, path: &str, page: u32) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("search", &self.search);
        if let Some(domain) = &self.domain {
            query.append_pair("domain", domain);
        }
        format!("{path}?{}", query.append_pair("page", &page.to_string()).finish())
    }

    /// Those before and after it.
    fn neighbours(&self, path: &str, more: bool) -> (Option<String>, Option<String>) {
        let previous = self.page.checked_sub(1).map(|page| self.at(path, page));
        (previous, more.then(|| self.at(path, self.page.saturating_add(1))))
    }
}

struct MailboxRow {
    address: String,
    link: String,
    name: String,
    state: &'static str,
    is_on: bool,
    source: String,
    used: String,
}

#[derive(Template)]
#[template(path = "admin/mailboxes.html")]
struct MailboxesPage {
    frame: Frame,
    search: String,
    domain: Option<String>,
    only_domain: String,
    rows: Vec<MailboxRow>,
    previous: Option<String>,
    next: Option<String>,
    /// The domain is none.
    fault: Option<&'static str>,
}

struct DomainRow {
    name: String,
    link: String,
    /// Where its limits are changed.
    change: String,
    description: String,
    is_on: bool,
    mailboxes: String,
    mailboxes_left: String,
    given: String,
    left: String,
    one: String,
}

#[derive(Template)]
#[template(path = "admin/domains.html")]
struct DomainsPage {
    frame: Frame,
    search: String,
    rows: Vec<DomainRow>,
    previous: Option<String>,
    next: Option<String>,
}

pub(super) async fn mailboxes(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::read(&query.unwrap_or_default());
    let words = &frame.t.admin;
    let found = app.daemon.mailboxes(&who, asked.search.clone(), asked.domain.clone(), asked.page).await?;
    let (rows, more, fault) = match found {
        Ok(list) => (list.rows, list.more, None),
        Err(_) => (Vec::new(), false, Some(words.hosting.malformed)),
    };
    let (previous, next) = asked.neighbours(Page::Mailboxes.path(), more);
    html(&MailboxesPage {
        rows: rows.into_iter().map(|row| mailbox(words, row)).collect(),
        only_domain: fill(words.hosting.only_domain, asked.domain.as_deref().unwrap_or_default()),
        search: asked.search,
        domain: asked.domain,
        previous,
        next,
        fault,
        frame: frame.of(who.who(), Page::Mailboxes),
    })
}

pub(super) async fn domains(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::read(&query.unwrap_or_default());
    let words = &frame.t.admin;
    let list = app.daemon.domains(&who, asked.search.clone(), asked.page).await?;
    let (previous, next) = asked.neighbours(Page::Domains.path(), list.more);
    html(&DomainsPage {
        rows: list.rows.into_iter().map(|row| domain(words, row)).collect(),
        search: asked.search,
        previous,
        next,
        frame: frame.of(who.who(), Page::Domains),
    })
}

fn link(path: &str, field: &str, value: &str) -> String {
    format!("{path}?{}", Serializer::new(String::new()).append_pair(field, value).finish())
}

fn mailbox(words: &AdminTexts, row: MailboxLine) -> MailboxRow {
    let used = match row.quota {
        0 => format!("{}, {}", size(row.used), words.person.unlimited),
        quota => fill(&fill(words.hosting.used_of, &size(row.used)), &size(quota)),
    };
    MailboxRow {
        link: link(Page::Person.path(), "user", &row.address),
        address: row.address,
        name: row.name,
        state: state_title(&words.person, row.state),
        is_on: row.state == keydove_words::portal::admin::MailState::On,
        source: source_title(&words.person, &row.source),
        used,
    }
}

fn domain(words: &AdminTexts, row: DomainLine) -> DomainRow {
    let words = &words.hosting;
    let left = |of: u64, used: u64, shown: fn(u64) -> String| match of.saturating_sub(used) {
        0 => words.full.to_owned(),
        left => fill(words.left, &shown(left)),
    };
    let of = |sentence: &str, part: &str, whole: &str| fill(&fill(sentence, part), whole);
    let count = |number: u64| number.to_string();
    DomainRow {
        link: link(Page::Mailboxes.path(), "domain", &row.name),
        change: link("/admin/domains/show", "domain", &row.name),
        name: row.name,
        description: row.description,
        is_on: row.active,
        mailboxes: of(words.count_of, &count(row.mailboxes_used), &count(row.mailboxes)),
        mailboxes_left: left(row.mailboxes, row.mailboxes_used, |number| number.to_string()),
        given: of(words.used_of, &size(row.quota_given), &size(row.quota)),
        left: left(row.quota, row.quota_given, size),
        one: of(words.one_mailbox_text, &size(row.default_quota), &size(row.max_quota)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_goes_with_the_pages_and_nothing_in_it_leads_elsewhere() {
        let asked = Asked::read("search=a%26page%3D9&domain=x.org&page=1");
        let (previous, next) = asked.neighbours("/admin/mailboxes", true);
        assert_eq!(previous.as_deref(), Some("/admin/mailboxes?search=a%26page%3D9&domain=x.org&page=0"));
        assert_eq!(next.as_deref(), Some("/admin/mailboxes?search=a%26page%3D9&domain=x.org&page=2"));
        assert_eq!(Asked::read("page=-1").neighbours("/x", false), (None, None));
    }
}
