//! The web portal's socket: one JSON request a line, one JSON answer a line, in the words of `keydove_words::portal`.
//!
//! * This file is the protocol, [`PortalWords`], which is pure: what is said first, and that only after it anything is asked.
//! * [`PortalService`] answers. `sessions.rs`: who is signed in; `role.rs`: who is an administrator; `app_passwords.rs`: what
//!   people make for their devices.
//! * `admin`: what administrators ask, a file for each area of their pages.
//!
//! The portal names nobody for themselves: a request carries a session, and the daemon knows whose it is.

mod admin;
mod app_passwords;
mod asked_roles;
mod config;
mod role;
mod service;
mod sessions;

use super::{JsonLines, JsonWords, Line, Question};
use crate::auth::TempFailReason;
use crate::portal::{Request, Response, VERSION};

pub use admin::{AdminParts, LookAtDisk, Provider};
pub use config::Config;
pub use service::PortalService;

/// What is said to whoever may not ask, before the connection is closed.
pub const REFUSAL: &[u8] =
    b"{\"answer\":\"error\",\"detail\":\"only the owner of this socket, root and the user that runs keydove may ask here\"}\n";

impl Question for Request {
    type Answer = Response;

    fn when_stopping() -> Response {
        Response::Unavailable { code: TempFailReason::Stopping.code().to_owned() }
    }
}

/// One connection of the portal.
pub type Portal = JsonLines<PortalWords>;

/// What is said on the portal's socket.
#[derive(Debug, Default)]
pub struct PortalWords {
    /// The portal has said that it is of this version.
    is_greeted: bool,
}

fn fault(detail: String) -> Response {
    Response::Error { detail }
}

/// Reads a request. The words of the reader are not passed on: they may quote what was sent.
fn parse(line: Line<'_>) -> Result<Request, Response> {
    let Line::Whole(line) = line else { return Err(fault("the request is longer than 16 KiB".to_owned())) };
    serde_json::from_slice(line).map_err(|_| fault("this is no request of the portal".to_owned()))
}

impl JsonWords for PortalWords {
    type Request = Request;

    fn read(&mut self, line: Line<'_>) -> Result<Request, Response> {
        match parse(line)? {
            Request::Hello { version } if version == VERSION => {
                self.is_greeted = true;
                Err(Response::Hello { version: VERSION.to_owned() })
            }
            Request::Hello { version } => Err(fault(format!(
                "the portal is of version {}, this keydove of version {VERSION}: install both of one version, and restart both",
                version.chars().filter(|c| c.is_ascii_graphic()).take(20).collect::<String>()
            ))),
            _ if !self.is_greeted => Err(fault("the first request is `hello`".to_owned())),
            request => Ok(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::frontend::{Protocol, Received};
    use crate::portal::SessionKey;

    #[expect(clippy::disallowed_methods, reason = "the protocol looks at no clock")]
    fn say(portal: &mut Portal, line: &[u8]) -> (bool, String) {
        let mut out = Vec::new();
        let received = portal.receive(Line::Whole(line), Instant::now(), &mut out).unwrap();
        (matches!(received, Received::Question(_)), String::from_utf8(out).unwrap())
    }

    fn hello(version: &str) -> Vec<u8> {
        serde_json::to_vec(&Request::Hello { version: version.to_owned() }).unwrap()
    }

    #[test]
    fn nothing_is_asked_before_the_versions_are_known_to_agree() {
        let session = serde_json::to_vec(&Request::Session { session: SessionKey("ab".repeat(32)) }).unwrap();
        let mut portal = Portal::default();
        assert!(say(&mut portal, &session).1.contains("`hello`"));
        let (asked, said) = say(&mut portal, &hello("99.0.0"));
        assert!(!asked && said.contains("version 99.0.0") && said.contains("restart both"), "{said}");
        assert!(say(&mut portal, &session).1.contains("`hello`"));
        assert!(say(&mut portal, &hello(VERSION)).1.starts_with("{\"answer\":\"hello\""));
        assert_eq!(say(&mut portal, &session), (true, String::new()));
    }

    #[test]
    fn what_is_no_request_is_not_quoted() {
        let mut portal = Portal::default();
        for line in [
            &b"hunter2"[..],
            b"",
            b"{\"request\":\"hunter2\"}",
            b"\xff\x00",
            b"{}",
            b"{\"request\":\"session\"}",
        ] {
            let (asked, said) = say(&mut portal, line);
            assert!(
                !asked && said.starts_with("{\"answer\":\"error\"") && !said.contains("hunter2"),
                "{said}"
            );
        }
    }
}
