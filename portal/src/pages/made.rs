//! A new app password, shown this once: as text, as a QR code, or inside Apple's profile.

use askama::Template;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use keydove_words::portal::{Device, Made, WantedAppPassword};

use super::device::Program;
use super::{Frame, html};
use crate::app::App;
use crate::formats::{self, Profile, QrCode};
use crate::problem::Problem;
use crate::texts::fill;

#[derive(Template)]
#[template(path = "made.html")]
struct MadePage<'a> {
    frame: Frame,
    name: &'a str,
    user: &'a str,
    password: &'a str,
    ends: Option<String>,
    code: Option<QrCode>,
    /// The code is what the person came for.
    wants_code: bool,
}

/// The answer to the form.
pub(super) async fn show(
    app: &App,
    frame: Frame,
    (made, wish, device): (&Made, &WantedAppPassword, &Device),
    program: Option<Program>,
) -> Result<Response, Problem> {
    let display_name = device.display_name.as_deref().unwrap_or(&device.user);
    let password = made.password.expose();
    if program == Some(Program::Apple) {
        let profile = Profile { user: &device.user, display_name, password };
        if let Some(text) = formats::profile(&app.config, profile)? {
            return Ok(as_profile(app, text).await);
        }
    }
    let opens = |service: &str| wish.services.iter().any(|wished| wished == service);
    let is_complete = (opens("imap") || opens("pop3")) && opens("smtp");
    let code = is_complete.then(|| formats::account_code(&app.config, &device.user, display_name, password));
    html(&MadePage {
        name: &wish.name,
        user: &device.user,
        password,
        ends: made.expires.map(|at| fill(frame.t.app_passwords.ends_on, &frame.language.day(at))),
        code: code.flatten(),
        wants_code: program == Some(Program::Android),
        frame,
    })
}

/// Where it cannot be signed, it is not signed: the app password is there, and nobody sees it again.
async fn as_profile(app: &App, text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/x-apple-aspen-config"),
        (CONTENT_DISPOSITION, "attachment; filename=\"mail.mobileconfig\""),
    ];
    let Some(signing) = &app.signing else { return (headers, text).into_response() };
    match signing.sign(text.as_bytes()).await {
        Ok(signed) => (headers, signed).into_response(),
        Err(error) => {
            tracing::error!(%error, "a profile goes out without a signature");
            (headers, text).into_response()
        }
    }
}
