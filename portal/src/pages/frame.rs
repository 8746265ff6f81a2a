//! What stands around each page.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Page, admin};
use crate::app::App;
use crate::daemon::VERSION;
use crate::session::SignedIn;
use crate::texts::{AdminTexts, Language, Texts};

/// Language, names, and who is signed in.
#[derive(Debug)]
pub struct Frame {
    /// The sentences.
    pub t: &'static Texts,
    /// In which language.
    pub language: Language,
    /// The languages to choose from.
    pub languages: Vec<Language>,
    /// Whose portal it is.
    pub name: String,
    /// Who helps.
    pub contact: Option<String>,
    /// Who is signed in.
    pub user: Option<String>,
    /// Which page it is.
    pub here: Option<Page>,
    /// Whether the administrators' pages are offered.
    pub is_administrator: bool,
    /// For addresses of files that browsers keep.
    pub version: &'static str,
}

impl Frame {
    /// For somebody of whom nothing is known.
    #[must_use]
    pub fn new(app: &App, language: Language) -> Self {
        Self {
            t: language.texts(),
            language,
            languages: app.config.portal.languages.clone(),
            name: app.config.name().to_owned(),
            contact: app.config.portal.help.clone(),
            user: None,
            here: None,
            is_administrator: false,
            version: VERSION,
        }
    }

    /// The same for somebody who is signed in, on a page.
    #[must_use]
    pub fn of(self, who: &SignedIn, here: Page) -> Self {
        let is_administrator = who.is_administrator();
        Self { user: Some(who.user().to_owned()), here: Some(here), is_administrator, ..self }
    }

    /// The administrators' pages, and whether each is this one.
    #[must_use]
    pub fn administration(&self) -> Vec<(Page, &'static str, bool)> {
        let words = &self.t.admin;
        let entry = |&(page, title): &(Page, fn(&AdminTexts) -> &'static str)| {
            (page, title(words), self.here == Some(page))
        };
        admin::MENU.iter().map(entry).collect()
    }

    /// Whether this is the page.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.here.is_some_and(|here| here.name() == name)
    }
}

impl FromRequestParts<Arc<App>> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let language = parts.extensions.get::<Language>().copied().unwrap_or(Language::English);
        Ok(Self::new(app, language))
    }
}
