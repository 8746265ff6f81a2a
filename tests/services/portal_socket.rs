//! The web portal's socket, asked as the portal asks: whom it lets sign in, for how long, and what they may make.

mod admin;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::control::make_person;
use super::mailcow::world::End::{Accept, CannotTell, Refuse};
use super::mailcow::world::{Attempt, RIGHT, attempt_at};
use super::stage::keydove::{Keydove, remembering};
use super::stage::names::REALM;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{Case, ensure, eventually};

pub use admin::{CASES as ADMIN_CASES, ROWS as ADMIN_ROWS};

const SETTINGS: &str = "[provisioning]\nenabled = true\ndefault_template = \"Default\"\n";
const ATTRIBUTES: &str =
    r#"{"quota":"1048576","active":"1","imap_access":"1","smtp_access":"1","pop3_access":"0"}"#;
/// A user that is neither root nor keydove's own.
const STRANGER: u32 = 65_534;

pub const CASES: &[Case] = &[
    ("a_sign_in_makes_the_mailbox_and_its_app_password_logs_in_until_it_is_revoked", |system| {
        let stand = Stand::start(system, "portal", Memory::Usual)?;
        let user = "fresh@example.org";
        stand.make_template_and_person(user)?;
        let session = stand.sign_in(user, json!({}))?;
        ensure(session["answer"] == "session" && session["user"] == user, || session.to_string())?;
        let log = stand.keydove.log();
        ensure(log.contains("made a mailbox at the first login"), || log.clone())?;
        ensure(log.contains("service=portal") && log.contains("source=token"), || log.clone())?;

        let device = stand.ask("device", json!({}))?;
        ensure(device["services"] == json!(["imap", "smtp", "sieve", "dav", "eas"]), || device.to_string())?;
        // The template has switched POP3 off, and nobody gets round that.
        let refused = stand.make("phone", &["imap", "pop3"])?;
        ensure(refused["why"] == "not_allowed" && refused["field"] == "services", || refused.to_string())?;
        let made = stand.make("phone", &["imap"])?;
        let password = made["password"].as_str().unwrap_or_default().to_owned();
        ensure(made["answer"] == "made" && !password.is_empty(), || made.to_string())?;
        ensure(!stand.keydove.log().contains(&password), || "the password is in the log".to_owned())?;
        attempt_at(&stand.keydove, Attempt::new(user, &password), Accept("app_password"))?;
        let listed = || stand.ask("app_passwords", json!({}));
        // The history is written behind the login.
        eventually(|| {
            let listed = listed()?;
            ensure(listed["passwords"][0]["last"]["service"] == "imap", || listed.to_string())
        })?;
        let row = listed()?["passwords"][0].clone();
        ensure(row["name"] == "phone" && row["last"]["remote"] == "192.0.2.9", || row.to_string())?;
        ensure(row["created_from"] == "203.0.113.5", || row.to_string())?;
        let sign_ins = stand.ask("sign_ins", json!({}))?;
        let accepted = sign_ins["accepted"].as_array().into_iter().flatten();
        let names: Vec<_> = accepted.map(|login| (&login["service"], &login["app_password_name"])).collect();
        ensure(names.contains(&(&json!("imap"), &json!("phone"))), || sign_ins.to_string())?;
        ensure(names.contains(&(&json!("portal"), &Value::Null)), || sign_ins.to_string())?;

        let id = made["id"].clone();
        let revoked = stand.ask("revoke_app_password", json!({ "id": id, "remote": null }))?;
        ensure(revoked["passwords"] == 1, || revoked.to_string())?;
        attempt_at(&stand.keydove, Attempt::new(user, &password), Refuse("password_missing"))?;
        let again = stand.ask("revoke_app_password", json!({ "id": 999_999, "remote": null }))?;
        ensure(again["answer"] == "not_found", || again.to_string())
    }),
    ("a_session_ends_when_its_person_is_disabled_signs_out_or_is_signed_out_by_keycloak", |system| {
        let stand = Stand::start(system, "ending", Memory::Short)?;
        let user = "leaving@example.org";
        make_person(system, user)?;
        let ends = |answer: &Value, why: &str| {
            ensure(answer["answer"] == "no_session" && answer["why"] == why, || answer.to_string())
        };
        ends(&stand.ask("session", json!({}))?, "unknown")?;
        stand.sign_in(user, json!({}))?;
        let alive = stand.ask("session", json!({}))?;
        ensure(alive["answer"] == "session", || alive.to_string())?;
        stand.ask("end_session", json!({}))?;
        ends(&stand.ask("session", json!({}))?, "unknown")?;

        stand.sign_in(user, json!({}))?;
        let told =
            json!({ "request": "back_channel", "issuer": stand.issuer, "subject": null, "sid": "s-1" });
        let ended = stand.say(&told)?;
        ensure(ended["sessions"] == 1, || ended.to_string())?;
        ends(&stand.ask("session", json!({}))?, "unknown")?;

        stand.sign_in(user, json!({}))?;
        system.keycloak.admin().update(user, |user| user["enabled"] = false.into())?;
        eventually(|| {
            let answer = stand.ask("session", json!({}))?;
            ensure(answer["answer"] == "no_session", || answer.to_string())
        })?;
        ends(&stand.ask("session", json!({}))?, "unknown")?;
        let refused = stand.sign_in(user, json!({}))?;
        ensure(refused["code"] == "user_disabled", || refused.to_string())
    }),
    ("a_secret_is_made_only_for_somebody_who_has_just_proven_who_they_are", |system| {
        let stand = Stand::start(system, "stale", Memory::Usual)?;
        let user = "stale@example.org";
        make_person(system, user)?;
        stand.sign_in(user, json!({ "auth_time": now() - 3600 }))?;
        let stale = stand.make("phone", &["imap"])?;
        ensure(stale["answer"] == "stale", || stale.to_string())?;
        let listed = stand.ask("app_passwords", json!({}))?;
        ensure(listed["passwords"] == json!([]), || listed.to_string())
    }),
    ("whoever_keycloak_has_not_named_is_refused_with_the_reason_of_a_login", |system| {
        let stand = Stand::start(system, "reasons", Memory::Usual)?;
        let user = "somebody@example.org";
        make_person(system, user)?;
        let other = "somebody-else@example.org";
        make_person(system, other)?;
        let id = system.keycloak.admin().id(other)?;
        for (change, code) in [
            (json!({ "subject": id }), "token_subject_mismatch"),
            (json!({ "issuer": "https://evil.example/realms/mail" }), "token_issuer"),
            (json!({ "email": "somebody@elsewhere.example" }), "domain_unknown"),
            (json!({ "email": "not an address" }), "name_invalid"),
        ] {
            let refused = stand.sign_in(user, change.clone())?;
            ensure(refused["code"] == code, || format!("{change}: {refused}"))?;
        }
        system.execute(&format!("UPDATE mailbox SET authsource = 'mailcow' WHERE username = '{other}'"))?;
        let refused = stand.sign_in(other, json!({}))?;
        ensure(refused["code"] == "source_unsupported", || refused.to_string())?;
        // An administrator is told the same.
        for (name, reason) in [(other, "source_unsupported"), (user, "token")] {
            let explained = stand.explain(name)?;
            ensure(explained["explanation"]["reason"] == reason, || explained.to_string())?;
        }
        let unknown = stand.ask("session", json!({}))?;
        ensure(unknown["answer"] == "no_session", || unknown.to_string())?;
        // None of that is a guess.
        let log = stand.keydove.log();
        ensure(!log.contains("guessing"), || log.clone())
    }),
    ("guesses_by_mail_keep_nobody_out_of_the_portal", |system| {
        let throttle = "[throttle]\nfirst_wait = \"15m\"\n";
        let stand = Stand::start_with(system, "guessed", |text| {
            remembering(&text).replace("[throttle]\nenabled = false\n", throttle)
        })?;
        let user = "guessed@example.org";
        make_person(system, user)?;
        let from = |password: &str, end| {
            let attempt = Attempt { remote: Some("203.0.113.5"), ..Attempt::new(user, password) };
            attempt_at(&stand.keydove, attempt, end).map(drop)
        };
        for guess in 0..GUESSES {
            from(&format!("guess {guess}"), Refuse("password_mismatch"))?;
        }
        from(RIGHT, CannotTell("throttled"))?;
        let session = stand.sign_in(user, json!({}))?;
        ensure(session["answer"] == "session", || session.to_string())
    }),
    ("a_mail_client_cannot_name_the_portals_service", |system| {
        let stand = Stand::start(system, "client", Memory::Usual)?;
        let attempt = Attempt { service: "portal", ..Attempt::new("alice@example.org", "pw") };
        attempt_at(&stand.keydove, attempt, Refuse("service_unknown")).map(drop)
    }),
    ("a_stranger_at_the_portals_socket_is_turned_away_and_another_version_told_so", |system| {
        let stand = Stand::start(system, "strange", Memory::Usual)?;
        let program = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\nsys.stdout.write(s.makefile().read())";
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={STRANGER}")).arg(format!("--regid={STRANGER}")).arg("--clear-groups");
        command.arg("/usr/bin/python3").arg("-c").arg(program).arg(&stand.socket);
        let output = command.output().map_err(|error| Failure(format!("run setpriv: {error}")))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure(said.contains("only the owner of this socket"), || format!("{output:?}"))?;

        let mut connection = Connection::open(&stand.socket)?;
        let told = connection.say(&json!({ "request": "hello", "version": "0.0.1" }))?;
        ensure(told["answer"] == "error" && told["detail"].to_string().contains("restart both"), || {
            told.to_string()
        })?;
        let told = connection.say(&json!({ "request": "session", "session": KEY }))?;
        ensure(told["answer"] == "error", || told.to_string())
    }),
];

/// So many wrong passwords from one address are free.
const GUESSES: usize = 10;
/// What stands for a cookie.
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// For how long keydove remembers people and mailboxes.
#[derive(Clone, Copy)]
enum Memory {
    /// As where nobody says otherwise.
    Usual,
    /// As short as the stage's configuration has it.
    Short,
}

/// A keydove with the portal's socket.
struct Stand<'a> {
    system: &'a System,
    keydove: Keydove,
    socket: PathBuf,
    issuer: String,
}

impl<'a> Stand<'a> {
    fn start(system: &'a System, name: &'static str, memory: Memory) -> Result<Self> {
        Self::start_with(system, name, |text| match memory {
            Memory::Usual => remembering(&text),
            Memory::Short => text,
        })
    }

    fn start_with(
        system: &'a System,
        name: &'static str,
        edit: impl FnOnce(String) -> String,
    ) -> Result<Self> {
        let socket = system.stage().path(&format!("keydove/{name}.portal"));
        let control = system.stage().path(&format!("keydove/{name}.control"));
        let listener = format!(
            "[[listener]]\ndoor = \"control\"\npath = \"{}\"\n\n[[listener]]\ndoor = \"portal\"\npath = \"{}\"\nmode = \
             \"0666\"\n",
            control.display(),
            socket.display()
        );
        let keydove = system.keydove.beside(name, |text| format!("{listener}{}\n{SETTINGS}", edit(text)))?;
        let issuer = format!("{}/realms/{}", system.keycloak.url(), system.keycloak.names().realm(REALM));
        Ok(Self { system, keydove, socket, issuer })
    }

    /// Somebody in Keycloak who has no mailbox.
    fn make_template_and_person(&self, user: &str) -> Result<()> {
        self.system.execute(&format!(
            "DELETE FROM templates WHERE template = 'Default';
             INSERT INTO templates (template, type, attributes) VALUES ('Default', 'mailbox', '{ATTRIBUTES}');
             UPDATE domain SET mailboxes = 1000, maxquota = 10240, quota = 102400 WHERE domain = 'example.org'"
        ))?;
        let person = json!({ "email": user, "username": user, "enabled": true });
        self.system.keycloak.admin().import(&[person])
    }

    /// As the portal does when Keycloak has sent somebody back, but for what is changed.
    fn sign_in(&self, user: &str, change: Value) -> Result<Value> {
        let subject = self.system.keycloak.admin().id(user)?;
        let mut request = json!({
            "request": "sign_in", "issuer": self.issuer, "subject": subject, "email": user, "email_verified": null,
            "session": KEY, "replaces": KEY, "sid": "s-1", "auth_time": now(), "acr": null, "administrator": false,
            "remote": "203.0.113.5", "browser": "Firefox, Linux",
        });
        for (key, value) in change.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        self.say(&request)
    }

    /// What an administrator is told of a sign-in.
    fn explain(&self, user: &str) -> Result<Value> {
        let mut command = self.keydove.command("explain");
        command.args([user, "--service", "portal", "--json"]);
        let output = command.output().map_err(|error| Failure(format!("run keydove explain: {error}")))?;
        serde_json::from_slice(&output.stdout).map_err(|error| Failure(format!("{error}: {output:?}")))
    }

    fn make(&self, name: &str, services: &[&str]) -> Result<Value> {
        let new = json!({ "name": name, "services": services, "days": null, "networks": [] });
        self.ask("make_app_password", json!({ "new": new, "remote": "203.0.113.5" }))
    }

    /// Asks with the session.
    fn ask(&self, request: &str, mut fields: Value) -> Result<Value> {
        fields["request"] = request.into();
        fields["session"] = KEY.into();
        self.say(&fields)
    }

    fn say(&self, request: &Value) -> Result<Value> {
        let mut connection = Connection::open(&self.socket)?;
        let hello = connection.say(&json!({ "request": "hello", "version": keydove::portal::VERSION }))?;
        ensure(hello["answer"] == "hello", || hello.to_string())?;
        connection.say(request)
    }
}

/// Lines of JSON, there and back.
struct Connection(BufReader<UnixStream>);

impl Connection {
    fn open(socket: &PathBuf) -> Result<Self> {
        let stream = UnixStream::connect(socket);
        stream
            .map(|stream| Self(BufReader::new(stream)))
            .map_err(|error| Failure(format!("connect: {error}")))
    }

    fn say(&mut self, request: &Value) -> Result<Value> {
        let failed = |error| Failure(format!("talk to the portal's socket: {error}"));
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).map_err(failed)?;
        let mut line = String::new();
        self.0.read_line(&mut line).map_err(failed)?;
        serde_json::from_str(&line).map_err(|error| Failure(format!("{error}: {line}")))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
