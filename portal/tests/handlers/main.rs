//! Every path of the portal, asked as a browser would, over a double of keydove's socket that says what a case needs.

#![expect(clippy::unwrap_used, reason = "a test ends where something is wrong")]

mod admin;
mod admin_double;
mod double;
mod forms;
mod hosting;
mod keycloak_double;
mod languages;
mod pages;
mod sign_in;
mod signing;
mod tokens;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use keydove_portal::app::App;
use keydove_portal::clock::Clock;
use keydove_portal::config::Config;
use keydove_portal::routes::routes;
use keydove_words::auth::Secret;
use tower_service::Service;

pub(crate) use double::DaemonDouble;

/// What the portal's clock says.
pub(crate) const NOW: u64 = 1_800_000_000;
/// The cookie of somebody whom the double knows.
pub(crate) const COOKIE_LINE: &str = "__Host-keydove=value";

/// The portal in front of a double.
pub(crate) struct Portal {
    routes: Router,
    pub(crate) daemon: DaemonDouble,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Portal {
    pub(crate) fn new(daemon: DaemonDouble) -> Self {
        // Nobody listens there: Keycloak is away.
        Self::at(daemon, "http://127.0.0.1:1/realms/mail")
    }

    /// One that reaches Keycloak at this address.
    pub(crate) fn at(daemon: DaemonDouble, keycloak: &str) -> Self {
        Self::with(daemon, keycloak, "")
    }

    /// One whose configuration says more.
    pub(crate) fn with(daemon: DaemonDouble, keycloak: &str, more: &str) -> Self {
        let text = include_str!("../../../packaging/portal/keydove-portal.toml");
        let text = text.replace("#[oauth]", "[oauth]").replace("#client_id", "client_id");
        let text = text.replace("/run/keydove/portal", daemon.path().to_str().unwrap());
        let text = text.replace("client_id = \"keydove-portal\"", &format!("backend_url = \"{keycloak}\""));
        let config = Config::parse(Path::new("p.toml"), &format!("{text}\n{more}")).unwrap();
        let app = App::new(config, Secret::from("s3cret"), Clock::new(|| NOW)).unwrap();
        Self { routes: routes(Arc::new(app)), daemon }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, body, bytes: bytes.to_vec() }
    }

    /// A page, for whoever has the cookie.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).header(COOKIE, COOKIE_LINE).body(Body::empty()).unwrap()).await
    }

    /// A page, for anybody.
    pub(crate) async fn get_as_stranger(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A form that one of our own pages sends.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        self.send(form_request(path, form).body(Body::from(form.to_owned())).unwrap()).await
    }
}

pub(crate) fn form_request(path: &str, _form: &str) -> axum::http::request::Builder {
    Request::post(path)
        .header(COOKIE, COOKIE_LINE)
        .header("sec-fetch-site", "same-origin")
        .header("origin", "null")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of a cookie that is set.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(SET_COOKIE).into_iter().map(|line| line.to_str().unwrap());
        let pair = lines
            .filter_map(|line| line.split(';').next()?.split_once('='))
            .find(|(found, _)| *found == name);
        pair.map(|(_, value)| value.to_owned())
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }
}
