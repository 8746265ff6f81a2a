//! What people see. Each page is one question to keydove and one template.

mod admin;
mod app_passwords;
mod confirm;
mod device;
mod frame;
mod made;
mod plain;
mod rows;
mod sessions;
mod sign_ins;

use std::sync::Arc;

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::problem::Problem;

pub use app_passwords::wish;
pub use frame::Frame;
pub(crate) use plain::{problem, signed_out};

/// A page that a sign-in may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Page {
    /// *Set up a device*
    Device,
    /// *App passwords*
    AppPasswords,
    /// *My sign-ins*
    SignIns,
    /// *My sessions*
    Sessions,
    /// A form that has waited for a sign-in.
    Confirm,
    /// The administrators' *Overview*
    Overview,
    /// A person's page
    Person,
    /// The list of mailboxes
    Mailboxes,
    /// The list of domains
    Domains,
    /// *Templates*
    Templates,
    /// *Identity Provider*
    IdentityProvider,
    /// *Sync*
    Sync,
    /// *Census*
    Census,
}

impl Page {
    const ALL: [Self; 13] = [
        Self::Device,
        Self::AppPasswords,
        Self::SignIns,
        Self::Sessions,
        Self::Confirm,
        Self::Overview,
        Self::Person,
        Self::Mailboxes,
        Self::Domains,
        Self::Templates,
        Self::IdentityProvider,
        Self::Sync,
        Self::Census,
    ];

    /// Its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Device => "/device",
            Self::AppPasswords => "/app-passwords",
            Self::SignIns => "/sign-ins",
            Self::Sessions => "/sessions",
            Self::Confirm => "/confirm",
            Self::Overview => "/admin",
            Self::Person => "/admin/person",
            Self::Mailboxes => "/admin/mailboxes",
            Self::Domains => "/admin/domains",
            Self::Templates => "/admin/templates",
            Self::IdentityProvider => "/admin/identity-provider",
            Self::Sync => "/admin/sync",
            Self::Census => "/admin/census",
        }
    }

    /// Its name in addresses.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.path().trim_start_matches('/')
    }

    /// The page of a name. There is no other way to say where a sign-in leads.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.name() == name)
    }

    /// The page that a path belongs to: the one whose path is its longest beginning.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let is_below = |page: &Self| {
            path.strip_prefix(page.path()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        Self::ALL.into_iter().filter(is_below).max_by_key(|page| page.path().len())
    }

    /// Whether only administrators see it.
    #[must_use]
    pub fn is_for_administrators(self) -> bool {
        self.path().starts_with(Self::Overview.path())
    }

    /// Whether the page shows a form of its own that has waited; others are shown on [`Page::Confirm`].
    #[must_use]
    pub fn takes_drafts(self) -> bool {
        self == Self::AppPasswords
    }
}

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(plain::welcome))
        .route("/help", get(plain::help))
        .route("/language", post(plain::set_language))
        .route("/device", get(device::show))
        .route("/device/thunderbird.xpi", get(device::thunderbird_add_on))
        .route("/app-passwords", get(app_passwords::show).post(app_passwords::make))
        .route("/app-passwords/revoke", post(app_passwords::revoke))
        .route("/app-passwords/revoke-all", post(app_passwords::revoke_all))
        .route("/sign-ins", get(sign_ins::show))
        .route("/sessions", get(sessions::show))
        .route("/sessions/end", post(sessions::end))
        .route("/sessions/end-all", post(sessions::end_all))
        .route("/confirm", get(confirm::show))
        .merge(admin::routes())
}

/// A template as an answer.
fn html(page: &impl askama::Template) -> Result<Response, Problem> {
    Ok(Html(page.render()?).into_response())
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn a_sign_in_leads_to_a_page_and_nowhere_else() {
        for page in Page::ALL {
            assert_eq!(Page::parse(page.name()), Some(page));
            assert_eq!(Page::of_path(page.path()), Some(page));
        }
        assert_eq!(Page::of_path("/app-passwords/revoke"), Some(Page::AppPasswords));
        assert_eq!(Page::of_path("/admin/person/source"), Page::of_path("/admin/person"));
        assert_eq!((Page::of_path("/administration"), Page::of_path("/")), (None, None));
        for text in ["", "//evil.example", "https://evil.example", "/device", "device/", "\\evil", "sign-out"]
        {
            assert_eq!(Page::parse(text), None, "{text}");
        }
    }
}
