//! The conformance matrix: what goes in, what comes out, byte for byte, with no socket and no clock.

#![expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]

mod tokens;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::auth::{
    MailHost, ProxiedLogin, Secret, Service, Source, TempFail, TempFailReason, UserFields, Username,
};
use crate::frontend::Received;

struct Talk {
    client: AuthClient,
    pending: PendingLogins,
    now: Instant,
    asked: Vec<Ticketed<AuthRequest>>,
    ended: Vec<Denial>,
}

const COOKIE: [u8; 16] = *b"0123456789abcdef";

impl Talk {
    /// A connection past its handshake.
    fn new(role: Role, minor: u32) -> Self {
        let mut talk = Self::silent(role);
        assert_eq!(talk.say(&format!("VERSION\t1\t{minor}\nCPID\t77\n")), "");
        talk
    }

    fn silent(role: Role) -> Self {
        let pending = PendingLogins::default();
        let client =
            AuthClient::new(role, ServerId::from_random(4242), 9, Cookie::new(COOKIE), pending.clone());
        Self { client, pending, now: Instant::now(), asked: Vec::new(), ended: Vec::new() }
    }

    fn try_say(&mut self, lines: &str) -> Result<String, ProtocolError> {
        let mut out = Vec::new();
        for line in lines.strip_suffix('\n').unwrap_or(lines).split('\n') {
            match self.client.receive(Line::Whole(line.as_bytes()), self.now, &mut out)? {
                Received::Nothing => {}
                Received::Question(asked) => self.asked.push(asked),
                Received::Ended(attempt) => self.ended.push(attempt.denial),
            }
        }
        Ok(String::from_utf8(out).unwrap())
    }

    fn say(&mut self, lines: &str) -> String {
        self.try_say(lines).unwrap_or_else(|error| panic!("{lines:?}: {error}"))
    }

    fn answer(&mut self, index: usize, verdict: Verdict) -> (String, bool) {
        let mut out = Vec::new();
        let next = self.client.answer(self.asked[index].answer(verdict), self.now, &mut out);
        (String::from_utf8(out).unwrap(), matches!(next, Next::Close))
    }
}

fn plain(id: u32, user: &str, password: &str) -> String {
    let response = STANDARD.encode(format!("\0{user}\0{password}"));
    format!("AUTH\t{id}\tPLAIN\tservice=imap\tsecured\tlip=10.0.0.1\trip=192.0.2.7\tresp={response}\n")
}

fn accepted(user: &str) -> Verdict {
    let user = Username::parse(user.as_bytes()).unwrap();
    Verdict::Accept(Grant {
        master_user: None,
        user,
        source: Source::Keycloak,
        fields: UserFields::default(),
        proxied: None,
        through_webmail: false,
    })
}

fn refused() -> Verdict {
    Verdict::Refuse(Denial::UserDisabled)
}

fn cannot_tell() -> Verdict {
    Verdict::CannotTell(TempFail::new(TempFailReason::KeycloakTimeout, "no answer"))
}

#[test]
fn the_handshake_comes_at_once_with_spid_after_mech() {
    let mut out = Vec::new();
    Talk::silent(Role::Dovecot).client.greet(&mut out);
    let expected = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t4242\nCUID\t9\n\
                    COOKIE\t30313233343536373839616263646566\nDONE\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_login_with_initial_response_is_asked_at_once() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    assert_eq!(talk.say(&plain(1, "alice@example.org", "pw")), "");
    let request = &talk.asked[0].question;
    assert_eq!(&*request.authcid, b"alice@example.org");
    assert_eq!(request.service, Service::Imap);
    assert!(request.credential.password().unwrap().matches(b"pw") && request.origin.secured);
    assert_eq!(request.origin.remote, "192.0.2.7".parse().ok());
    assert_eq!(talk.answer(0, accepted("alice@example.org")).0, "OK\t1\tuser=alice@example.org\n");
}

/// No mail process comes here for such a login, and the proxy needs what the client has sent.
#[test]
fn a_login_on_another_machine_is_for_the_proxy() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    talk.say(&plain(1, "alice@example.org", "p\tw"));
    let Verdict::Accept(grant) = accepted("alice@example.org") else { panic!() };
    let host = MailHost {
        name: "b1".into(),
        host: "mail1.example.org".into(),
        address: "192.0.2.11".parse().ok(),
        port: Some(1143),
        tls: Some(("ssl", "any-cert")),
    };
    let proxied = ProxiedLogin { host, pass: Secret::from("p\tw"), mechanism: Some("XOAUTH2") };
    let grant = Grant { master_user: Some("admin".into()), proxied: Some(Box::new(proxied)), ..grant };
    let reply = "OK\t1\tuser=alice@example.org\tproxy\thost=mail1.example.org\thostip=192.0.2.11\tport=1143\t\
                 ssl=any-cert\tmaster=admin\tproxy_mech=XOAUTH2\t\
                 pass=p\x01tw\n";
    assert_eq!(talk.answer(0, Verdict::Accept(grant)).0, reply);
    assert!(talk.pending.is_empty());
}

#[test]
fn every_verdict_has_its_reply_and_no_reason_leaves() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    talk.say(&(plain(1, "a@b.example", "x") + &plain(2, "c@d.example", "x")));
    assert_eq!(talk.answer(1, refused()), ("FAIL\t2\tuser=c@d.example\n".to_owned(), false));
    let temp_fail = "FAIL\t1\tuser=a@b.example\tcode=temp_fail\n".to_owned();
    assert_eq!(talk.answer(0, cannot_tell()), (temp_fail, false));
}

#[test]
fn postfix_is_told_cannot_tell_by_closing() {
    let mut talk = Talk::new(Role::Postfix, 0);
    talk.say(&(plain(1, "a@b.example", "x") + &plain(2, "a@b.example", "x")));
    assert_eq!(talk.answer(0, cannot_tell()), (String::new(), true));
    assert_eq!(talk.answer(1, refused()), ("FAIL\t2\tuser=a@b.example\n".to_owned(), true));
}

#[test]
fn a_stop_answers_exchanges_half_way_with_cannot_tell() {
    for (role, said) in [(Role::Dovecot, "FAIL\t3\tcode=temp_fail\n"), (Role::Postfix, "")] {
        let mut talk = Talk::new(role, 2);
        assert!(talk.say("AUTH\t3\tLOGIN\tservice=imap").starts_with("CONT\t3\t"));
        let mut out = Vec::new();
        talk.client.stop(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), said);
        assert!(talk.client.is_idle());
    }
}

#[test]
fn the_dialogue_of_postfix_is_understood() {
    let mut talk = Talk::new(Role::Postfix, 0);
    let auth = "AUTH\t3\tplain\tservice=smtp\tnologin\tlip=127.0.0.1\trip=\n";
    assert_eq!(talk.say(auth), "CONT\t3\t\n");
    assert_eq!(talk.say(&format!("CONT\t3\t{}\n", STANDARD.encode("\0a@b.example\0pw"))), "");
    assert_eq!(talk.asked[0].question.origin.remote, None);
    let auth = "AUTH\t4\tLOGIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=127.0.0.1\n";
    assert_eq!(talk.say(auth), "CONT\t4\tVXNlcm5hbWU6\n");
    assert_eq!(
        talk.say(&format!("CONT\t4\t{}\n", STANDARD.encode("a@b.example"))),
        "CONT\t4\tUGFzc3dvcmQ6\n"
    );
    assert_eq!(talk.say(&format!("CONT\t4\t{}\n", STANDARD.encode("pw"))), "");
    assert_eq!(talk.answer(1, accepted("a@b.example")).0, "OK\t4\tuser=a@b.example\n");
    assert!(talk.pending.is_empty(), "Postfix never redeems a login");
}

#[test]
fn broken_framing_ends_the_connection() {
    let cases = [
        ("FOO\t1", ProtocolError::NotARequest),
        ("", ProtocolError::NotARequest),
        ("VERSION\t1\t2", ProtocolError::NotARequest),
        ("CPID\t5", ProtocolError::NotARequest),
        ("AUTH\t0\tPLAIN\tservice=imap", ProtocolError::Number),
        ("AUTH\t4294967296\tPLAIN\tservice=imap", ProtocolError::Number),
        ("AUTH\tx\tPLAIN\tservice=imap", ProtocolError::Number),
        ("AUTH\t1", ProtocolError::Parameter),
        ("AUTH\t1\tPLAIN", ProtocolError::Parameter),
        ("AUTH\t1\tPLAIN\tservice=imap\tresp=AGEAYg==\trip=1.2.3.4", ProtocolError::Parameter),
        ("CONT\tx\tAA==", ProtocolError::Number),
        ("CONT\t1", ProtocolError::Parameter),
        ("CANCEL\tx", ProtocolError::Number),
    ];
    for (line, error) in cases {
        assert_eq!(Talk::new(Role::Dovecot, 2).try_say(line), Err(error), "{line:?}");
    }
    let handshakes = [
        ("AUTH\t1\tPLAIN\tservice=imap", ProtocolError::NotARequest),
        ("CPID\t5", ProtocolError::NotARequest),
        ("VERSION\t2\t0", ProtocolError::Version),
        ("VERSION\t1\t2\nCPID\t0", ProtocolError::Number),
        ("VERSION\t1\t2\nAUTH\t1\tPLAIN\tservice=imap", ProtocolError::NotARequest),
    ];
    for (lines, error) in handshakes {
        assert_eq!(Talk::silent(Role::Dovecot).try_say(lines), Err(error), "{lines:?}");
    }
}

#[test]
fn an_id_may_be_used_again_after_its_final_reply_only() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    talk.say(&plain(4_294_967_295, "a@b.example", "x"));
    assert_eq!(talk.try_say(&plain(4_294_967_295, "a@b.example", "x")), Err(ProtocolError::DuplicateId));
    assert_eq!(talk.answer(0, refused()).0, "FAIL\t4294967295\tuser=a@b.example\n");
    assert_eq!(talk.say(&plain(4_294_967_295, "a@b.example", "x")), "");
    assert_eq!(talk.asked.len(), 2);
}

#[test]
fn what_a_user_can_cause_gets_a_failure_and_no_close() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    assert_eq!(talk.say("AUTH\t1\tCRAM-MD5\tservice=imap"), "FAIL\t1\n");
    let bad_base64 = "FAIL\t2\tcode=invalid_base64\treason=Invalid base64 data\n";
    assert_eq!(talk.say("AUTH\t2\tPLAIN\tservice=imap\tresp=*?"), bad_base64);
    assert_eq!(talk.say("AUTH\t3\tPLAIN\tservice=imap\tresp=YWJj"), "FAIL\t3\n");
    assert_eq!(talk.say("AUTH\t4\tPLAIN\tservice=imap"), "CONT\t4\t\n");
    assert_eq!(talk.say("CONT\t4\t!!"), bad_base64.replace("\t2\t", "\t4\t"));
    assert!(talk.asked.is_empty());
    use Denial::{MechanismUnknown, ResponseMalformed};
    assert_eq!(talk.ended, [MechanismUnknown, ResponseMalformed, ResponseMalformed, ResponseMalformed]);
}

#[test]
fn an_empty_initial_response_depends_on_the_clients_version() {
    assert_eq!(Talk::new(Role::Postfix, 0).say("AUTH\t1\tPLAIN\tservice=smtp\tresp="), "CONT\t1\t\n");
    assert_eq!(Talk::new(Role::Dovecot, 2).say("AUTH\t1\tPLAIN\tservice=imap\tresp="), "FAIL\t1\n");
    assert_eq!(Talk::new(Role::Postfix, 0).say("AUTH\t1\tPLAIN\tservice=smtp\tresp=="), "FAIL\t1\n");
}

#[test]
fn a_continuation_nobody_waits_for_gets_one_failure() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    let timed_out = "FAIL\t5\treason=Authentication request timed out\n";
    assert_eq!(talk.say("CONT\t5\tAA=="), timed_out);
    talk.say(&plain(6, "a@b.example", "x"));
    let unexpected = "FAIL\t6\tuser=a@b.example\treason=Unexpected continuation\n";
    assert_eq!(talk.say("CONT\t6\tAA=="), unexpected);
    assert_eq!(talk.answer(0, accepted("a@b.example")).0, "", "one final reply is enough");
    assert!(talk.pending.is_empty());
}

#[test]
fn cancelled_is_sent_to_clients_that_know_it_only() {
    for (minor, expected) in [(2, ""), (3, ""), (4, "CANCELLED\t1\n"), (5, "CANCELLED\t1\n")] {
        let mut talk = Talk::new(Role::Dovecot, minor);
        talk.say(&plain(1, "a@b.example", "x"));
        assert_eq!(talk.say("CANCEL\t1"), expected);
        assert_eq!(talk.answer(0, refused()).0, "", "a cancelled request has no reply");
        assert_eq!(talk.say("CANCEL\t99").is_empty(), minor < 4);
    }
}

#[test]
fn a_verdict_for_a_cancelled_request_does_not_reach_the_next_one_under_its_id() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    talk.say(&plain(1, "old@b.example", "x"));
    talk.say("CANCEL\t1");
    talk.say(&plain(1, "new@b.example", "x"));
    assert_eq!(talk.answer(0, accepted("old@b.example")).0, "");
    assert!(talk.pending.is_empty());
    assert_eq!(talk.answer(1, refused()).0, "FAIL\t1\tuser=new@b.example\n");
}

#[test]
fn control_bytes_in_a_name_are_shown_as_question_marks() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    talk.say(&plain(1, "us\x01er\tx\nFAIL\t9@b.example", "x"));
    assert_eq!(talk.answer(0, refused()).0, "FAIL\t1\tuser=us?er?x?FAIL?9@b.example\n");
}

#[test]
fn a_line_too_large_fails_that_request_alone() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    talk.say(&plain(1, "a@b.example", "x"));
    let mut out = Vec::new();
    let beginning = Line::TooLong(b"AUTH\t2\tPLAIN\tservice=pop3\tresp=AAAAAAAAAAAAAAAAAA");
    let received = talk.client.receive(beginning, talk.now, &mut out).unwrap();
    assert_eq!(out, b"FAIL\t2\n");
    match received {
        Received::Ended(attempt) => assert_eq!(attempt.service, Service::Pop3),
        other => panic!("{other:?}"),
    }
    assert_eq!(talk.answer(0, refused()).0, "FAIL\t1\tuser=a@b.example\n");
    let cut_off_id = Line::TooLong(b"AUTH\t2");
    assert!(talk.client.receive(cut_off_id, talk.now, &mut out).is_err());
}

#[test]
fn an_abandoned_exchange_ends_after_a_while() {
    let mut talk = Talk::new(Role::Postfix, 0);
    talk.say("AUTH\t1\tLOGIN\tservice=smtp\n");
    talk.say(&format!("CONT\t1\t{}", STANDARD.encode("a@b.example")));
    let mut out = Vec::new();
    let (ended, wake) = talk.client.expire(talk.now + Duration::from_secs(149), &mut out);
    assert!(ended.is_empty() && out.is_empty());
    let (ended, wake) = talk.client.expire(wake.unwrap(), &mut out);
    assert_eq!((ended.len(), ended[0].authcid.as_slice(), wake), (1, &b"a@b.example"[..], None));
    assert_eq!(out, b"FAIL\t1\tuser=a@b.example\treason=Authentication request timed out\n");
}

#[test]
fn a_success_waits_for_its_mail_process_until_the_client_leaves_or_cancels() {
    let key = (77, 1);
    for ending in ["CANCEL\t1", "leave"] {
        let mut talk = Talk::new(Role::Dovecot, 2);
        talk.say(&plain(1, "a@b.example", "x"));
        talk.answer(0, accepted("a@b.example"));
        assert!(talk.pending.contains(key, Cookie::new(COOKIE)) && !talk.client.is_idle());
        let pending = talk.pending.clone();
        match ending {
            "leave" => drop(talk),
            cancel => drop(talk.say(cancel)),
        }
        assert!(pending.is_empty(), "{ending}");
    }
}

#[test]
fn without_a_master_lookup_nothing_is_remembered() {
    let mut talk = Talk::new(Role::Dovecot, 2);
    let response = STANDARD.encode("\0a@b.example\0x");
    talk.say(&format!("AUTH\t1\tPLAIN\tprotocol=imap\tnologin\tresp={response}\r\n"));
    assert_eq!(talk.answer(0, accepted("a@b.example")).0, "OK\t1\tuser=a@b.example\n");
    assert!(talk.pending.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_each_id_gets_one_final_reply(
        lines in prop::collection::vec("(AUTH|CONT|CANCEL)?\t?[0-9]{0,2}\t?(PLAIN|LOGIN|X)?(\tservice=imap)?(\tresp=[A-Za-z=]{0,8})?", 0..12)
    ) {
        let mut talk = Talk::new(Role::Dovecot, 2);
        for line in lines {
            let Ok(replies) = talk.try_say(&line) else { break };
            for reply in replies.lines() {
                prop_assert!(reply.starts_with("FAIL\t") || reply.starts_with("CONT\t"));
            }
        }
        for index in 0..talk.asked.len() {
            let first = talk.answer(index, refused()).0;
            prop_assert!(first.lines().count() <= 1);
            prop_assert_eq!(talk.answer(index, refused()).0, "");
        }
    }

    #[test]
    fn a_plain_response_arrives_as_it_was_sent(user in "[a-z]{1,20}@[a-z]{1,20}", password: Vec<u8>) {
        prop_assume!(!password.contains(&0));
        let mut talk = Talk::new(Role::Dovecot, 2);
        let message = [&b"\0"[..], user.as_bytes(), b"\0", &password].concat();
        talk.say(&format!("AUTH\t1\tPLAIN\tservice=imap\tresp={}", STANDARD.encode(message)));
        prop_assert!(talk.asked[0].question.credential.password().unwrap().matches(&password));
    }
}
