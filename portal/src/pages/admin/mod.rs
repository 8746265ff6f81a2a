//! The administrators' pages. Each handler takes the proof of an administrator, and each that changes something the proof
//! of one who has just signed in.

mod hosting;
mod overview;
mod person;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Page;
use crate::app::App;
use crate::texts::AdminTexts;

/// The services that a mailbox has switches for, in the order of forms.
const SERVICES: [&str; 6] = ["imap", "pop3", "smtp", "sieve", "dav", "eas"];

/// The menu: each page with its title.
pub(super) const MENU: &[(Page, fn(&AdminTexts) -> &'static str)] = &[
    (Page::Overview, |t| t.overview.title),
    (Page::Person, |t| t.person.title),
    (Page::Mailboxes, |t| t.hosting.mailboxes),
    (Page::Domains, |t| t.hosting.domains),
];

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/check", get(overview::check))
        .route("/admin/person", get(person::show))
        .route("/admin/person/{form}", post(person::change))
        .route("/admin/mailboxes", get(hosting::mailboxes))
        .route("/admin/domains", get(hosting::domains))
}

/// What a form does that is sent there, for whoever is asked to send it once more.
pub(super) fn title_of(words: &AdminTexts, action: &str) -> Option<&'static str> {
    let form = action.strip_prefix("/admin/person/")?;
    person::Form::parse(form).map(|form| form.title(words))
}

/// A size in a unit that fits.
fn size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes.saturating_mul(10) / unit;
            match tenths % 10 {
                0 => format!("{} {name}", tenths / 10),
                tenth => format!("{}.{tenth} {name}", tenths / 10),
            }
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_written_in_a_unit_that_fits() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (3 << 30, "3 GiB"),
            ((3 << 30) + 1, "3 GiB"),
            (u64::MAX, "1677721.5 TiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
