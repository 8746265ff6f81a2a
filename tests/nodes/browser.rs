//! As much of a browser as a sign-in at a node's portal needs: to Keycloak's page and back.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keydove_portal::cookie::{ATTEMPT, SESSION};

use crate::configuration::PUBLIC;
use crate::history::Outcome;

/// How long a browser waits for a page.
const PATIENCE: Duration = Duration::from_secs(15);
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// What a server said.
pub struct Answer {
    /// Of the answer.
    pub status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The cookies that it sets, each as it is sent back.
    fn cookies(&self) -> impl Iterator<Item = &str> {
        self.headers("set-cookie").filter_map(|line| line.split(';').next())
    }

    /// Where it leads to at this site: a path.
    fn leads_to(&self, site: &str) -> Option<&str> {
        self.headers("location").next()?.strip_prefix(site).filter(|path| path.starts_with('/'))
    }

    /// Where its one form is sent to at this site.
    fn form_of(&self, site: &str) -> Option<String> {
        let (action, _) = self.body.split_once("action=\"")?.1.split_once('"')?;
        action.replace("&amp;", "&").strip_prefix(site).map(str::to_owned)
    }
}

/// Asks `host:port`, on a connection of its own. Each line of `headers` ends with CR and LF.
///
/// # Errors
/// There is no answer.
pub fn ask(address: &str, request: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!("{request} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n");
    stream.write_all((head + body).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other(answer.to_string()))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(head.to_owned()))?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Where the portal is, as `host:port`, and Keycloak, whatever it calls itself.
#[derive(Clone, Copy)]
pub struct Sites<'a> {
    /// The portal's.
    pub portal: &'a str,
    /// Keycloak's, as this machine reaches it.
    pub keycloak: &'a str,
}

/// Signs in, and says what became of it; behind `Yes` comes the session's cookie.
pub fn sign_in(sites: Sites<'_>, user: &str, password: &str) -> (Outcome, String) {
    match try_to_sign_in(sites, user, password) {
        Ok(Some(cookie)) => (Outcome::Yes, cookie),
        Ok(None) => (Outcome::CannotTell, String::new()),
        Err(_) => (Outcome::NoAnswer, String::new()),
    }
}

/// `None`: somebody on the way shows another page, such as that it cannot go on now.
fn try_to_sign_in(sites: Sites<'_>, user: &str, password: &str) -> io::Result<Option<String>> {
    let begin = ask(sites.portal, "GET /sign-in", "", "")?;
    let Some(attempt) = begin.cookies().find(|cookie| cookie.starts_with(ATTEMPT)) else { return Ok(None) };
    let Some(path) = begin.leads_to(PUBLIC) else { return Ok(None) };
    let page = ask(sites.keycloak, &format!("GET {path}"), "", "")?;
    let Some(form) = page.form_of(PUBLIC) else { return Ok(None) };
    let cookies = page.cookies().collect::<Vec<_>>().join("; ");
    let headers = format!("{FORM}Cookie: {cookies}\r\n");
    let filled = format!("username={}&password={password}", user.replace('@', "%40"));
    let proven = ask(sites.keycloak, &format!("POST {form}"), &headers, &filled)?;
    let Some(path) = proven.leads_to(&portal_url(sites.portal)) else { return Ok(None) };
    let end = ask(sites.portal, &format!("GET {path}"), &format!("Cookie: {attempt}\r\n"), "")?;
    let cookie = end.cookies().find_map(|cookie| cookie.split_once('=').filter(|(name, _)| *name == SESSION));
    Ok(cookie.map(|(_, value)| value.to_owned()).filter(|_| end.status == 303))
}

/// What people open.
#[must_use]
pub fn portal_url(portal: &str) -> String {
    format!("http://{portal}")
}
