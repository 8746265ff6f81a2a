//! The sentences of the administrators' pages. Each area has a file, with its sentences in each language.

mod cures;
mod hosting;
mod overview;
mod person;
mod provider;
mod sync;
mod templates;

pub use hosting::HostingTexts;
pub use overview::OverviewTexts;
pub use person::PersonTexts;
pub use provider::{CensusTexts, ProviderTexts};
pub use sync::SyncTexts;
pub use templates::TemplateTexts;

/// All of them.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "a text's name says where it stands, and the languages show it")]
pub struct AdminTexts {
    pub menu: &'static str,
    pub confirm: &'static str,
    pub confirm_text: &'static str,
    pub confirm_do: &'static str,
    pub confirm_not: &'static str,
    pub overview: OverviewTexts,
    pub person: PersonTexts,
    pub hosting: HostingTexts,
    pub sync: SyncTexts,
    pub provider: ProviderTexts,
    pub templates: TemplateTexts,
    pub census: CensusTexts,
}

impl AdminTexts {
    pub(super) const ENGLISH: Self = Self {
        menu: "Administration",
        confirm: "You have signed in again",
        confirm_text: "This is what you were about to do. Nothing has been changed yet.",
        confirm_do: "Do it now",
        confirm_not: "Leave it",
        overview: OverviewTexts::ENGLISH,
        person: PersonTexts::ENGLISH,
        hosting: HostingTexts::ENGLISH,
        sync: SyncTexts::ENGLISH,
        provider: ProviderTexts::ENGLISH,
        templates: TemplateTexts::ENGLISH,
        census: CensusTexts::ENGLISH,
    };
    pub(super) const GERMAN: Self = Self {
        menu: "Verwaltung",
        confirm: "Sie haben sich noch einmal angemeldet",
        confirm_text: "Das hatten Sie vor. Noch ist nichts geändert.",
        confirm_do: "Jetzt ausführen",
        confirm_not: "Nicht ausführen",
        overview: OverviewTexts::GERMAN,
        person: PersonTexts::GERMAN,
        hosting: HostingTexts::GERMAN,
        sync: SyncTexts::GERMAN,
        provider: ProviderTexts::GERMAN,
        templates: TemplateTexts::GERMAN,
        census: CensusTexts::GERMAN,
    };
}
