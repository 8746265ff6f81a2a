//! The web portal of a node: this very program, and what a browser with somebody's cookie is shown.

use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use keydove_portal::cookie::{SESSION, session_key};

use crate::history::Outcome;
use crate::stage::portal::{AS_PORTAL, Portal, this_program};
use crate::stage::{Result, Stage, attempt, free_port};

/// How long a browser waits for a page.
const PATIENCE: Duration = Duration::from_secs(15);

/// Becomes the portal, if that is what this process was started for.
pub fn become_portal() -> Option<ExitCode> {
    let mut words = std::env::args().skip(1);
    (words.next().as_deref() == Some(AS_PORTAL)).then(|| keydove_portal::cli::run_with(words))
}

/// What keydove knows the session of this cookie by.
#[must_use]
pub fn key_of(cookie: &str) -> String {
    session_key(cookie).0
}

/// A node's portal.
pub struct NodePortal {
    _portal: Portal,
    port: u16,
}

impl NodePortal {
    /// Starts it on the machine that this thread is inside, beside the keydove that answers at this socket. Nobody signs in
    /// here, so its Keycloak is only a name.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(stage: &Arc<Stage>, socket: &Path, issuer: &str) -> Result<Self> {
        let secret = stage.write("keydove/portal-secret", "the secret of the portal's client")?;
        attempt("close", &secret, std::fs::set_permissions(&secret, Permissions::from_mode(0o600)))?;
        let port = free_port()?;
        let address = format!("http://localhost:{port}");
        let text = format!(
            "[portal]\npublic_url = \"{address}\"\nlisten = \"127.0.0.1:{port}\"\ndaemon_socket = \"{}\"\n\n\
             [keycloak]\nissuer = \"{issuer}\"\nclient_secret_file = \"{}\"\n\n\
             [mail]\ndomains = [\"example.org\"]\n[mail.imap]\nhost = \"localhost\"\nport = 143\n\
             [mail.smtp]\nhost = \"localhost\"\nport = 465\n",
            socket.display(),
            secret.display()
        );
        let config = stage.write("keydove/portal.toml", &text)?;
        let portal = Portal::of(stage, this_program()?, config, (address, port))?;
        Ok(Self { _portal: portal, port })
    }

    /// Opens a page with this cookie.
    #[must_use]
    pub fn open(&self, cookie: &str) -> Outcome {
        match self.ask("GET /sessions", "", cookie) {
            Ok(200) => Outcome::Yes,
            // To the sign-in, or a page that says who is disabled.
            Ok(303 | 401) => Outcome::No,
            Ok(_) => Outcome::CannotTell,
            Err(_) => Outcome::NoAnswer,
        }
    }

    /// Presses the button that ends this cookie's session.
    #[must_use]
    pub fn sign_out(&self, cookie: &str) -> Outcome {
        // As a browser says of a form of this very site.
        let origin = format!("Origin: http://localhost:{}\r\nContent-Length: 0\r\n", self.port);
        match self.ask("POST /sign-out", &origin, cookie) {
            // To the page that says so.
            Ok(303) => Outcome::Yes,
            Ok(_) => Outcome::CannotTell,
            Err(_) => Outcome::NoAnswer,
        }
    }

    /// Whether it says of itself that it serves.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ask("GET /health", "", "").is_ok_and(|status| status == 200)
    }

    /// The status of an answer.
    fn ask(&self, request: &str, more: &str, cookie: &str) -> io::Result<u16> {
        let port = self.port;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "{request} HTTP/1.0\r\nHost: localhost:{port}\r\nCookie: {SESSION}={cookie}\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::other(answer.into_owned()))
    }
}
