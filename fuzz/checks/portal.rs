//! What must hold of anything that is sent to the web portal, and between it and keydove.

use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderValue};
use keydove::auth::Secret;
use keydove::frontend::portal::Portal;
use keydove::frontend::{Line, Protocol, Received};
use keydove::portal::{Request, Response, WantedAppPassword};
use keydove::token::{IdToken, Logout, Recipient, Token};
use keydove_portal::config::{Config, Error};
use keydove_portal::cookie::{self, Seal};
use keydove_portal::guard::{Policy, Posted};
use keydove_portal::pages::{Page, wish};
use keydove_portal::sign_in::{Attempt, Reply};

/// A form becomes a wish that means the same on keydove's side of the socket, or none; the way back from Keycloak counts only
/// with the state, and leads to no other place.
pub fn portal_form(data: &[u8]) {
    let posted = Posted::parse(data);
    if let Ok(wish) = wish(&posted, Some(30)) {
        let services = ["imap", "pop3", "smtp", "sieve", "dav", "eas"];
        assert!(wish.services.iter().all(|service| services.contains(&service.as_str())));
        assert!(
            wish.networks
                .iter()
                .all(|network| !network.is_empty() && !network.contains([',', ' ', '\n', '\r']))
        );
        assert_eq!(wish.name.trim(), wish.name);
        let line = serde_json::to_string(&wish).expect("every wish has a form in JSON");
        assert!(!line.contains('\n'));
        let read: WantedAppPassword = serde_json::from_str(&line).expect("what was written");
        assert_eq!(read, wish);
    }
    let Ok(query) = std::str::from_utf8(data) else { return };
    let attempt = Attempt {
        state: "a state that no fuzzer guesses".to_owned(),
        nonce: "nonce".to_owned(),
        verifier: "verifier".to_owned(),
        to: Page::Device,
        again: false,
    };
    assert!(attempt.accept(&Reply::parse(query), "https://sso.example.org/realms/mail").is_err());
    if let Some(page) = Page::parse(query) {
        assert!(page.path().starts_with('/') && !page.path().starts_with("//"));
    }
}

/// A cookie is found whole or not at all, and nothing opens but what was sealed, for its name, in its time.
pub fn portal_cookie(data: &[u8]) {
    let seal = Seal::new(&Secret::from("s3cret")).expect("a key");
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, value);
        for name in [cookie::SESSION, cookie::ATTEMPT, cookie::DRAFT, cookie::LANGUAGE] {
            let Some(found) = cookie::find(&headers, name) else { continue };
            assert!(!found.contains(';') && found.len() <= data.len());
            assert_eq!(cookie::session_key(found).0.len(), 64);
            assert_eq!(seal.open::<String>(name, found, 0), None);
        }
    }
    let text = String::from_utf8_lossy(data).into_owned();
    assert_eq!(seal.open::<String>(cookie::ATTEMPT, &text, 0), None);
    let sealed = seal.seal(cookie::DRAFT, &text, 1000).expect("random bytes");
    assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    assert_eq!(seal.open::<String>(cookie::DRAFT, &sealed, 1000), Some(text));
    assert_eq!(seal.open::<String>(cookie::ATTEMPT, &sealed, 1000), None);
    assert_eq!(seal.open::<String>(cookie::DRAFT, &sealed, 1000 + cookie::SEALED_LIFE), None);
    // One letter of it is another one.
    let mut changed = sealed.into_bytes();
    let at = data.len() % changed.len();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("letters");
    assert_eq!(seal.open::<String>(cookie::DRAFT, &changed, 1000), None);
}

/// Reading a token of a sign-in or a sign-out never does harm, and one that is taken says for whom it is.
pub fn portal_token(data: &[u8]) {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let head = part(br#"{"alg":"RS256","kid":"k"}"#);
    // The fuzzer writes what is in it.
    let whole = format!("{head}.{}.{}", part(data), part(&[0; 256]));
    let Ok(token) = Token::parse(whole.as_bytes()) else { return };
    let to = Recipient {
        issuer: "https://sso.example.org",
        client: "keydove-portal",
        now: 1_800_000_000,
        leeway: 30,
    };
    let names_us = || {
        let payload = serde_json::from_slice::<serde_json::Value>(data).expect("a token is JSON").to_string();
        assert!(
            payload.contains("keydove-portal") && payload.contains("https://sso.example.org"),
            "{payload}"
        );
    };
    if let Ok(identity) = IdToken::read(&token, to, "nonce") {
        names_us();
        assert!(!identity.subject.is_empty() && identity.auth_time <= to.now + to.leeway);
        assert!(Logout::read(&token, to).is_err(), "one token is both");
    }
    if let Ok(logout) = Logout::read(&token, to) {
        names_us();
        assert!(logout.subject.is_some() || logout.session.is_some());
        assert!(IdToken::read(&token, to, "nonce").is_err(), "one token is both");
    }
    assert!(IdToken::read(&token, to, "").is_err());
}

/// Any text is a configuration that can stand in headers and pages, or has its faults shown, each with a place.
pub fn portal_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse(Path::new("fuzz.toml"), text) {
        Ok(config) => {
            let _ = Policy::new(&config);
            let address = config.portal.public_url.as_str();
            assert!(address.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>;, ".contains(&byte)));
            assert!(
                config.portal.public_url.path().is_empty()
                    && config.keycloak.issuer.path().contains("/realms/")
            );
            assert!(!config.mail.domains.is_empty());
        }
        Err(Error::Faults(faults)) => {
            assert!(!faults.is_empty());
            assert!(faults.iter().all(|fault| fault.to_string().starts_with("fuzz.toml:")));
        }
        Err(_) => {}
    }
}

/// A line of the socket is read as what it says, or answered with a fault that quotes nothing; what is read is written the
/// same, in one line.
pub fn portal_wire(data: &[u8]) {
    let mut portal = Portal::default();
    #[expect(clippy::disallowed_methods, reason = "the protocol looks at no clock")]
    let now = Instant::now();
    let mut out = Vec::new();
    let mut questions = 0;
    for line in data.split(|&byte| byte == b'\n') {
        let before = out.len();
        match portal.receive(Line::Whole(line), now, &mut out) {
            Ok(Received::Question(asked)) => {
                questions += 1;
                assert_eq!(out.len(), before);
                let text = serde_json::to_string(&asked.question).expect("a request");
                assert!(!text.contains('\n'));
                let again: Request = serde_json::from_str(&text).expect("what was written");
                assert_eq!(again, asked.question);
            }
            Ok(_) => {
                let said = &out[before..];
                assert!(said.ends_with(b"\n") && said.iter().filter(|&&byte| byte == b'\n').count() == 1);
                assert!(serde_json::from_slice::<Response>(said).is_ok());
            }
            Err(_) => break,
        }
        if let Ok(response) = serde_json::from_slice::<Response>(line) {
            let text = serde_json::to_string(&response).expect("a response");
            assert!(serde_json::from_str::<Response>(&text).is_ok());
        }
    }
    assert_eq!(portal.is_idle(), questions == 0);
}
