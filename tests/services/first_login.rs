//! Mailboxes made at the first login, at a second keydove that is allowed to make them.

use super::LoneCase;
use super::auth_socket::AuthSocket;
use super::stage::Result;
use super::stage::keydove::Keydove;
use super::stage::system::System;
use super::{ensure, expect, transport};

const SETTINGS: &str = "[provisioning]\nenabled = true\ndefault_template = \"Default\"\n";
const AT_ONCE: u32 = 50;
const ATTRIBUTES: &str =
    r#"{"quota":"1048576","active":"1","imap_access":"1","smtp_access":"1","quarantine_category":"reject"}"#;

pub const CASES: &[LoneCase] = &[
    ("fifty_first_logins_at_once_make_one_mailbox", |system| {
        let keydove = prepare(system, "first", "notemplate@example.org")?;
        let mut sockets = Vec::new();
        for cpid in 1..=AT_ONCE {
            let mut socket = transport(AuthSocket::client(keydove.socket("first.sock")?, cpid))?;
            transport(socket.login(1, "notemplate@example.org", "pw"))?;
            sockets.push(socket);
        }
        for mut socket in sockets {
            let mut answer = socket.line();
            // On a busy machine the last of fifty wait longer than a login may, and mail programs come again.
            while answer.as_ref().is_ok_and(|line| line.contains("\tcode=temp_fail")) {
                transport(socket.login(1, "notemplate@example.org", "pw"))?;
                answer = socket.line();
            }
            expect("a first login", answer, "OK\t1\tuser=notemplate@example.org")?;
        }
        let made = keydove.log().matches("made a mailbox at the first login").count();
        ensure(made == 1, || format!("{made} mailboxes were made"))?;
        // The other keydove makes none, so it finds this one.
        expect("a login elsewhere", login(&system.keydove, "auth-client", "pw"), "OK\t1\tuser=notemplate@")
    }),
    ("a_wrong_password_makes_no_mailbox", |system| {
        let keydove = prepare(system, "wrong", "notemplate@example.org")?;
        expect(
            "a wrong password",
            login(&keydove, "wrong.sock", "guess"),
            "FAIL\t1\tuser=notemplate@example.org",
        )?;
        ensure(keydove.log().contains("reason=password_mismatch"), || keydove.log())?;
        expect(
            "still none",
            login(&system.keydove, "auth-client", "pw"),
            "FAIL\t1\tuser=notemplate@example.org",
        )?;
        expect("the right one", login(&keydove, "wrong.sock", "pw"), "OK\t1\tuser=notemplate@example.org")
    }),
    ("a_full_domain_is_no_refusal", |system| {
        let keydove = prepare(system, "full", "notemplate@example.org")?;
        system.execute("UPDATE domain SET mailboxes = 1 WHERE domain = 'example.org'")?;
        let answer = login(&keydove, "full.sock", "pw");
        let again = login(&keydove, "full.sock", "pw");
        system.execute("UPDATE domain SET mailboxes = 1000 WHERE domain = 'example.org'")?;
        let temporary = "FAIL\t1\tuser=notemplate@example.org\tcode=temp_fail";
        expect("a full domain", answer, temporary)?;
        expect("a full domain, again", again, temporary)?;
        ensure(keydove.log().contains("reason=provision_max_mailbox_exceeded"), || keydove.log())?;
        drop(keydove);
        let keydove = prepare(system, "room", "notemplate@example.org")?;
        expect("with room again", login(&keydove, "room.sock", "pw"), "OK\t1\tuser=notemplate@example.org")
    }),
];

/// Takes somebody's mailbox away and starts a keydove that may make a new one.
fn prepare(system: &System, name: &'static str, user: &str) -> Result<Keydove> {
    system.execute(&format!(
        "DELETE FROM templates WHERE template = 'Default';
         INSERT INTO templates (template, type, attributes) VALUES ('Default', 'mailbox', '{ATTRIBUTES}');
         UPDATE domain SET mailboxes = 1000, maxquota = 10240, quota = 102400 WHERE domain = 'example.org';
         DELETE FROM user_acl WHERE username = '{user}';
         DELETE FROM tags_mailbox WHERE username = '{user}';
         DELETE FROM alias WHERE address = '{user}';
         DELETE FROM mailbox WHERE username = '{user}';"
    ))?;
    system.keydove.beside(name, |text| format!("{text}\n{SETTINGS}"))
}

fn login(keydove: &Keydove, socket: &str, password: &str) -> std::io::Result<String> {
    let path = keydove.socket(socket).map_err(|failure| std::io::Error::other(failure.0))?;
    let mut socket = AuthSocket::client(path, 7000)?;
    socket.login(1, "notemplate@example.org", password)?;
    socket.line()
}
