//! What goes in, what comes out, with no socket and no clock.

#![expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]

use proptest::prelude::*;

use super::*;
use crate::auth::{Grant, ProxiedLogin, Source, TempFail, TempFailReason, Username};
use crate::frontend::Questions as _;

#[derive(Default)]
struct Talk {
    hook: Hook,
    asked: Vec<HookQuestion>,
}

impl Talk {
    fn try_say(&mut self, lines: &[u8]) -> Result<String, ProtocolError> {
        let mut out = Vec::new();
        for line in lines.strip_suffix(b"\n").unwrap_or(lines).split(|&byte| byte == b'\n') {
            match self.hook.receive(Line::Whole(line), Instant::now(), &mut out)? {
                Received::Nothing => {}
                Received::Question(asked) => self.asked.push(asked),
                Received::Ended(attempt) => panic!("{attempt:?}"),
            }
        }
        Ok(String::from_utf8(out).unwrap())
    }

    fn say(&mut self, lines: &str) {
        assert_eq!(self.try_say(lines.as_bytes()), Ok(String::new()), "{lines:?}");
    }

    fn answer(&mut self, answer: HookAnswer) -> String {
        let mut out = Vec::new();
        if let Next::Ask(asked) = self.hook.answer(answer, Instant::now(), &mut out) {
            self.asked.push(asked);
        }
        String::from_utf8(out).unwrap()
    }

    fn decide(&mut self, index: usize, verdict: Verdict) -> String {
        let HookQuestion::Login(asked) = &self.asked[index] else { panic!("{:?}", self.asked[index]) };
        self.answer(HookAnswer::Login(asked.answer(verdict)))
    }

    fn find(&mut self, index: usize, answer: UserAnswer) -> String {
        let HookQuestion::User(asked) = &self.asked[index] else { panic!("{:?}", self.asked[index]) };
        self.answer(HookAnswer::User(asked.answer(answer)))
    }

    fn list(&mut self, index: usize, page: Option<UserPage>) -> String {
        let HookQuestion::List(asked) = &self.asked[index] else { panic!("{:?}", self.asked[index]) };
        self.answer(HookAnswer::List(asked.answer(page)))
    }

    /// Answers a question of whatever kind with a temporary failure.
    fn stop(&mut self, index: usize) -> String {
        let asked = &self.asked[index];
        let answer = asked.when_stopping()(asked.ticket());
        self.answer(answer)
    }

    fn login(&self, index: usize) -> &AuthRequest {
        match &self.asked[index] {
            HookQuestion::Login(asked) => &asked.question,
            other => panic!("{other:?}"),
        }
    }
}

fn alice() -> Username {
    Username::parse(b"alice@example.org").unwrap()
}

fn accepted(fields: UserFields) -> Verdict {
    Verdict::Accept(Grant {
        master_user: None,
        user: alice(),
        source: Source::Keycloak,
        fields,
        proxied: None,
        through_webmail: false,
    })
}

fn refused(denial: Denial) -> Verdict {
    Verdict::Refuse(denial)
}

fn cannot_tell() -> Verdict {
    Verdict::CannotTell(TempFail::new(TempFailReason::KeycloakTimeout, "no answer"))
}

fn lives_there() -> UserFields {
    let mut fields = UserFields::default();
    fields.push("uid", "5000");
    fields.push("home", "/var/vmail/a\tb");
    fields
}

#[test]
fn a_login_is_asked_as_it_was_sent() {
    let mut talk = Talk::default();
    talk.say("VERSION\t1\t0\nAUTH\t7\talice@example.org\tp\x01tw\tservice=submission\trip=::ffff:192.0.2.7\tsession=Xk3\tsecured\tnew=1\n");
    let request = talk.login(0);
    assert_eq!(&*request.authcid, b"alice@example.org");
    assert!(
        request.credential.password().unwrap().matches(b"p\tw")
            && request.authzid.is_empty()
            && request.wants_fields
    );
    assert_eq!((&request.service, &*request.service_name), (&Service::Smtp, "submission"));
    assert_eq!(request.origin.remote, "192.0.2.7".parse().ok());
    assert_eq!((request.origin.session.as_deref(), request.origin.secured), (Some("Xk3"), true));
    let reply = "OK\t7\tuser=alice@example.org\tuid=5000\thome=/var/vmail/a\x01tb\n";
    assert_eq!(talk.decide(0, accepted(lives_there())), reply);
    assert!(talk.hook.is_idle());
}

#[test]
fn every_verdict_has_its_reply_in_whatever_order_they_come() {
    let mut talk = Talk::default();
    for id in 1..=4 {
        talk.say(&format!("AUTH\t{id}\talice@example.org\tpw\tservice=imap"));
    }
    assert_eq!(talk.decide(2, cannot_tell()), "TEMP\t3\n");
    assert_eq!(talk.decide(1, refused(Denial::PasswordMismatch)), "FAIL\t2\tcode=mismatch\n");
    assert_eq!(talk.decide(3, refused(Denial::MailboxUnknown)), "FAIL\t4\tcode=unknown\n");
    assert_eq!(talk.decide(0, accepted(UserFields::default())), "OK\t1\tuser=alice@example.org\n");
    assert_eq!(talk.decide(0, accepted(UserFields::default())), "", "one final reply is enough");
}

#[test]
fn only_a_right_app_password_past_its_date_is_called_expired() {
    let codes =
        |wanted: &str| Denial::ALL.into_iter().filter(|&denial| failure_code(denial) == wanted).count();
    assert_eq!(codes("expired"), 1);
    assert_eq!(failure_code(Denial::AppPasswordExpired), "expired");
    assert_eq!(failure_code(Denial::UserDisabled), "disabled");
    assert_eq!(codes("mismatch") + codes("unknown") + codes("disabled") + 1, Denial::ALL.len());
}

#[test]
fn users_are_found_and_listed_page_by_page() {
    let mut talk = Talk::default();
    talk.say("USER\t1\talice@example.org\tservice=lmtp\nUSER\t2\tghost@example.org\tprotocol=doveadm\n");
    talk.say("USER\t3\tx\tservice=imap\nLIST\t4\nLIST\t5");
    assert!(matches!(&talk.asked[0], HookQuestion::User(asked) if asked.question.service == Service::Lmtp));
    let found = UserAnswer::Found(alice(), lives_there(), None);
    let reply = "USER\t1\tuser=alice@example.org\tuid=5000\thome=/var/vmail/a\x01tb\n";
    assert_eq!(talk.find(0, found), reply);
    assert_eq!(talk.find(1, UserAnswer::NotFound), "NOTFOUND\t2\n");
    assert_eq!(talk.find(2, UserAnswer::CannotTell("sql_timeout")), "TEMP\t3\n");
    let page = |next: Option<&str>| Some(UserPage { users: vec![alice()], next: next.map(str::to_owned) });
    assert_eq!(talk.list(3, page(Some("alice@example.org"))), "LIST\t4\talice@example.org\n");
    assert_eq!(talk.list(4, None), "TEMP\t5\n");
    assert!(!talk.hook.is_idle());
    let HookQuestion::List(asked) = &talk.asked[5] else { panic!("{:?}", talk.asked[5]) };
    assert_eq!(asked.question.0.as_deref(), Some("alice@example.org"));
    assert_eq!(talk.list(5, page(None)), "LIST\t4\talice@example.org\nDONE\t4\n");
    assert!(talk.hook.is_idle());
}

#[test]
fn a_mailbox_on_another_machine_is_told_to_the_passdb_alone() {
    let mut talk = Talk::default();
    talk.say("AUTH\t1\talice@example.org\tpw\tservice=imap\nPASS\t2\talice@example.org\tservice=lmtp\n");
    let host = || MailHost {
        name: "b1".into(),
        host: "mail1.example.org".into(),
        address: "192.0.2.11".parse().ok(),
        port: Some(1143),
        tls: Some(("starttls", "yes")),
    };
    let Verdict::Accept(grant) = accepted(UserFields::default()) else { panic!() };
    let pass = Secret::from("pw");
    let proxied = Some(Box::new(ProxiedLogin { host: host(), pass, mechanism: None }));
    let fields = "passdb_proxy_maybe=y\tpassdb_host=mail1.example.org\tpassdb_hostip=192.0.2.11\tpassdb_port=1143\t\
                  passdb_starttls=yes\n";
    let reply = format!("OK\t1\tuser=alice@example.org\t{fields}");
    assert_eq!(talk.decide(0, Verdict::Accept(Grant { proxied, ..grant })), reply);
    assert!(
        matches!(&talk.asked[1], HookQuestion::User(asked) if asked.question.lookup == UserLookup::Passdb)
    );
    let found = UserAnswer::Found(alice(), UserFields::default(), Some(Box::new(host())));
    assert_eq!(talk.find(1, found), format!("USER\t2\tuser=alice@example.org\t{fields}"));
}

#[test]
fn broken_framing_ends_the_connection() {
    let cases = [
        ("", ProtocolError::NotARequest),
        ("PASSWORD\t1\ta@b.example\tservice=imap", ProtocolError::NotARequest),
        ("VERSION\t2\t0", ProtocolError::Version),
        ("VERSION", ProtocolError::Version),
        ("LIST\t1\nVERSION\t1\t0", ProtocolError::NotARequest),
        ("AUTH\t0\ta\tb\tservice=imap", ProtocolError::Number),
        ("AUTH\tx\ta\tb\tservice=imap", ProtocolError::Number),
        ("AUTH\t1\ta", ProtocolError::Parameter),
        ("AUTH\t1\ta\tb", ProtocolError::Parameter),
        ("USER\t1", ProtocolError::Parameter),
        ("USER\t1\ta", ProtocolError::Parameter),
        ("LIST", ProtocolError::Number),
        ("LIST\t1\nUSER\t1\ta\tservice=imap", ProtocolError::DuplicateId),
    ];
    for (lines, error) in cases {
        assert_eq!(Talk::default().try_say(lines.as_bytes()), Err(error), "{lines:?}");
    }
}

#[test]
fn a_login_too_large_is_refused_alone() {
    let mut talk = Talk::default();
    talk.say("LIST\t1");
    let mut out = Vec::new();
    let received = talk.hook.receive(Line::TooLong(b"AUTH\t2\ta@b.example\txxx"), Instant::now(), &mut out);
    assert!(matches!(received, Ok(Received::Ended(attempt)) if attempt.authcid == b"a@b.example"));
    assert_eq!(out, b"FAIL\t2\tcode=mismatch\n");
    for beginning in [&b"AUTH\t2"[..], b"USER\t2\txxx", b"xxx"] {
        assert!(talk.hook.receive(Line::TooLong(beginning), Instant::now(), &mut out).is_err());
    }
    assert!(!talk.hook.is_idle());
}

#[test]
fn fields_that_do_not_fit_are_no_refusal() {
    let mut talk = Talk::default();
    talk.say("AUTH\t1\ta@b.example\tpw\tservice=imap");
    let mut fields = UserFields::default();
    fields.push("mail", &"x".repeat(MAX_REPLY));
    assert_eq!(talk.decide(0, accepted(fields)), "TEMP\t1\n");
}

proptest! {
    #[test]
    fn name_and_password_arrive_as_they_were_sent(user: Vec<u8>, password: Vec<u8>) {
        let mut line = b"AUTH\t1\t".to_vec();
        escape(&user, &mut line);
        line.push(b'\t');
        escape(&password, &mut line);
        line.extend_from_slice(b"\tservice=imap");
        let mut talk = Talk::default();
        prop_assert_eq!(talk.try_say(&line), Ok(String::new()));
        prop_assert_eq!(&*talk.login(0).authcid, &*user);
        prop_assert!(talk.login(0).credential.password().unwrap().matches(&password));
    }

    #[test]
    fn any_bytes_are_survived_and_each_id_gets_one_final_reply(
        lines in prop::collection::vec("(AUTH|USER|LIST|VERSION)?\t?[0-9]{0,2}(\t[a-z@]{0,4}){0,2}(\tservice=imap)?", 0..12)
    ) {
        let mut talk = Talk::default();
        for line in lines {
            let Ok(replies) = talk.try_say(line.as_bytes()) else { break };
            prop_assert_eq!(replies, "");
        }
        for index in 0..talk.asked.len() {
            let first = talk.stop(index);
            prop_assert!(first.starts_with("TEMP\t") && first.lines().count() == 1);
            prop_assert_eq!(talk.stop(index), "");
        }
        prop_assert!(talk.hook.is_idle());
    }
}
