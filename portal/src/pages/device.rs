//! *Set up a device*: which program, which servers, which password.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use keydove_words::portal::Device;

use super::{Frame, Page, html};
use crate::app::App;
use crate::config::{Server, Tls};
use crate::formats;
use crate::problem::Problem;
use crate::session::SignedIn;
use crate::texts::{DeviceTexts, ProgramTexts};

/// A mail program that the page knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Thunderbird,
    Apple,
    Outlook,
    Android,
    Other,
}

impl Program {
    const ALL: [Self; 5] = [Self::Thunderbird, Self::Apple, Self::Outlook, Self::Android, Self::Other];

    /// Its name in addresses and forms.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Thunderbird => "thunderbird",
            Self::Apple => "apple",
            Self::Outlook => "outlook",
            Self::Android => "android",
            Self::Other => "other",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.name() == name)
    }

    /// What people call it.
    pub(super) fn title(self, words: &ProgramTexts) -> &'static str {
        match self {
            Self::Thunderbird => words.thunderbird,
            Self::Apple => words.apple,
            Self::Outlook => words.outlook,
            Self::Android => words.android,
            Self::Other => words.other,
        }
    }

    fn steps(self, words: &ProgramTexts) -> &'static [&'static str] {
        match self {
            Self::Thunderbird => words.thunderbird_steps,
            Self::Apple => words.apple_steps,
            Self::Outlook => words.outlook_steps,
            Self::Android => words.android_steps,
            Self::Other => words.other_steps,
        }
    }
}

/// A server of the table.
struct ServerRow<'a> {
    title: &'static str,
    host: &'a str,
    port: u16,
    security: &'static str,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage<'a> {
    frame: Frame,
    programs: Vec<(&'static str, &'static str)>,
    chosen: Option<Program>,
    steps: &'static [&'static str],
    user: &'a str,
    servers: Vec<ServerRow<'a>>,
    links: Vec<(&'static str, &'a str)>,
    password: &'static str,
    has_add_on: bool,
    /// The quickest way needs an app password; so it is made in the same step. Its services.
    quick_services: Vec<&'static str>,
}

impl DevicePage<'_> {
    fn is(&self, name: &str) -> bool {
        self.chosen.is_some_and(|chosen| chosen.name() == name)
    }
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let device = app.daemon.device(&who).await?;
    let query = query.unwrap_or_default();
    let wanted = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "program");
    let chosen = wanted.and_then(|(_, name)| Program::parse(&name));
    let (t, mail) = (frame.t, &app.config.mail);
    let is_on = |service: &str| device.services.iter().any(|on| on == service);
    let dav = [(t.device.calendar, &mail.caldav_url), (t.device.contacts, &mail.carddav_url)];
    let links =
        dav.into_iter().filter_map(|(title, url)| Some((title, url.as_deref()?))).filter(|_| is_on("dav"));
    let fetches = ["imap", "pop3"].into_iter().find(|service| is_on(service) && has(&app, service));
    let quick = fetches.into_iter().chain(["smtp"]).filter(|service| is_on(service) && has(&app, service));
    let quick_services: Vec<_> = quick.collect();
    html(&DevicePage {
        programs: Program::ALL
            .into_iter()
            .map(|program| (program.name(), program.title(&t.programs)))
            .collect(),
        chosen,
        steps: chosen.map(|program| program.steps(&t.programs)).unwrap_or_default(),
        user: &device.user,
        servers: servers(&app, &device, &t.device),
        links: links.collect(),
        password: if device.main_password { t.device.password_either } else { t.device.password_app },
        has_add_on: app.config.oauth.is_some() && device.oauth,
        quick_services: if quick_services.len() == 2 { quick_services } else { Vec::new() },
        frame: frame.of(&who, Page::Device),
    })
}

fn has(app: &App, service: &str) -> bool {
    app.config.mail.servers().any(|(name, ..)| name == service)
}

/// The servers of the services that are on for this mailbox.
fn servers<'a>(app: &'a App, device: &Device, words: &DeviceTexts) -> Vec<ServerRow<'a>> {
    let title = |service| match service {
        "imap" => words.incoming_imap,
        "pop3" => words.incoming_pop3,
        "smtp" => words.outgoing,
        _ => words.filters,
    };
    let row = |(service, server, _): (&'static str, &'a Server, _)| ServerRow {
        title: title(service),
        host: &server.host,
        port: server.port,
        security: match server.tls {
            Tls::Implicit => words.tls,
            Tls::Starttls => words.starttls,
        },
    };
    let on = app.config.mail.servers().filter(|(service, ..)| device.services.iter().any(|on| on == service));
    on.map(row).collect()
}

/// The add-on by which Thunderbird logs in with Keycloak.
pub(super) async fn thunderbird_add_on(
    State(app): State<Arc<App>>,
    _who: SignedIn,
) -> Result<Response, Problem> {
    let file = formats::add_on(&app.config)?.ok_or(Problem::NotFound)?;
    // `attachment`: people save the file and install it in Thunderbird; a browser would take it for one of its own.
    let headers = [
        (CONTENT_TYPE, "application/x-xpinstall"),
        (CONTENT_DISPOSITION, "attachment; filename=\"thunderbird-sign-in.xpi\""),
    ];
    Ok((headers, file).into_response())
}
