//! What must hold of anything that is sent in place of Dovecot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use keydove::auth::{
    AuthRequest, Denial, Grant, Mechanism, Source, TempFail, TempFailReason, UserFields, Username, Verdict,
};
use keydove::frontend::dovecot::{
    AuthClient, AuthMaster, Cookie, Fields, MasterAnswer, MasterQuestion, Peer, PendingLogin, PendingLogins,
    Role, ServerId,
};
use keydove::frontend::hook::{Hook, HookAnswer, HookQuestion};
use keydove::frontend::sasl::ErrorChallenges;
use keydove::frontend::{Line, Next, Protocol, Received, Ticketed};
use keydove::login::service::{UserAnswer, UserPage};

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
            through_webmail: false,
            proxied: None,
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
