//! Postfix's policy protocol (`SMTPD_POLICY_README`), server side.
//!
//! A request is lines `name=value` up to an empty one; the reply is `action=...` and an empty line. A connection carries
//! any number of requests, one after the other.

use std::time::Instant;

use super::in_order::InOrder;
use crate::auth::{SenderRequest, SenderVerdict, Service, Username};
use crate::frontend::dovecot::read_address;
use crate::frontend::{Answer, Line, Next, Protocol, ProtocolError, Received, Ticketed};

/// Longest line. Postfix's own lines of a mail client have 2048 bytes at most; a certificate's names may be long.
const MAX_LINE: usize = 8192;
/// Most lines of one request. Postfix 3.11 sends 33.
const MAX_ATTRIBUTES: usize = 128;
/// What Postfix asks.
const REQUEST: &[u8] = b"smtpd_access_policy";
/// Go on to the next restriction.
const DUNNO: &[u8] = b"action=DUNNO\n\n";

/// One connection.
#[derive(Debug, Default)]
pub struct Policy {
    request: Attributes,
    asked: InOrder<Vec<u8>>,
}

/// What counts of a request that has not ended yet.
#[derive(Debug, Default)]
struct Attributes {
    count: usize,
    request: Vec<u8>,
    login: Vec<u8>,
    sender: Vec<u8>,
    remote: Vec<u8>,
    context: Vec<u8>,
}

impl Attributes {
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), ProtocolError> {
        self.count += 1;
        if self.count > MAX_ATTRIBUTES {
            return Err(ProtocolError::TooMany);
        }
        let place = match name {
            b"request" => &mut self.request,
            b"sasl_username" => &mut self.login,
            b"sender" => &mut self.sender,
            b"client_address" => &mut self.remote,
            b"policy_context" => &mut self.context,
            _ => return Ok(()),
        };
        place.clear();
        place.extend_from_slice(value);
        Ok(())
    }

    /// The question, if there is one: about whoever is not logged in keydove knows nothing.
    fn into_question(self) -> Option<SenderRequest> {
        if self.request != REQUEST || self.login.is_empty() {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let service = match &self.context[..] {
            b"" => Service::Smtp,
            context => Service::parse(&text(context)),
        };
        let remote = read_address(&self.remote);
        Some(SenderRequest { login: self.login, sender: self.sender, service, remote })
    }
}

impl Protocol for Policy {
    type Asked = Ticketed<SenderRequest>;

    const MAX_LINE: usize = MAX_LINE;

    fn receive(
        &mut self,
        line: Line<'_>,
        _now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received<Ticketed<SenderRequest>>, ProtocolError> {
        let Line::Whole(line) = line else { return Err(ProtocolError::Endless) };
        if !line.is_empty() {
            let equals = line.iter().position(|&byte| byte == b'=').filter(|at| *at > 0);
            let (name, value) = line.split_at(equals.ok_or(ProtocolError::NotARequest)?);
            if line.contains(&0) {
                return Err(ProtocolError::NotARequest);
            }
            self.request.take(name, &value[1..])?;
            return Ok(Received::Nothing);
        }
        let request = std::mem::take(&mut self.request);
        if request.count == 0 {
            return Err(ProtocolError::NotARequest);
        }
        let Some(question) = request.into_question() else {
            self.asked.reply_at_once(Vec::new(), DUNNO.to_vec(), out);
            return Ok(Received::Nothing);
        };
        let ticket = self.asked.ask(question.login.clone());
        Ok(Received::Question(Ticketed { ticket, question }))
    }

    fn answer(
        &mut self,
        answer: Answer<SenderRequest>,
        _now: Instant,
        out: &mut Vec<u8>,
    ) -> Next<Ticketed<SenderRequest>> {
        self.asked.reply(answer.ticket, |login| action(&answer.answer, login), out);
        Next::Open
    }

    fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.request.count == 0
    }
}

/// The reply. Its words are Postfix's own where it has some; none says why somebody would not be let in.
fn action(verdict: &SenderVerdict, login: &[u8]) -> Vec<u8> {
    match verdict {
        SenderVerdict::Pass | SenderVerdict::PassUnchecked(_) => DUNNO.to_vec(),
        SenderVerdict::Refuse(_) => b"action=554 5.7.1 this account may not send mail\n\n".to_vec(),
        // Only a name that was understood has got so far, and in normal form it cannot break a line.
        SenderVerdict::NotOwner => {
            let user = Username::parse(login).map(|user| user.to_string()).unwrap_or_default();
            format!("action=553 5.7.1 not owned by user {user}\n\n").into_bytes()
        }
        SenderVerdict::Throttled => {
            b"action=450 4.7.1 too many wrong passwords, try again later\n\n".to_vec()
        }
        SenderVerdict::CannotTell(_) => b"action=451 4.3.0 Temporary lookup failure\n\n".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::{Denial, TempFail, TempFailReason};

    /// As Postfix 3.7 sends it.
    const CAPTURED: &str = "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n\
        client_address=192.0.2.7\nclient_name=unknown\nclient_port=43024\nreverse_client_name=unknown\n\
        server_address=127.0.0.1\nserver_port=12525\nhelo_name=client.test\nsender=alice@example.org\n\
        recipient=carol@example.org\nrecipient_count=0\nqueue_id=\ninstance=7d9e.6b044573.d7a0b.0\nsize=120\n\
        etrn_domain=\nstress=\nsasl_method=PLAIN\nsasl_username=alice@example.org\nsasl_sender=\n\
        ccert_subject=\nccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\n\
        encryption_protocol=\nencryption_cipher=\nencryption_keysize=0\npolicy_context=eas\n\n";

    struct Talk {
        policy: Policy,
        asked: Vec<Ticketed<SenderRequest>>,
        out: Vec<u8>,
        now: Instant,
    }

    impl Talk {
        #[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
        fn new() -> Self {
            let (asked, out) = (Vec::new(), Vec::new());
            Self { policy: Policy::default(), asked, out, now: Instant::now() }
        }

        fn say(&mut self, text: &[u8]) -> Result<(), ProtocolError> {
            let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|&byte| byte == b'\n');
            for line in lines {
                match self.policy.receive(Line::Whole(line), self.now, &mut self.out)? {
                    Received::Question(asked) => self.asked.push(asked),
                    Received::Nothing => {}
                    Received::Ended(attempt) => panic!("{attempt:?}"),
                }
            }
            Ok(())
        }

        fn answer(&mut self, verdict: SenderVerdict) -> String {
            let asked = self.asked.remove(0);
            let next = self.policy.answer(asked.answer(verdict), self.now, &mut self.out);
            assert!(matches!(next, Next::Open), "a connection lives on");
            String::from_utf8(std::mem::take(&mut self.out)).unwrap()
        }
    }

    #[test]
    fn a_request_of_postfix_is_understood_and_many_follow_on_one_connection() {
        let mut talk = Talk::new();
        for _ in 0..3 {
            assert!(talk.policy.is_idle());
            talk.say(CAPTURED.as_bytes()).unwrap();
            assert!(!talk.policy.is_idle());
            let request = &talk.asked.last().unwrap().question;
            assert_eq!(
                (&request.login[..], &request.sender[..]),
                (&b"alice@example.org"[..], &b"alice@example.org"[..])
            );
            assert_eq!((&request.service, request.remote), (&Service::Eas, "192.0.2.7".parse().ok()));
            assert_eq!(talk.answer(SenderVerdict::Pass), "action=DUNNO\n\n");
        }
    }

    #[test]
    fn each_verdict_has_its_action_and_trouble_is_never_permanent() {
        let trouble = || TempFail::new(TempFailReason::SqlUnreachable, "down\n\naction=REJECT");
        for (verdict, action) in [
            (SenderVerdict::Pass, "DUNNO"),
            (SenderVerdict::PassUnchecked(trouble()), "DUNNO"),
            (SenderVerdict::Refuse(Denial::UserDisabled), "554 5.7.1 this account may not send mail"),
            (SenderVerdict::NotOwner, "553 5.7.1 not owned by user alice@example.org"),
            (SenderVerdict::Throttled, "450 4.7.1 too many wrong passwords, try again later"),
            (SenderVerdict::CannotTell(trouble()), "451 4.3.0 Temporary lookup failure"),
        ] {
            let mut talk = Talk::new();
            talk.say(CAPTURED.as_bytes()).unwrap();
            assert_eq!(talk.answer(verdict), format!("action={action}\n\n"));
        }
    }

    #[test]
    fn who_is_not_logged_in_is_none_of_our_business() {
        for text in [
            "request=smtpd_access_policy\nsasl_username=\nsender=a@b.example\n\n",
            "request=other\nsasl_username=a@b.example\n\n",
        ] {
            let mut talk = Talk::new();
            talk.say(text.as_bytes()).unwrap();
            assert!(talk.asked.is_empty() && talk.policy.is_idle());
            assert_eq!(talk.out, DUNNO);
        }
    }

    #[test]
    fn what_is_no_request_ends_the_connection() {
        let many = "a=b\n".repeat(MAX_ATTRIBUTES + 1);
        for (text, error) in [
            ("\n", ProtocolError::NotARequest),
            ("no equals sign\n", ProtocolError::NotARequest),
            ("=value\n", ProtocolError::NotARequest),
            ("sender=a\0b\n", ProtocolError::NotARequest),
            (many.as_str(), ProtocolError::TooMany),
        ] {
            assert_eq!(Talk::new().say(text.as_bytes()), Err(error), "{text:?}");
        }
        let mut talk = Talk::new();
        let end = talk.policy.receive(Line::TooLong(b"sender="), talk.now, &mut talk.out);
        assert!(matches!(end, Err(ProtocolError::Endless)), "a sender that was cut off is not judged");
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_request_it_has_one_question_and_one_reply(
            login in "[^\n\0]{1,40}", sender in "[^\n\0]{0,40}", other in "[a-z_]{1,9}=[^\n\0]{0,20}"
        ) {
            let mut talk = Talk::new();
            let text = format!("request=smtpd_access_policy\n{other}\nsasl_username={login}\nsender={sender}\n\n");
            talk.say(text.as_bytes()).unwrap();
            let request = &talk.asked.last().unwrap().question;
            prop_assert_eq!((&request.login[..], &request.sender[..]), (login.as_bytes(), sender.as_bytes()));
            let reply = talk.answer(SenderVerdict::NotOwner);
            prop_assert!(reply.starts_with("action=553 ") && reply.ends_with("\n\n"));
            prop_assert_eq!(reply.matches('\n').count(), 2);
        }
    }
}
