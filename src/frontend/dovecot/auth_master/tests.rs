//! What goes in and what comes out of the master side, byte for byte.

#![expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]

use std::time::Instant;

use super::*;
use crate::auth::{MailHost, Mechanism, Username};

const COOKIE: &str = "30313233343536373839616263646566";

struct Talk {
    master: AuthMaster,
    pending: PendingLogins,
    now: Instant,
    asked: Vec<MasterQuestion>,
    /// Whose password the remembered login was.
    master_user: Option<&'static str>,
}

impl Talk {
    fn new(pid: Option<u32>) -> Self {
        let pending = PendingLogins::default();
        let mut master = AuthMaster::new(ServerId::from_random(4242), Peer { pid }, pending.clone());
        let mut out = Vec::new();
        master.greet(&mut out);
        assert_eq!(out, b"VERSION\t1\t1\nSPID\t4242\n");
        let mut talk = Self { master, pending, now: Instant::now(), asked: Vec::new(), master_user: None };
        assert_eq!(talk.say("VERSION\t1\t1"), "");
        talk
    }

    fn try_say(&mut self, line: &str) -> Result<String, ProtocolError> {
        let mut out = Vec::new();
        match self.master.receive(Line::Whole(line.as_bytes()), self.now, &mut out)? {
            Received::Question(asked) => self.asked.push(asked),
            Received::Nothing | Received::Ended(_) => {}
        }
        Ok(String::from_utf8(out).unwrap())
    }

    fn say(&mut self, line: &str) -> String {
        self.try_say(line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    fn find(&mut self, index: usize, answer: UserAnswer) -> String {
        let MasterQuestion::User(asked) = &self.asked[index] else { panic!("{:?}", self.asked[index]) };
        self.answer(MasterAnswer::User(asked.answer(answer)))
    }

    fn list(&mut self, index: usize, page: Option<UserPage>) -> String {
        let MasterQuestion::List(asked) = &self.asked[index] else { panic!("{:?}", self.asked[index]) };
        self.answer(MasterAnswer::List(asked.answer(page)))
    }

    fn answer(&mut self, answer: MasterAnswer) -> String {
        let mut out = Vec::new();
        match self.master.answer(answer, self.now, &mut out) {
            Next::Ask(asked) => self.asked.push(asked),
            Next::Open | Next::Close => {}
        }
        String::from_utf8(out).unwrap()
    }

    fn remember(&self, fields: UserFields) {
        let login = PendingLogin {
            user: user("a@b.example"),
            fields,
            master_user: self.master_user.map(Into::into),
            mechanism: Mechanism::Plain,
        };
        self.pending.remember((77, 1), Cookie::parse(COOKIE.as_bytes()).unwrap(), login, self.now);
    }
}

fn user(name: &str) -> Username {
    Username::parse(name.as_bytes()).unwrap()
}

fn home(value: &str) -> UserFields {
    let mut fields = UserFields::default();
    fields.push("uid", "vmail");
    fields.push("home", value);
    fields
}

fn found(name: &str) -> UserAnswer {
    UserAnswer::Found(user(name), home("/srv/x\ty"), None)
}

#[test]
fn only_a_passdb_lookup_is_told_of_another_machine() {
    let mut talk = Talk::new(None);
    talk.say("PASS\t1\ta@b.example\tservice=lmtp");
    talk.say("USER\t2\ta@b.example\tservice=imap");
    let host =
        MailHost { name: "b1".into(), host: "192.0.2.11".into(), address: None, port: Some(2424), tls: None };
    let found = || UserAnswer::Found(user("a@b.example"), home("/x"), Some(Box::new(host.clone())));
    assert_eq!(talk.find(0, found()), "PASS\t1\tuser=a@b.example\tproxy\thost=192.0.2.11\tport=2424\n");
    assert_eq!(talk.find(1, found()), "USER\t2\ta@b.example\tuid=vmail\thome=/x\n");
}

#[test]
fn a_login_is_redeemed_once_by_the_process_that_was_given_the_session() {
    let mut talk = Talk::new(Some(500));
    talk.remember(home("/srv/x y"));
    let request = format!("REQUEST\t9\t77\t1\t{COOKIE}\tsession_pid=500\trequest_auth_token");
    let expected = "USER\t9\ta@b.example\tuid=vmail\thome=/srv/x y\tauth_mech=PLAIN\n";
    assert_eq!(talk.say(&request), expected);
    assert_eq!(talk.say(&request), "FAIL\t9\treason=unknown or already used login request\n");
}

#[test]
fn a_wrong_cookie_or_process_redeems_nothing() {
    let mut talk = Talk::new(Some(500));
    talk.remember(UserFields::default());
    for request in [
        format!("REQUEST\t9\t77\t1\t{}", "0".repeat(32)),
        "REQUEST\t9\t77\t1\tshort".to_owned(),
        format!("REQUEST\t9\t77\t2\t{COOKIE}"),
        format!("REQUEST\t9\t77\t1\t{COOKIE}\tsession_pid=501"),
    ] {
        assert!(talk.say(&request).starts_with("FAIL\t9\t"), "{request}");
    }
    assert!(talk.say(&format!("REQUEST\t9\t77\t1\t{COOKIE}\tsession_pid=500")).starts_with("USER\t9\t"));
}

#[test]
fn a_mail_process_is_told_of_the_master_user() {
    let mut talk = Talk::new(None);
    talk.master_user = Some("ad\tmin");
    talk.remember(UserFields::default());
    let reply = talk.say(&format!("REQUEST\t9\t77\t1\t{COOKIE}"));
    assert_eq!(reply, "USER\t9\ta@b.example\tauth_mech=PLAIN\tmaster_user=ad\x01tmin\n");
}

#[test]
fn a_reply_longer_than_mail_processes_read_is_a_failure() {
    let mut talk = Talk::new(None);
    talk.remember(home(&"x".repeat(9000)));
    let reply = talk.say(&format!("REQUEST\t9\t77\t1\t{COOKIE}"));
    assert_eq!(reply, "FAIL\t9\treason=userdb fields exceed 8 KiB\n");
}

#[test]
fn lookups_of_either_release_are_found_not_found_or_failed() {
    let mut talk = Talk::new(None);
    for line in [
        "USER\t1\tA@b.example\tservice=lmtp",
        "USER\t2\tx@b.example\tprotocol=lmtp\r",
        "USER\t3\ty\tservice=x",
    ] {
        assert_eq!(talk.say(line), "");
    }
    match &talk.asked[0] {
        MasterQuestion::User(Ticketed { question: request, .. }) => {
            assert_eq!((&request.user[..], &request.service), (&b"A@b.example"[..], &Service::Lmtp))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(talk.find(2, UserAnswer::CannotTell("sql_timeout")), "FAIL\t3\treason=sql_timeout\n");
    assert_eq!(talk.find(1, UserAnswer::NotFound), "NOTFOUND\t2\n");
    assert_eq!(talk.find(0, found("a@b.example")), "USER\t1\ta@b.example\tuid=vmail\thome=/srv/x\x01ty\n");
    assert_eq!(talk.say("PASS\t4\ta@b.example\tservice=lmtp\trip=1.2.3.4"), "");
    assert_eq!(talk.find(3, found("a@b.example")), "PASS\t4\tuser=a@b.example\n");
}

#[test]
fn a_list_comes_page_by_page_through_its_mask() {
    let mut talk = Talk::new(None);
    assert_eq!(talk.say("LIST\t1\tuser=*@b.example\tservice=doveadm\tdebug"), "");
    assert_eq!(talk.say("LIST\t2\tuser=*"), "DONE\t2\tfail\n", "one list at a time");
    let page =
        UserPage { users: vec![user("a@b.example"), user("a@c.example")], next: Some("a@c.example".into()) };
    assert_eq!(talk.list(0, Some(page)), "LIST\t1\ta@b.example\n");
    let MasterQuestion::List(asked) = &talk.asked[1] else { panic!("{:?}", talk.asked[1]) };
    assert_eq!(asked.question.0.as_deref(), Some("a@c.example"));
    let page = UserPage { users: vec![user("z@b.example")], next: None };
    assert_eq!(talk.list(1, Some(page)), "LIST\t1\tz@b.example\nDONE\t1\t\n");
    assert_eq!(talk.say("LIST\t3"), "");
    assert_eq!(talk.list(2, None), "DONE\t3\tfail\n");
}

#[test]
fn broken_framing_ends_the_connection() {
    for line in
        ["", "FOO", "USER\tx\ta", "USER\t1", "USER\t1\ta", "REQUEST\t1\t2", "VERSION\t1\t1", "CPID\t1"]
    {
        assert!(Talk::new(None).try_say(line).is_err(), "{line:?}");
    }
}

#[test]
fn a_flush_forgets_whom_it_names_and_tells_how_much_that_was() {
    let mut talk = Talk::new(None);
    assert_eq!(talk.say("CACHE-FLUSH\t7\ta@b.example\tc\x01td*\r"), "");
    let MasterQuestion::Forget(asked) = &talk.asked[0] else { panic!("{:?}", talk.asked[0]) };
    assert_eq!(asked.question.0[..], [UserMask::new(b"a@b.example"), UserMask::new(b"c\td*")]);
    let answer = MasterAnswer::Forget(asked.answer(3));
    assert_eq!(talk.answer(answer), "OK\t7\t3\n");
    assert_eq!(talk.say("CACHE-FLUSH\t8"), "");
    let MasterQuestion::Forget(asked) = &talk.asked[1] else { panic!("{:?}", talk.asked[1]) };
    assert!(asked.question.0.is_empty(), "all of them");
}
