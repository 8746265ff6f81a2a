//! The web portal of a node: this very program, and what a browser with somebody's cookie is shown.

use std::fs::Permissions;
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use keydove_portal::cookie::{SESSION, session_key};

use crate::browser::{self, Sites, ask, portal_url};
use crate::configuration::PUBLIC;
use crate::history::Outcome;
use crate::proxy::Proxy;
use crate::stage::keycloak_admin::KeycloakAdmin;
use crate::stage::names::REALM;
use crate::stage::portal::{Portal, SECRET, asked_to_be_portal, client, this_program};
use crate::stage::{Result, Stage, attempt};

/// The same on each node, as where one address leads to all of them. Loopback is each node's own.
const PORT: u16 = 8_484;
const ADDRESS: &str = "localhost:8484";
/// Leads to Keycloak, and stands for a server with TLS: without it the portal asks no other machine.
const KEYCLOAK: (u16, &str) = (8_485, "localhost:8485");

/// Becomes the portal, if that is what this process was started for.
pub fn become_portal() -> Option<ExitCode> {
    asked_to_be_portal().map(keydove_portal::cli::run_with)
}

/// What keydove knows the session of this cookie by.
#[must_use]
pub fn key_of(cookie: &str) -> String {
    session_key(cookie).0
}

/// Who issues the tokens of people who sign in.
#[must_use]
pub fn issuer() -> String {
    format!("{PUBLIC}/realms/{REALM}")
}

/// Makes the portals' client, which all nodes share.
///
/// # Errors
/// Keycloak does not make it.
pub fn make_client(admin: &KeycloakAdmin) -> Result<()> {
    admin.make_client(&client(&portal_url(ADDRESS), PORT))
}

/// A node's portal.
pub struct NodePortal {
    _portal: Portal,
    _keycloak: Proxy,
}

impl NodePortal {
    /// Starts it on the machine that this thread is inside, beside the keydove that answers at this socket.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(stage: &Arc<Stage>, socket: &Path, keycloak: SocketAddrV4) -> Result<Self> {
        let keycloak = Proxy::start(KEYCLOAK.0, keycloak)?;
        let secret = stage.write("keydove/portal-secret", SECRET)?;
        attempt("close", &secret, std::fs::set_permissions(&secret, Permissions::from_mode(0o600)))?;
        let text = format!(
            "[portal]\npublic_url = \"{}\"\nlisten = \"127.0.0.1:{PORT}\"\ndaemon_socket = \"{}\"\n\n\
             [keycloak]\nissuer = \"{}\"\nbackend_url = \"http://{}/realms/{REALM}\"\nclient_secret_file = \"{}\"\n\n\
             [mail]\ndomains = [\"example.org\"]\n[mail.imap]\nhost = \"localhost\"\nport = 143\n\
             [mail.smtp]\nhost = \"localhost\"\nport = 465\n",
            portal_url(ADDRESS),
            socket.display(),
            issuer(),
            KEYCLOAK.1,
            secret.display()
        );
        let config = stage.write("keydove/portal.toml", &text)?;
        let portal = Portal::of(stage, this_program()?, config, (portal_url(ADDRESS), PORT))?;
        Ok(Self { _portal: portal, _keycloak: keycloak })
    }

    /// Signs in with Keycloak; behind `Yes` comes the session's cookie.
    #[must_use]
    pub fn sign_in(&self, user: &str, password: &str) -> (Outcome, String) {
        browser::sign_in(Sites { portal: ADDRESS, keycloak: KEYCLOAK.1 }, user, password)
    }

    /// Opens a page with this cookie.
    #[must_use]
    pub fn open(&self, cookie: &str) -> Outcome {
        match Self::ask("GET /sessions", "", cookie) {
            Ok(200) => Outcome::Yes,
            // To the sign-in, or a page that says who is signed out or disabled.
            Ok(303 | 401 | 403) => Outcome::No,
            Ok(_) => Outcome::CannotTell,
            Err(_) => Outcome::NoAnswer,
        }
    }

    /// Presses the button that ends this cookie's session.
    #[must_use]
    pub fn sign_out(&self, cookie: &str) -> Outcome {
        // As a browser says of a form of this very site.
        let origin = format!("Origin: {}\r\n", portal_url(ADDRESS));
        match Self::ask("POST /sign-out", &origin, cookie) {
            // To the page that says so.
            Ok(303) => Outcome::Yes,
            Ok(_) => Outcome::CannotTell,
            Err(_) => Outcome::NoAnswer,
        }
    }

    /// Whether it says of itself that it serves.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        Self::ask("GET /health", "", "").is_ok_and(|status| status == 200)
    }

    /// The status of an answer.
    fn ask(request: &str, more: &str, cookie: &str) -> std::io::Result<u16> {
        let headers = format!("Cookie: {SESSION}={cookie}\r\n{more}");
        ask(ADDRESS, request, &headers, "").map(|answer| answer.status)
    }
}
