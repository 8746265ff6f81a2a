//! What the cases stand on: a keydove with everything allowed that they need, a relay that counts what it asks Keycloak,
//! and people and rows of their own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::auth_socket::AuthSocket;
use crate::stage::keycloak_admin::KeycloakAdmin;
use crate::stage::keydove::Keydove;
use crate::stage::relay::{Conduct, Relay};
use crate::stage::system::{Database, System};
use crate::stage::{Failure, Result, source_tree};
use crate::{ensure, transport};

/// The password of nearly everybody here.
pub const RIGHT: &str = "right";
/// Its hash by bcrypt, as cheap as can be: what it costs matters nowhere here.
pub const RIGHT_HASH: &str = "{BLF-CRYPT}$2y$04$nai69UnPcKTgXbRUx7T6gu32Z55V0r1FNbOnfmZgRJzhshaOohINe";
/// Somebody else's password.
pub const OTHER: &str = "other";
/// Its hash.
pub const OTHER_HASH: &str = "{BLF-CRYPT}$2y$04$pBs63qmpIz4qv64GpjwGouyLbZvmnzGXun5oZX2CYmQbHSisU0Ouu";
/// mailcow's seeded template, `Default`, here by another name.
pub const TEMPLATE: &str = r#"{"tags":[],"quota":0,"quarantine_notification":"hourly","quarantine_category":"reject","rl_frame":"s","rl_value":"","force_pw_update":0,"force_tfa":0,"sogo_access":1,"active":1,"tls_enforce_in":0,"tls_enforce_out":0,"imap_access":1,"pop3_access":1,"smtp_access":1,"sieve_access":1,"eas_access":1,"dav_access":1,"acl_spam_alias":1,"acl_tls_policy":1,"acl_spam_score":1,"acl_spam_policy":1,"acl_delimiter_action":1,"acl_syncjobs":0,"acl_eas_reset":1,"acl_sogo_profile_reset":0,"acl_pushover":1,"acl_quarantine":1,"acl_quarantine_attachments":1,"acl_quarantine_notification":1,"acl_quarantine_category":1,"acl_app_passwds":1}"#;
/// The settings of the bench's keydove. Values of the template attribute lead to templates of the same name.
pub const SETTINGS: &str = r#"
[provisioning]
enabled = true
default_template = "Cases"
retry_after = "1s"

[provisioning.mappings]
gold = "gold"
limited = "limited"
odd-quota = "odd-quota"
receives = "receives"
off = "off"
tags = "tags"
gone = "gone"

[bookkeeping]
template_interval = "0"

[hashing.schemes]
allow_weak = ["PLAIN", "PLAIN-MD5", "PLAIN-TRUNC", "MD5-CRYPT", "DES-CRYPT"]
"#;

/// What all cases of one system share.
pub struct Bench {
    /// Provisions, refuses without delay, and asks Keycloak through [`Self::relay`].
    pub keydove: Keydove,
    /// Knows what was asked.
    pub relay: Relay,
    /// Makes and changes people.
    pub admin: KeycloakAdmin,
}

/// A system with its bench.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The servers.
    pub system: &'a System,
    /// What the cases share.
    pub bench: &'a Bench,
}

/// How a login ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// With the source that the log names.
    Accept(&'a str),
    /// With a reason code.
    Refuse(&'a str),
    /// With a reason code.
    CannotTell(&'a str),
}

/// A login as a mail server passes it on.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    pub user: &'a str,
    pub password: &'a [u8],
    pub service: &'a str,
    /// The client's address, if the mail server names it.
    pub remote: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    /// Over IMAP.
    pub fn new(user: &'a str, password: &'a str) -> Self {
        Self { user, password: password.as_bytes(), service: "imap", remote: Some("192.0.2.9") }
    }
}

impl Bench {
    /// Makes domain and templates and starts the keydove.
    pub fn prepare(system: &System) -> Result<Self> {
        let template = |name: &str, attributes: &str| {
            format!(
                "INSERT INTO templates (template, type, attributes) VALUES ('{name}', 'mailbox', {});",
                quote(attributes)
            )
        };
        let tags: Vec<_> = (1..=30).map(|number| format!("\"tag {number:02}\"")).collect();
        system.execute(
            &[
                domain("case.example", ""),
                // Without any alias domain.
                domain("rows.example", ""),
                template("Cases", TEMPLATE),
                template("gold", super::rows::GOLD),
                template("limited", &TEMPLATE.replace("\"quota\":0", "\"quota\":1073741824")),
                template("odd-quota", &TEMPLATE.replace("\"quota\":0", "\"quota\":1049600")),
                template("receives", &TEMPLATE.replace("\"active\":1", "\"active\":2")),
                template("off", &TEMPLATE.replace("\"active\":1", "\"active\":0")),
                template("tags", &TEMPLATE.replace("[]", &format!("[{}]", tags.join(",")))),
            ]
            .concat(),
        )?;
        if system.database() == Database::MariaDb {
            let view = source_tree().join("src/backend/sql/migrations/mariadb/sogo_view.sql");
            let view = std::fs::read_to_string(&view).map_err(|error| Failure(error.to_string()))?;
            system.execute(&view)?;
        }
        let relay = system.keycloak.relay(Conduct::Pass)?;
        let url = system.keycloak.url();
        let keydove =
            system.keydove.beside("cases", |text| prompt(&text.replace(&url, &relay.url())) + SETTINGS)?;
        Ok(Self { keydove, relay, admin: system.keycloak.admin() })
    }
}

impl World<'_> {
    /// A person with an address and the right password, changed by `change` before Keycloak hears of them.
    pub fn person(&self, email: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut user = person(email);
        change(&mut user);
        self.bench.admin.import(&[user])
    }

    /// A person with this hash, and a mailbox.
    pub fn person_with_hash(&self, email: &str, hash: &str) -> Result<()> {
        self.person(email, |user| user["attributes"]["mailcow_password"] = json!([hash]))?;
        self.mailbox(email, "")
    }

    /// A person with the right password about whom nobody can tell: their row has a value that no row can have.
    pub fn undecidable_person(&self, email: &str) -> Result<()> {
        self.person(email, |_| ())?;
        self.mailbox(email, "quota = -1")
    }

    /// An active mailbox of the Keycloak kind, with these columns changed: `active = 0, name = 'x'`.
    pub fn mailbox(&self, address: &str, changes: &str) -> Result<()> {
        let (local_part, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let changes = match changes {
            "" => String::new(),
            changes => format!("UPDATE mailbox SET {changes} WHERE username = {};", quote(address)),
        };
        self.system.execute(&format!(
            "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, authsource)
             VALUES ({}, '', '', 0, {}, '{domain}', '{{}}', 'keycloak');{changes}",
            quote(address),
            quote(local_part)
        ))
    }

    /// Logs in over IMAP and sees how it ends, on the wire and in the log.
    pub fn ends(&self, user: &str, password: &str, end: End<'_>) -> Result<()> {
        self.attempt(Attempt::new(user, password), end)
    }

    /// The same with all that a mail server says.
    pub fn attempt(&self, attempt: Attempt<'_>, end: End<'_>) -> Result<()> {
        attempt_at(&self.bench.keydove, attempt, end).map(drop)
    }

    /// How many questions with this text have gone to Keycloak.
    pub fn asked(&self, text: &str) -> usize {
        self.bench.relay.requests(text).len()
    }

    /// The login ends so, and Keycloak hears nothing of it.
    pub fn ends_unasked(&self, user: &str, password: &str, end: End<'_>) -> Result<()> {
        let about = match user.split('@').next().unwrap_or(user) {
            "" => "exact=true",
            local_part => local_part,
        };
        let before = self.asked(about);
        self.ends(user, password, end)?;
        ensure(self.asked(about) == before, || format!("Keycloak was asked about {user}"))
    }

    /// How many rows fulfil this.
    pub fn count(&self, table: &str, condition: &str) -> Result<usize> {
        let rows = self.system.query(&format!("SELECT COUNT(*) FROM {table} WHERE {condition}"))?;
        let count = rows.first().and_then(|row| row.first()?.parse().ok());
        count.ok_or_else(|| Failure(format!("no number of rows of {table}")))
    }

    /// The rows are exactly these.
    pub fn rows(&self, statement: &str, expected: &[&[&str]]) -> Result<()> {
        let found = self.system.query(statement)?;
        ensure(found == expected, || format!("{statement}:\n  found    {found:?}\n  expected {expected:?}"))
    }
}

/// A person with the right password, as Keycloak writes people.
pub fn person(email: &str) -> Value {
    json!({
        "username": email, "email": email, "enabled": true, "emailVerified": true,
        "firstName": "Case", "lastName": "Person",
        "attributes": { "mailcow_password": [RIGHT_HASH] },
    })
}

/// A statement that makes a domain with room for many, and with these columns changed.
pub fn domain(name: &str, changes: &str) -> String {
    let changes = match changes {
        "" => String::new(),
        changes => format!("UPDATE domain SET {changes} WHERE domain = '{name}';"),
    };
    format!(
        "INSERT INTO domain (domain, mailboxes, quota, active) VALUES ('{name}', 10000, 100000000, 1);{changes}"
    )
}

/// The configuration without the delay of refusals.
pub fn prompt(text: &str) -> String {
    let line = text.lines().find(|line| line.starts_with("failure_delay"));
    line.map_or_else(|| text.to_owned(), |line| text.replace(line, "failure_delay = \"0\""))
}

/// A text as a literal of SQL that both databases read alike.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What only somebody's own mailbox can bring about is told as every refusal, so that nobody learns who exists.
const TOLD_AS_REFUSALS: [&str; 4] =
    ["hash_unusable", "hash_too_costly", "refetch_paused", "app_passwords_untried"];

/// Logs in at a keydove. The answer on the wire and the one line of the log must tell of this end.
pub fn attempt_at(keydove: &Keydove, attempt: Attempt<'_>, end: End<'_>) -> Result<LogLine> {
    let mut socket = connect(keydove)?;
    let session = send(&mut socket, attempt)?;
    let answer = transport(socket.line())?;
    let line = log_line(keydove, &session)?;
    check(attempt, end, &answer, &line)?;
    Ok(line)
}

/// A new connection as one mail server more.
pub fn connect(keydove: &Keydove) -> Result<AuthSocket> {
    static CPID: AtomicU32 = AtomicU32::new(100_000);
    transport(AuthSocket::client(keydove.client_socket()?, CPID.fetch_add(1, Ordering::Relaxed)))
}

/// Sends a login as number 1. Returns the session by which its line is found in the log.
pub fn send(socket: &mut AuthSocket, attempt: Attempt<'_>) -> Result<String> {
    static SESSION: AtomicU32 = AtomicU32::new(1);
    let session = format!("case{:06}", SESSION.fetch_add(1, Ordering::Relaxed));
    let remote = attempt.remote.map(|remote| format!("\trip={remote}")).unwrap_or_default();
    let parameters = format!("service={}\tsession={session}{remote}", attempt.service);
    let mut response = format!("\0{}\0", attempt.user).into_bytes();
    response.extend_from_slice(attempt.password);
    transport(socket.login_with(1, &parameters, &response))?;
    Ok(session)
}

/// Compares answer and line with what they must be.
pub fn check(attempt: Attempt<'_>, end: End<'_>, answer: &str, line: &LogLine) -> Result<()> {
    let temporary = answer.split('\t').any(|field| field == "code=temp_fail");
    let (on_the_wire, words) = match end {
        End::Accept(source) => {
            (answer.starts_with("OK\t1\tuser="), format!("verdict=accept reason=ok source={source}"))
        }
        End::Refuse(reason) => {
            (answer.starts_with("FAIL\t1") && !temporary, format!("verdict=refuse reason={reason}"))
        }
        End::CannotTell(reason) => (
            answer.starts_with("FAIL\t1") && temporary != TOLD_AS_REFUSALS.contains(&reason),
            format!("verdict=cannot_tell reason={reason}"),
        ),
    };
    let in_the_log = words.split(' ').all(|word| line.0.split(' ').any(|found| found == word));
    ensure(on_the_wire && in_the_log, || {
        format!("{} must end with {end:?}\n  answer {answer}\n  log    {}", attempt.user, line.0)
    })
}

/// The one line that a log has about a login.
pub struct LogLine(pub String);

impl LogLine {
    /// How long the login took, in milliseconds.
    pub fn milliseconds(&self) -> Option<f64> {
        self.0.split(' ').find_map(|word| word.strip_prefix("ms=")?.parse().ok())
    }
}

/// By then a second line about a login would be there.
const SECOND_LINE: Duration = Duration::from_millis(30);

/// Waits for the line of a session; there must be one only.
pub fn log_line(keydove: &Keydove, session: &str) -> Result<LogLine> {
    let start = Instant::now();
    let word = format!("session={session}");
    // Not `log`: it waits until keydove has nothing to do, and other logins may be under way.
    let lines = || {
        let log = keydove.log_so_far();
        let is_of_session = |line: &&str| line.split(' ').any(|found| found == word);
        log.lines().filter(is_of_session).map(str::to_owned).collect::<Vec<_>>()
    };
    while lines().is_empty() && start.elapsed() < crate::PATIENCE {
        sleep(Duration::from_millis(2));
    }
    sleep(SECOND_LINE);
    match <[String; 1]>::try_from(lines()) {
        Ok([line]) => Ok(LogLine(line)),
        Err(lines) => Err(Failure(format!("{} lines tell of {session}: {lines:?}", lines.len()))),
    }
}
