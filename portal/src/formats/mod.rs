//! Settings in the forms that mail programs read.
//!
//! What anybody may fetch says the same to everybody: servers and ports, no secret, and nothing about who exists.
//! What holds a password, or is of use to users only, is written by [`crate::pages`] for whoever is signed in.

mod add_on;
mod apple;
mod autoconfig;
mod autodiscover;
mod pacc;
mod qr;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::config::{Config, Tls};
use crate::problem::Problem;

pub use add_on::add_on;
pub use apple::{Profile, profile};
pub use qr::{QrCode, account_code};

/// The paths by which Outlook asks; letter case is its own.
const AUTODISCOVER: [&str; 3] =
    ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml"];

pub(crate) fn routes() -> Router<Arc<App>> {
    let mut routes = Router::new()
        .route("/mail/config-v1.1.xml", get(thunderbird))
        .route("/.well-known/autoconfig/mail/config-v1.1.xml", get(thunderbird))
        .route("/autodiscover/autodiscover.json", get(outlook_address))
        .route("/autodiscover/autodiscover.json/v1.0/{address}", get(outlook_address))
        .route("/.well-known/user-agent-configuration.json", get(user_agents));
    for path in AUTODISCOVER {
        routes = routes.route(path, post(outlook).get(outlook_without_form));
    }
    routes
}

/// Whether programs post there.
#[must_use]
pub fn is_autodiscover(path: &str) -> bool {
    AUTODISCOVER.contains(&path)
}

async fn thunderbird(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(answer("application/xml; charset=utf-8", autoconfig::write(&app.config)?))
}

async fn outlook(State(app): State<Arc<App>>, body: String) -> Result<Response, Problem> {
    Ok(answer("application/xml; charset=utf-8", autodiscover::write(&app.config, &body)?))
}

async fn outlook_without_form(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(answer("application/xml; charset=utf-8", autodiscover::write(&app.config, "")?))
}

async fn outlook_address(State(app): State<Arc<App>>) -> Response {
    answer("application/json", autodiscover::address(&app.config))
}

async fn user_agents(State(app): State<Arc<App>>) -> Response {
    answer("application/json", pacc::write(&app.config))
}

fn answer(kind: &'static str, text: String) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}

/// What should be in DNS so that mail programs find the servers: names and values, for each mail domain.
#[must_use]
pub fn dns_records(config: &Config) -> Vec<(String, String)> {
    let host = config.portal.public_url.origin();
    let host = host.split_once("://").map_or(host, |(_, host)| host).split(':').next().unwrap_or_default();
    let digest = pacc::digest(&pacc::write(config));
    let mut records = Vec::new();
    for domain in &config.mail.domains {
        for (service, server, _) in config.mail.servers() {
            let label = match (service, server.tls) {
                ("imap", Tls::Implicit) => "_imaps._tcp",
                ("imap", Tls::Starttls) => "_imap._tcp",
                ("pop3", Tls::Implicit) => "_pop3s._tcp",
                ("pop3", Tls::Starttls) => "_pop3._tcp",
                ("smtp", Tls::Implicit) => "_submissions._tcp",
                ("smtp", Tls::Starttls) => "_submission._tcp",
                _ => "_sieve._tcp",
            };
            records.push((format!("{label}.{domain}."), format!("SRV 0 1 {} {}.", server.port, server.host)));
        }
        for name in ["autoconfig", "autodiscover", "ua-auto-config"] {
            records.push((format!("{name}.{domain}."), format!("CNAME {host}.")));
        }
        records
            .push((format!("_ua-auto-config.{domain}."), format!("TXT \"v=UAAC1; a=sha256; d={digest}\"")));
    }
    records
}

/// A configuration for tests.
#[cfg(test)]
pub(crate) fn shipped() -> Config {
    let text = include_str!("../../../packaging/portal/keydove-portal.toml");
    let text = text.replace("#[oauth]", "[oauth]").replace("#client_id", "client_id");
    Config::parse(std::path::Path::new("p.toml"), &text).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names_each_server_and_the_digest_of_what_is_served() {
        let config = shipped();
        let records = dns_records(&config);
        let has = |name: &str, value: &str| records.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("_imaps._tcp.example.org.", "SRV 0 1 993 mail.example.org."));
        assert!(has("_submissions._tcp.example.org.", "SRV 0 1 465 mail.example.org."));
        assert!(has("autoconfig.example.org.", "CNAME account.example.org."));
        let digest = pacc::digest(&pacc::write(&config));
        assert!(has("_ua-auto-config.example.org.", &format!("TXT \"v=UAAC1; a=sha256; d={digest}\"")));
    }
}
