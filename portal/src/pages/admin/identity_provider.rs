//! *Identity Provider*: each setting with the place where it stands, and the connection test.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use keydove_words::portal::admin::{Finding, ProviderCard, ProviderSetting};

use super::overview::span;
use super::{begun, refreshing_while};
use crate::app::App;
use crate::pages::{Frame, Page, html};
use crate::problem::Problem;
use crate::session::Administrator;
use crate::texts::{ProviderTexts, fill};

pub(super) struct SettingRow {
    pub(super) name: String,
    pub(super) about: &'static str,
    pub(super) value: String,
    pub(super) is_set: bool,
    pub(super) place: String,
}

struct FindingRow {
    level: &'static str,
    is_fine: bool,
    is_fault: bool,
    area: String,
    what: String,
    cure: Option<String>,
}

/// How the last test ended.
struct Tested {
    ended: String,
    trouble: Option<String>,
    is_well: bool,
    findings: Vec<FindingRow>,
}

#[derive(Template)]
#[template(path = "admin/identity_provider.html")]
struct ProviderPage {
    frame: Frame,
    settings: Vec<SettingRow>,
    is_running: bool,
    is_busy: bool,
    tested: Option<Tested>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    page(&app, &who, frame, false).await
}

/// It changes nothing, but it asks many.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    match app.daemon.test_connection(&who).await? {
        Ok(()) => Ok(begun(Page::IdentityProvider)),
        Err(_) => page(&app, &who, frame, true).await,
    }
}

async fn page(app: &App, who: &Administrator, frame: Frame, is_busy: bool) -> Result<Response, Problem> {
    let ProviderCard { settings, test, findings } = app.daemon.identity_provider(who).await?;
    let words = &frame.t.admin.provider;
    let is_running = test.running.is_some();
    let tested = test.ended.map(|ago| Tested {
        ended: fill(words.ended, &span(&frame.t.admin.overview, ago)),
        is_well: test.trouble.is_none() && findings.iter().all(|finding| finding.level != "fault"),
        trouble: test.trouble,
        findings: findings.into_iter().map(|finding| finding_row(words, finding)).collect(),
    });
    let answer = html(&ProviderPage {
        settings: settings.into_iter().map(|setting| setting_row(words, setting)).collect(),
        is_running,
        is_busy,
        tested,
        frame: frame.of(who.who(), Page::IdentityProvider),
    })?;
    Ok(refreshing_while(is_running, answer, Page::IdentityProvider))
}

pub(super) fn setting_row(words: &ProviderTexts, setting: ProviderSetting) -> SettingRow {
    let is_set = setting.is_secret || setting.value.is_some();
    SettingRow {
        about: words.name(&setting.name),
        name: setting.name,
        value: match setting.value {
            _ if setting.is_secret => words.secret.to_owned(),
            Some(value) => value,
            None => words.not_set.to_owned(),
        },
        is_set,
        place: setting.place,
    }
}

fn finding_row(words: &ProviderTexts, finding: Finding) -> FindingRow {
    let level = match finding.level.as_str() {
        "fault" => words.fault,
        "warning" => words.warning,
        _ => words.fine,
    };
    FindingRow {
        level,
        is_fine: level == words.fine,
        is_fault: level == words.fault,
        area: finding.area,
        what: finding.what,
        cure: finding.cure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    #[test]
    fn a_secret_is_said_to_be_set_and_a_setting_without_a_value_not_to_be() {
        for language in Language::ALL {
            let words = &language.texts().admin.provider;
            let row = |value: Option<&str>, is_secret| {
                let (value, name) = (value.map(str::to_owned), "realm".to_owned());
                setting_row(words, ProviderSetting { name, value, is_secret, place: String::new() })
            };
            assert_eq!(row(Some("hunter2"), true).value, words.secret);
            assert!(!row(None, false).is_set && row(Some("mail"), false).value == "mail");
            assert!(!row(None, false).about.is_empty());
        }
    }
}
