//! What must hold for any input. The fuzz targets and the replay of the kept corpus call the same functions.

#![allow(dead_code, reason = "each target uses one of these")]

mod portal;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use keydove::auth::{
    AuthRequest, Credential, Denial, Grant, Mechanism, Secret, SenderVerdict, Service, Source, TempFail,
    TempFailReason, UserFields, Username, Verdict,
};
use keydove::backend::sql::AccessSwitches;
use keydove::config::{Config, Error};
use keydove::credential::scheme;
use keydove::frontend::dovecot::{
    AuthClient, AuthMaster, Cookie, Fields, MasterAnswer, MasterQuestion, Peer, PendingLogin, PendingLogins,
    Role, ServerId, escape, unescape,
};
use keydove::frontend::hook::{Hook, HookAnswer, HookQuestion};
use keydove::frontend::postfix::{PolicyService, Socketmap};
use keydove::frontend::sasl::{ErrorChallenges, Exchange, ExchangeStep};
use keydove::frontend::{Line, LineBuffer, Next, Protocol, Received, Ticketed};
use keydove::login::service::{MapAnswer, UserAnswer, UserPage};
use keydove::token::{Claims, Keys, Token};

pub use portal::{portal_config, portal_cookie, portal_form, portal_token, portal_wire};

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

/// Never a panic, never a second final reply for an id, never a reply that breaks a line.
pub fn auth_client(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let role = if choice & 1 == 0 { Role::Dovecot } else { Role::Postfix };
    let pending = PendingLogins::default();
    let mut client =
        AuthClient::new(role, ServerId::from_random(1), 1, Cookie::new([7; 16]), pending.clone());
    if choice & 2 == 0 {
        client = client.with_tokens(Some(Arc::new(ErrorChallenges::new(None, None))));
    }
    let now = Instant::now();
    let mut out = Vec::new();
    let mut open: HashMap<u32, i32> = HashMap::new();
    let mut asked = Vec::new();
    for text in data.split(|&byte| byte == b'\n') {
        if let Some(id) = id_of(text, b"AUTH") {
            open.insert(id, 1);
        }
        let line = if text.len() > 200 { Line::TooLong(&text[..200]) } else { Line::Whole(text) };
        match client.receive(line, now, &mut out) {
            Ok(Received::Question(question)) => asked.push(question),
            Ok(_) => {}
            Err(_) => break,
        }
        check_replies(&mut out, &mut open);
        if asked.len() > 3 {
            answer_login(&mut client, &asked.remove(0), choice, &mut out);
            check_replies(&mut out, &mut open);
        }
    }
    for asked in &asked {
        answer_login(&mut client, asked, choice, &mut out);
        answer_login(&mut client, asked, choice, &mut out);
        check_replies(&mut out, &mut open);
    }
    drop(client);
    assert!(pending.is_empty(), "a client that left has no success to redeem");
}

fn answer_login(client: &mut AuthClient, asked: &Ticketed<AuthRequest>, choice: u8, out: &mut Vec<u8>) {
    let verdict = match choice % 3 {
        0 => Verdict::Refuse(Denial::PasswordMismatch),
        1 => Verdict::CannotTell(TempFail::new(TempFailReason::Deadline, "too late")),
        _ => Verdict::Accept(Grant {
            user: alice(),
            master_user: None,
            source: Source::Keycloak,
            fields: UserFields::default(),
            proxied: None,
            through_webmail: false,
        }),
    };
    client.answer(asked.answer(verdict), Instant::now(), out);
}

/// Each final reply uses up its request. A CONT for an id that is not open is answered too, so those do not count.
fn check_replies(out: &mut Vec<u8>, open: &mut HashMap<u32, i32>) {
    for reply in out.split(|&byte| byte == b'\n').filter(|reply| !reply.is_empty()) {
        let known = [&b"OK\t"[..], b"FAIL\t", b"CONT\t", b"CANCELLED\t"];
        assert!(known.iter().any(|word| reply.starts_with(word)), "{}", reply.escape_ascii());
        if let Some(id) = id_of(reply, b"OK") {
            let left = open.entry(id).or_default();
            *left -= 1;
            assert!(*left >= 0, "a second OK for id {id}");
        }
        assert!(!reply.contains(&0) && !reply.contains(&b'\r'));
    }
    out.clear();
}

fn id_of(line: &[u8], word: &[u8]) -> Option<u32> {
    let mut fields = Fields::of(line);
    (fields.next() == Some(word)).then(|| fields.next_number())?
}

/// Never a panic; every question can be answered; a login is handed out once.
pub fn auth_master(data: &[u8]) {
    let pending = PendingLogins::default();
    let cookie = Cookie::new(*b"0123456789abcdef");
    let now = Instant::now();
    let (fields, mechanism) = (UserFields::default(), Mechanism::Plain);
    let login = PendingLogin { user: alice(), fields, master_user: None, mechanism };
    pending.remember((1, 1), cookie, login, now);
    let mut master = AuthMaster::new(ServerId::from_random(1), Peer::default(), pending);
    let mut out = Vec::new();
    for text in data.split(|&byte| byte == b'\n') {
        let Ok(received) = master.receive(Line::Whole(text), now, &mut out) else { break };
        let mut next = match received {
            Received::Question(asked) => Some(asked),
            Received::Nothing | Received::Ended(_) => None,
        };
        let mut pages = 2;
        while let Some(asked) = next.take() {
            pages -= 1;
            let answer = match asked {
                MasterQuestion::User(asked) => {
                    MasterAnswer::User(asked.answer(UserAnswer::Found(alice(), UserFields::default(), None)))
                }
                MasterQuestion::Forget(asked) => MasterAnswer::Forget(asked.answer(asked.question.0.len())),
                MasterQuestion::List(asked) => MasterAnswer::List(asked.answer(Some(UserPage {
                    users: vec![alice()],
                    next: (pages > 0).then(|| "alice@example.org".to_owned()),
                }))),
            };
            if let Next::Ask(asked) = master.answer(answer, now, &mut out) {
                next = Some(asked);
            }
        }
    }
    let redeemed = out.split(|&byte| byte == b'\n').filter(|reply| reply.ends_with(b"\tauth_mech=PLAIN"));
    assert!(redeemed.count() <= 1);
}

/// Never a panic; each question has exactly one final reply, under its own id, and no reply breaks a line.
pub fn hook(data: &[u8]) {
    let mut hook = Hook::default();
    let now = Instant::now();
    let mut out = Vec::new();
    let mut asked = Vec::new();
    for text in data.split(|&byte| byte == b'\n') {
        let line = if text.len() > 200 { Line::TooLong(&text[..200]) } else { Line::Whole(text) };
        let sent = out.len();
        match hook.receive(line, now, &mut out) {
            Ok(Received::Question(question)) => asked.push(question),
            Ok(Received::Ended(_)) => assert!(out[sent..].starts_with(b"FAIL\t")),
            Ok(Received::Nothing) => {}
            Err(_) => break,
        }
    }
    let refused = out.split(|&byte| byte == b'\n').filter(|reply| !reply.is_empty()).count();
    for asked in &asked {
        for _ in 0..2 {
            let answer = match asked {
                HookQuestion::Login(asked) => {
                    HookAnswer::Login(asked.answer(Verdict::Refuse(Denial::PasswordMismatch)))
                }
                HookQuestion::User(asked) => {
                    HookAnswer::User(asked.answer(UserAnswer::Found(alice(), UserFields::default(), None)))
                }
                HookQuestion::List(asked) => {
                    HookAnswer::List(asked.answer(Some(UserPage { users: Vec::new(), next: None })))
                }
            };
            hook.answer(answer, now, &mut out);
        }
    }
    let replies = out.split(|&byte| byte == b'\n').filter(|reply| !reply.is_empty()).count();
    assert_eq!(replies, refused + asked.len());
    assert!(hook.is_idle());
}

fn alice() -> Username {
    Username::parse(b"alice@example.org").expect("a valid name")
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

/// Each request has one reply of two lines, in its turn, whatever stands in it and in which order answers come.
pub fn policy(data: &[u8]) {
    let (mut policy, mut buffer, mut out) =
        (PolicyService::default(), LineBuffer::new(PolicyService::MAX_LINE), Vec::new());
    let (now, mut asked, mut requests) = (Instant::now(), Vec::new(), 0);
    buffer.extend(data);
    while let Ok(Some(line)) = buffer.next_request(PolicyService::FRAMING) {
        let is_end = line == Line::Whole(b"");
        match policy.receive(line, now, &mut out) {
            Ok(Received::Question(question)) => {
                let login = &question.question.login;
                assert!(!login.is_empty() && !login.contains(&0));
                asked.push(question);
            }
            Ok(Received::Nothing) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
        requests += usize::from(is_end);
    }
    for asked in asked.into_iter().rev() {
        for _ in 0..2 {
            policy.answer(asked.answer(SenderVerdict::NotOwner), now, &mut out);
        }
    }
    let replies: Vec<&[u8]> = out.split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(replies.len(), 2 * requests);
    for reply in replies.chunks(2) {
        assert!(reply[0].starts_with(b"action=DUNNO\n") || reply[0].starts_with(b"action=553 5.7.1 "));
        assert_eq!(reply[1], b"\n");
    }
}

/// Netstrings come out the same however the bytes came in, and each has one reply that is one.
pub fn socketmap(data: &[u8]) {
    let requests_of = |chunk: usize| {
        let mut buffer = LineBuffer::new(Socketmap::MAX_LINE);
        let mut requests = Vec::new();
        'all: for bytes in data.chunks(chunk) {
            buffer.extend(bytes);
            loop {
                match buffer.next_request(Socketmap::FRAMING) {
                    Ok(Some(Line::Whole(request))) => requests.push(request.to_vec()),
                    Ok(Some(Line::TooLong(_))) => panic!("a netstring is never cut"),
                    Ok(None) => break,
                    Err(_) => break 'all,
                }
            }
            buffer.wipe_read();
        }
        requests
    };
    let requests = requests_of(data.len().max(1));
    assert_eq!(requests, requests_of(3));
    let (mut socketmap, mut out, now) = (Socketmap::default(), Vec::new(), Instant::now());
    let mut count = 0;
    for request in &requests {
        assert!(request.len() <= Socketmap::MAX_LINE);
        match socketmap.receive(Line::Whole(request), now, &mut out) {
            Ok(Received::Question(asked)) => {
                let answer = match asked.question.key.len() % 3 {
                    0 => MapAnswer::NotFound,
                    1 => MapAnswer::CannotTell("deadline"),
                    _ => MapAnswer::Found("x".repeat(asked.question.key.len() * 100)),
                };
                socketmap.answer(asked.answer(answer), now, &mut out);
            }
            Ok(Received::Nothing) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
        count += 1;
    }
    let mut replies = LineBuffer::new(100_000);
    replies.extend(&out);
    for _ in 0..count {
        let reply = replies.next_request(Socketmap::FRAMING);
        let Ok(Some(Line::Whole(reply))) = reply else { panic!("{reply:?}") };
        assert!([&b"OK "[..], b"NOTFOUND ", b"TEMP ", b"PERM "].iter().any(|word| reply.starts_with(word)));
    }
    assert!(replies.is_empty());
}
