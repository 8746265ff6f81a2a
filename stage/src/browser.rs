//! As much of a browser as a login at Keycloak needs: redirects, cookies and one form at a time.

use crate::http::{self, FORM, escape};
use crate::{Failure, Result};

/// A login passes ten pages or so.
const MOST_REDIRECTS: usize = 30;

/// Somebody's browser, without a past.
pub(crate) struct Browser {
    /// `host:port`; it goes nowhere else.
    address: String,
    cookies: Vec<Cookie>,
}

struct Cookie {
    path: String,
    name: String,
    value: String,
}

/// What it shows.
pub(crate) struct Page {
    path: String,
    text: String,
}

impl Browser {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), cookies: Vec::new() }
    }

    /// Goes to a path, and on to wherever that leads.
    pub(crate) fn open(&mut self, path: &str) -> Result<Page> {
        self.follow(format!("GET {path}"), "", String::new())
    }

    /// Posts the one form of a page.
    pub(crate) fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Result<Page> {
        let action = page.text.split_once("action=\"").and_then(|(_, rest)| rest.split_once('"'));
        let (action, _) =
            action.ok_or_else(|| Failure(format!("no form at {}: {}", page.path, page.text)))?;
        let path = self.path(&action.replace("&amp;", "&"))?;
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        self.follow(format!("POST {path}"), FORM, fields.join("&"))
    }

    fn follow(&mut self, request: String, headers: &'static str, body: String) -> Result<Page> {
        let (mut request, mut headers, mut body) = (request, headers, body);
        for _ in 0..MOST_REDIRECTS {
            let path = request.split_once(' ').map(|(_, path)| path.to_owned()).unwrap_or_default();
            let sent = format!("{headers}{}", self.cookies_for(&path));
            let answer = http::send(&self.address, &request, &sent, &body)?;
            answer.header("set-cookie").for_each(|line| self.keep(line));
            let next = answer.header("location").next().map(|url| self.path(url)).transpose()?;
            match (answer.status, next) {
                (302 | 303, Some(next)) => {
                    (request, headers, body) = (format!("GET {next}"), "", String::new());
                }
                (200, _) => return Ok(Page { path, text: answer.body }),
                (status, _) => {
                    return Err(Failure(format!("{request} in a browser: {status} {}", answer.body)));
                }
            }
        }
        Err(Failure(format!("{request} in a browser: redirects without an end")))
    }

    /// The path of an address at the server.
    fn path(&self, url: &str) -> Result<String> {
        let own = format!("http://{}", self.address);
        let path = url.strip_prefix(&own).unwrap_or(url);
        let path = path.split('#').next().filter(|path| path.starts_with('/'));
        path.map(str::to_owned).ok_or_else(|| Failure(format!("{url} leads away from {own}")))
    }

    fn keep(&mut self, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let path =
            parts.find_map(|part| part.split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case("path")));
        let path = path.map_or("/", |(_, path)| path).to_owned();
        self.cookies.retain(|known| known.name != name || known.path != path);
        self.cookies.push(Cookie { path, name: name.to_owned(), value: value.to_owned() });
    }

    fn cookies_for(&self, path: &str) -> String {
        let known = self.cookies.iter().filter(|known| path.starts_with(&known.path));
        let pairs: Vec<_> = known.map(|known| format!("{}={}", known.name, known.value)).collect();
        if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) }
    }
}
