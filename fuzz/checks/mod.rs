//! What must hold for any input. The fuzz targets and the replay of the kept corpus call the same functions.

#![allow(dead_code, reason = "each target uses one of these")]

mod dovecot;
mod portal;
mod postfix;

use std::path::Path;

use keydove::auth::{Credential, Mechanism, Secret, Service, Username};
use keydove::backend::sql::AccessSwitches;
use keydove::config::{Config, Error};
use keydove::credential::scheme;
use keydove::frontend::dovecot::{Fields, escape, unescape};
use keydove::frontend::sasl::{Exchange, ExchangeStep};
use keydove::frontend::{Line, LineBuffer};
use keydove::token::{Claims, Keys, Token};

pub use dovecot::{auth_client, auth_master, hook};
pub use portal::{portal_config, portal_cookie, portal_form, portal_token, portal_wire};
pub use postfix::{policy, socketmap};

/// A check by the name of its target.
pub type Check = fn(&[u8]);

/// Every check, for the replay of the corpus.
pub const ALL: [(&str, Check); 19] = [
    ("line", line),
    ("input", input),
    ("auth_client", auth_client),
    ("auth_master", auth_master),
    ("hook", hook),
    ("sasl", sasl),
    ("bearer", bearer),
    ("token", token),
    ("scheme", scheme),
    ("username", username),
    ("config", config),
    ("switches", switches),
    ("policy", policy),
    ("socketmap", socketmap),
    ("portal_form", portal_form),
    ("portal_cookie", portal_cookie),
    ("portal_token", portal_token),
    ("portal_config", portal_config),
    ("portal_wire", portal_wire),
];

/// Escaping loses nothing, and its output cannot break a line.
pub fn line(data: &[u8]) {
    let mut escaped = Vec::new();
    escape(data, &mut escaped);
    assert!(!escaped.iter().any(|byte| matches!(byte, 0 | b'\t' | b'\r' | b'\n')));
    assert_eq!(unescape(&escaped), data);
    let once = unescape(data);
    let mut again = Vec::new();
    escape(&once, &mut again);
    assert_eq!(unescape(&again), once);
    let fields: Vec<&[u8]> = Fields::of(data).collect();
    assert_eq!(fields.join(&b'\t'), data.strip_suffix(b"\r").unwrap_or(data));
}

/// Lines come out the same however the bytes came in, and no line is longer than the bound.
pub fn input(data: &[u8]) {
    const MAX: usize = 600;
    let lines_of = |chunk: usize| {
        let mut buffer = LineBuffer::new(MAX);
        let mut lines = Vec::new();
        for bytes in data.chunks(chunk) {
            buffer.extend(bytes);
            while let Some(line) = buffer.next_line() {
                lines.push(match line {
                    Line::Whole(line) => (true, line.to_vec()),
                    Line::TooLong(line) => (false, line.to_vec()),
                });
            }
            buffer.wipe_read();
        }
        lines
    };
    let whole = lines_of(data.len().max(1));
    assert_eq!(whole, lines_of(7));
    assert!(whole.iter().all(|(_, line)| line.len() <= MAX));
    assert_eq!(whole.len(), data.iter().filter(|&&byte| byte == b'\n').count());
}

/// A PLAIN message is read back from its own parts; LOGIN takes any bytes.
pub fn sasl(data: &[u8]) {
    let (_, step) = Exchange::begin(Mechanism::Plain, Some(data));
    if let ExchangeStep::Done(presented) = step {
        let parts = [&presented.authzid[..], &presented.authcid[..], password_of(&presented.credential)];
        assert_eq!(parts.join(&0), data);
    }
    let (mut exchange, step) = Exchange::begin(Mechanism::Login, Some(data));
    assert!(matches!(step, ExchangeStep::Challenge(_)));
    match exchange.respond(data) {
        ExchangeStep::Done(presented) => {
            assert!(*presented.authcid == *data && password_of(&presented.credential) == data)
        }
        other => panic!("{other:?}"),
    }
}

fn password_of(credential: &Credential) -> &[u8] {
    credential.password().map(Secret::expose).expect("a mechanism with a password")
}

/// What is read of a token's message is in it, and a token has no byte that could break a header or a line.
pub fn bearer(data: &[u8]) {
    for mechanism in [Mechanism::OauthBearer, Mechanism::Xoauth2] {
        let (_, step) = Exchange::begin(mechanism, Some(data));
        let ExchangeStep::Done(presented) = step else { continue };
        let Credential::Token(token) = presented.credential else { panic!("a password") };
        assert!(!presented.authcid.is_empty() && presented.authzid.is_empty());
        assert!(!presented.authcid.contains(&0) && !presented.authcid.contains(&1));
        assert!(token.expose().iter().all(u8::is_ascii_graphic));
        let is_in_it = |part: &[u8]| part.is_empty() || data.windows(part.len()).any(|window| window == part);
        assert!(is_in_it(token.expose()));
    }
}

/// Neither a token nor a set of keys is read with harm.
pub fn token(data: &[u8]) {
    if let Ok(token) = Token::parse(data) {
        let _ = Claims::of(&token).subject();
    }
    let _ = Keys::parse(data);
}

/// Reading a stored hash never panics and never takes long, with a label and without one; what is cheap is compared too.
pub fn scheme(data: &[u8]) {
    let policy = scheme::Policy {
        max_bcrypt_cost: 4,
        max_argon2_memory_mib: 1,
        max_argon2_passes: 1,
        max_scrypt_memory_mib: 1,
        max_scrypt_passes: 1,
        max_sha_crypt_rounds: 5000,
        max_pbkdf2_rounds: 100,
        max_des_crypt_rounds: 100,
        ..scheme::Policy::default().with_every_weak_scheme()
    };
    let unlabelled = scheme::Policy {
        default_scheme: Some("CRYPT".to_owned().try_into().expect("a scheme")),
        ..policy.clone()
    };
    for policy in [policy, unlabelled] {
        let Ok(stored) = policy.parse(data) else { continue };
        if let Ok(usable) = stored.owned_by("alice@example.org").permit(&policy) {
            let _ = usable.matches(b"no hash is made of this");
        }
    }
}

/// The normal form is a fixed point, and safe as a folder name.
pub fn username(data: &[u8]) {
    let Ok(user) = Username::parse(data) else { return };
    assert_eq!(Username::parse(user.as_str().as_bytes()).as_ref(), Ok(&user));
    assert!(user.as_str().len() <= 255);
    for part in [user.local_part(), user.domain()] {
        assert!(
            !part.is_empty() && !part.contains(['/', '\0', '@', '\n', '\t']) && part != "." && part != ".."
        );
    }
    if let Some(unicode) = user.with_unicode_domain() {
        assert_eq!(Username::parse(unicode.as_bytes()).as_ref(), Ok(&user));
    }
}

/// Any text is a configuration or has its faults shown, each with a place and without an inline secret.
pub fn config(data: &[u8]) {
    // Files that the text points at are none of the fuzzer's business.
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains("_file") || text.contains("\\u") {
        return;
    }
    if let Err(Error::Faults(faults)) = Config::parse(Path::new("fuzz.toml"), text) {
        assert!(!faults.is_empty());
        for fault in faults {
            assert!(fault.to_string().starts_with("fuzz.toml:"));
        }
    }
}

/// Whatever stands in a mailbox's attributes, asking is safe, and what cannot be read switches nothing off.
pub fn switches(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let switches = AccessSwitches::parse(Some(text));
    for service in [Service::Imap, Service::Pop3, Service::Smtp, Service::Sieve] {
        let allowed = switches.allows(&service);
        if !text.contains("access") && !text.contains('\\') {
            assert!(allowed);
        }
    }
}
