//! *My sign-ins*: the last mail logins, and those that were refused.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::rows::{Moment, service};
use super::{Frame, Page, html};
use crate::app::App;
use crate::problem::Problem;
use crate::session::SignedIn;
use crate::texts::{ListTexts, fill};

struct Row {
    at: Moment,
    service: String,
    remote: String,
    /// With which password, or why not.
    note: String,
}

#[derive(Template)]
#[template(path = "sign_ins.html")]
struct SignInsPage {
    frame: Frame,
    accepted: Vec<Row>,
    refused: Vec<Row>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
) -> Result<Response, Problem> {
    let (accepted, refused) = app.daemon.sign_ins(&who).await?;
    let (t, language) = (frame.t, frame.language);
    let accepted = accepted.into_iter().map(|login| Row {
        at: Moment::new(language, login.at),
        service: service(t, &login.service).to_owned(),
        remote: login.remote,
        note: match (login.app_password, login.app_password_name) {
            (None, _) if login.service == "portal" => t.lists.keycloak.to_owned(),
            (None, _) => t.lists.main_password.to_owned(),
            (Some(_), Some(name)) => fill(t.lists.app_password, &name),
            (Some(id), None) => fill(t.lists.app_password_gone, &id.to_string()),
        },
    });
    let refused = refused.into_iter().map(|login| Row {
        at: Moment::new(language, login.at),
        service: service(t, &login.service).to_owned(),
        remote: login.remote.unwrap_or_else(|| "?".to_owned()),
        note: why(&t.lists, &login.code),
    });
    html(&SignInsPage {
        accepted: accepted.collect(),
        refused: refused.collect(),
        frame: frame.of(&who, Page::SignIns),
    })
}

/// A reason that helps the person, where there is one.
fn why(words: &ListTexts, code: &str) -> String {
    let sentence = match code {
        "password_mismatch" | "app_password_mismatch" | "password_missing" => words.why_wrong_password,
        "app_password_expired" => words.why_expired,
        "app_password_forbidden" | "service_forbidden" => words.why_forbidden,
        "app_password_required" | "mail_passwords_off" | "second_factor_required" | "source_unsupported" => {
            words.why_app_password_needed
        }
        "throttled" => words.why_throttled,
        "user_disabled" | "user_locked_out" | "mailbox_disabled" | "domain_disabled" => words.why_disabled,
        other => return fill(words.why_other, other),
    };
    sentence.to_owned()
}
