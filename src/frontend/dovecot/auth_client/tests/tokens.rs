//! Logins with a token in place of a password.

use super::*;

const BEARER_CHALLENGE: &str = r#"{"status":"invalid_token","scope":"mail"}"#;
const XOAUTH2_CHALLENGE: &str = r#"{"status":"401","schemes":"bearer","scope":"mail"}"#;

/// A connection on which tokens are taken.
fn with_tokens(role: Role) -> Talk {
    let mut talk = Talk::new(role, 2);
    talk.client = talk.client.with_tokens(Some(Arc::new(ErrorChallenges::new(Some("mail"), None))));
    talk
}

fn xoauth2(id: u32, token: &str) -> String {
    let response = STANDARD.encode(format!("user=alice@example.org\x01auth=Bearer {token}\x01\x01"));
    format!("AUTH\t{id}\tXOAUTH2\tservice=imap\tresp={response}\n")
}

fn oauthbearer(token: &str) -> String {
    STANDARD.encode(format!("n,a=alice@example.org,\x01auth=Bearer {token}\x01\x01"))
}

fn challenge(id: u32, text: &str) -> String {
    format!("CONT\t{id}\t{}\n", STANDARD.encode(text))
}

#[test]
fn mechanisms_with_tokens_are_offered_where_tokens_are_taken() {
    let mut out = Vec::new();
    with_tokens(Role::Dovecot).client.greet(&mut out);
    let greeting = String::from_utf8(out).unwrap();
    assert!(
        greeting
            .contains("MECH\tLOGIN\tplaintext\nMECH\tOAUTHBEARER\tplaintext\nMECH\tXOAUTH2\tplaintext\nSPID")
    );
    let mut talk = Talk::new(Role::Dovecot, 2);
    assert_eq!(talk.say(&xoauth2(1, "ey.x")), "FAIL\t1\n");
    assert_eq!((talk.asked.len(), &talk.ended[..]), (0, &[Denial::MechanismUnknown][..]));
}

#[test]
fn a_token_is_accepted_in_one_step_and_not_repeated() {
    let mut talk = with_tokens(Role::Dovecot);
    assert_eq!(talk.say(&xoauth2(1, "ey.marker")), "");
    let request = &talk.asked[0].question;
    assert!(request.credential.password().is_none() && *request.authcid == *b"alice@example.org");
    assert!(!format!("{request:?}").contains("marker"));
    assert_eq!(talk.answer(0, accepted("alice@example.org")).0, "OK\t1\tuser=alice@example.org\n");
    assert_eq!(talk.pending.len(), 1);
}

#[test]
fn without_an_initial_response_a_token_is_asked_for() {
    let mut talk = with_tokens(Role::Postfix);
    assert_eq!(talk.say("AUTH\t3\toauthbearer\tservice=smtp\tnologin\n"), "CONT\t3\t\n");
    assert_eq!(talk.say(&format!("CONT\t3\t{}\n", oauthbearer("ey.x"))), "");
    assert_eq!(talk.answer(0, accepted("alice@example.org")).0, "OK\t3\tuser=alice@example.org\n");
}

#[test]
fn a_refused_token_is_challenged_and_fails_after_the_answer() {
    for (mechanism, text) in [("OAUTHBEARER", BEARER_CHALLENGE), ("XOAUTH2", XOAUTH2_CHALLENGE)] {
        for answer in ["", "AQ==", "=", "!", "bW9yZQ=="] {
            let mut talk = with_tokens(Role::Dovecot);
            let line = match mechanism {
                "XOAUTH2" => xoauth2(7, "ey.x"),
                _ => format!("AUTH\t7\tOAUTHBEARER\tservice=imap\tresp={}\n", oauthbearer("ey.x")),
            };
            assert_eq!(talk.say(&line), "");
            assert_eq!(talk.answer(0, refused()), (challenge(7, text), false));
            assert!(!talk.client.is_idle());
            assert_eq!(talk.say(&format!("CONT\t7\t{answer}\n")), "FAIL\t7\tuser=alice@example.org\n");
            assert!(talk.client.is_idle() && talk.ended.is_empty(), "its one log line has been written");
            // The id is free again.
            assert_eq!(talk.say(&xoauth2(7, "ey.y")), "");
        }
    }
}

#[test]
fn cannot_tell_has_no_challenge() {
    let mut talk = with_tokens(Role::Dovecot);
    talk.say(&xoauth2(1, "ey.x"));
    assert_eq!(talk.answer(0, cannot_tell()).0, "FAIL\t1\tuser=alice@example.org\tcode=temp_fail\n");
    let mut talk = with_tokens(Role::Postfix);
    talk.say(&xoauth2(1, "ey.x"));
    assert_eq!(talk.answer(0, cannot_tell()), (String::new(), true));
}

#[test]
fn a_challenge_that_nobody_answers_ends_by_itself_or_by_cancel() {
    let mut talk = with_tokens(Role::Postfix);
    talk.say(&(xoauth2(1, "ey.x") + &xoauth2(2, "ey.x")));
    talk.answer(0, refused());
    talk.answer(1, refused());
    assert_eq!(talk.say("CANCEL\t2\n"), "");
    assert_eq!(talk.say("CONT\t2\t\n"), "FAIL\t2\treason=Authentication request timed out\n");
    let mut out = Vec::new();
    let (ended, next) = talk.client.expire(talk.now + REQUEST_LIFETIME, &mut out);
    let timed_out = b"FAIL\t1\tuser=alice@example.org\treason=Authentication request timed out\n";
    assert_eq!((ended.len(), next, &out[..]), (0, None, &timed_out[..]));
    assert!(talk.client.is_idle());
}

#[test]
fn a_stop_ends_a_challenge_with_the_refusal_that_it_is() {
    for role in [Role::Dovecot, Role::Postfix] {
        let mut talk = with_tokens(role);
        talk.say(&xoauth2(1, "ey.x"));
        talk.answer(0, refused());
        let mut out = Vec::new();
        talk.client.stop(&mut out);
        assert_eq!(out, b"FAIL\t1\tuser=alice@example.org\n");
    }
}

#[test]
fn a_malformed_token_message_fails_at_once() {
    let mut talk = with_tokens(Role::Dovecot);
    let response = STANDARD.encode("p=tls-exporter,a=alice@example.org,\x01auth=Bearer x\x01\x01");
    assert_eq!(talk.say(&format!("AUTH\t1\tOAUTHBEARER\tservice=imap\tresp={response}\n")), "FAIL\t1\n");
    assert_eq!(talk.ended, [Denial::ResponseMalformed]);
}

#[test]
fn a_token_as_long_as_a_line_may_be_arrives_whole() {
    let mut talk = with_tokens(Role::Dovecot);
    let token = "x".repeat(12_000);
    let line = xoauth2(1, &token);
    assert!(line.len() <= MAX_LINE + 1);
    assert_eq!(talk.say(&line), "");
    let crate::auth::Credential::Token(arrived) = &talk.asked[0].question.credential else {
        panic!("no token")
    };
    assert!(arrived.matches(token.as_bytes()));
}
