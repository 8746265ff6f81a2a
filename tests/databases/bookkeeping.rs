//! What is written down after logins, into a real database and a real Redis: rows, fields, lines, and what happens
//! while one of them is locked, closed or away.
#![expect(
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and starts its own tasks"
)]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keydove::auth::{Guess, Secret};
use keydove::backend::redis::{Passwords, Redis};
use keydove::backend::sql::Database;
use keydove::jobs::bookkeeping;
use keydove::jobs::bookkeeping::{AcceptedLogin, Bookkeeper, Config, Note, RefusedLogin};
use keydove::provision::{Identity, Provisioned, Provisioner, RateLimit, RedisSettings, TaggedMail};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::provisioning::{Other, count, one_row, person, user};
use super::stage::redis::{PASSWORD, Redis as Server};

/// Far longer than anything here takes; only a fault uses it up.
const PATIENCE: Duration = Duration::from_secs(30);
const ALICE: &str = "alice@books.example";
const CHANNEL: &str = "F2B_CHANNEL";

/// What the two databases have different words for.
pub struct Words {
    /// Makes each insertion into `sasl_log` a row of `seen_writes`.
    pub count_writes: &'static str,
    pub lock: &'static str,
    pub unlock: &'static str,
}

/// A bookkeeper with its worker.
struct Books {
    bookkeeper: Bookkeeper,
    stop: CancellationToken,
    worker: JoinHandle<()>,
}

impl Books {
    fn open(database: &Arc<Database>, provisioner: &Arc<Provisioner>, redis: &Server) -> Self {
        let text =
            format!("socket = '{}'\nban_channel = '{CHANNEL}'\ntimeout = '500ms'", redis.socket().display());
        let passwords = Passwords { server: Some(Secret::from(PASSWORD)), sentinels: None };
        let redis = Redis::new(&toml::from_str(&text).unwrap(), passwords).unwrap();
        let (bookkeeper, worker) =
            bookkeeping::new(&Config::default(), Arc::clone(database), Arc::clone(provisioner), Some(redis));
        let stop = CancellationToken::new();
        let worker = tokio::spawn(worker.run(stop.clone()));
        Self { bookkeeper, stop, worker }
    }

    fn note(&self, note: Note) {
        self.bookkeeper.note(note);
    }

    /// Ends the worker, which works off what it has.
    async fn close(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.worker).await.unwrap().unwrap();
    }
}

/// Runs everything that both databases can do. The tables must be empty, and may be written.
pub async fn bookkeeping_battery(
    database: &Arc<Database>,
    other: &impl Other,
    redis: &mut Server,
    words: &Words,
) {
    other.run("CREATE TABLE seen_writes (service VARCHAR(32))").await;
    other.run(words.count_writes).await;
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('books.example', 5)").await;
    one_row_shows_the_latest_password(database, other, redis).await;
    ten_thousand_logins_are_one_write_per_service(database, other, redis).await;
    what_waits_is_written_when_keydove_stops(database, other, redis).await;
    a_locked_table_delays_rows_and_nothing_else(database, other, redis, words).await;
    settings_are_what_mailcow_expects(database, redis).await;
    a_template_that_changed_is_applied_and_told(database, other, redis).await;
    a_refusal_is_published_once(database, redis).await;
    a_restart_of_redis_loses_no_later_line(database, redis).await;
    without_redis_nothing_else_stops(database, other, redis).await;
}

/// Edge cases 66 and 68.
async fn one_row_shows_the_latest_password(database: &Arc<Database>, other: &impl Other, redis: &Server) {
    let books = Books::open(database, &provisioner(), redis);
    books.note(accepted(ALICE, "imap", Some(7)));
    rows_become(other, "app_password = 7", 1).await;
    let columns = "service, username, real_rip";
    assert_eq!(one_row(other, "sasl_log", columns, "username", ALICE).await, ["imap", ALICE, "192.0.2.7"]);
    other.run("UPDATE sasl_log SET datetime = '2001-01-01 00:00:00'").await;
    books.note(accepted(ALICE, "IMAP", None));
    rows_become(other, "app_password = 0", 1).await;
    assert_eq!(count(other, "sasl_log", "1 = 1").await, 1, "it took the place of the first");
    assert_eq!(one_row(other, "sasl_log", "service", "username", ALICE).await, ["IMAP"]);
    assert_eq!(count(other, "sasl_log", "datetime > '2020-01-01 00:00:00'").await, 1);
    let long = "x".repeat(40);
    books.note(accepted(ALICE, &long, None));
    rows_become(other, &format!("service = '{}'", &long[..32]), 1).await;
    let nowhere = AcceptedLogin { remote: None, ..login(ALICE, "pop3", None) };
    books.note(Note::Accepted(nowhere));
    books.close().await;
    assert_eq!(count(other, "sasl_log", "service = 'pop3'").await, 0);
}

/// Want 24.
async fn ten_thousand_logins_are_one_write_per_service(
    database: &Arc<Database>,
    other: &impl Other,
    redis: &Server,
) {
    other.run("DELETE FROM sasl_log; DELETE FROM seen_writes").await;
    let books = Books::open(database, &provisioner(), redis);
    for number in 0..10_000 {
        books.note(accepted(ALICE, "imap", None));
        books.note(accepted(ALICE, "smtp", None));
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    books.note(accepted("bob@books.example", "imap", None));
    rows_become(other, "username = 'bob@books.example'", 1).await;
    assert_eq!(books.bookkeeper.dropped(), 0);
    for service in ["imap", "smtp"] {
        assert_eq!(
            count(other, "sasl_log", &format!("service = '{service}' AND username = '{ALICE}'")).await,
            1
        );
    }
    assert_eq!(count(other, "seen_writes", "1 = 1").await, 3);
    // Not a write more while they run: they are due again after a minute.
    books.worker.abort();
}

async fn what_waits_is_written_when_keydove_stops(
    database: &Arc<Database>,
    other: &impl Other,
    redis: &Server,
) {
    other.run("DELETE FROM sasl_log; DELETE FROM seen_writes").await;
    let books = Books::open(database, &provisioner(), redis);
    books.note(accepted(ALICE, "imap", None));
    rows_become(other, "service = 'imap'", 1).await;
    books.note(accepted(ALICE, "imap", None));
    books.note(accepted(ALICE, "sieve", None));
    let settings = RedisSettings { rate_limit: RateLimit::Set("9 / 1m".to_owned()), tagged_mail: None };
    books.note(Note::Created { user: user("last@books.example"), settings });
    books.close().await;
    assert_eq!(count(other, "seen_writes", "service = 'imap'").await, 2);
    assert_eq!(count(other, "sasl_log", "service = 'sieve'").await, 1);
    assert_eq!(field(redis, "RL_VALUE", "last@books.example").as_deref(), Some("9 / 1m"));
}

/// The table is locked while logins go on.
async fn a_locked_table_delays_rows_and_nothing_else(
    database: &Arc<Database>,
    other: &impl Other,
    redis: &Server,
    words: &Words,
) {
    other.run("DELETE FROM sasl_log; DELETE FROM seen_writes").await;
    let books = Books::open(database, &provisioner(), redis);
    other.run(words.lock).await;
    for number in 0..3000 {
        books.note(accepted(&format!("user{number}@books.example"), "imap", None));
    }
    // As long as it takes to write the rows again and again, while the lock is held.
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        timeout(PATIENCE, database.find_mailbox(&user(ALICE)))
            .await
            .expect("a login waits for the lock")
            .unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    other.run(words.unlock).await;
    rows_become(other, "service = 'imap'", 3000).await;
    assert_eq!(books.bookkeeper.dropped(), 0);
    books.close().await;
}

/// Edge case 55, and the hashes of tagged mail.
async fn settings_are_what_mailcow_expects(database: &Arc<Database>, redis: &Server) {
    let books = Books::open(database, &provisioner(), redis);
    let tell = |rate_limit, tagged_mail| {
        let settings = RedisSettings { rate_limit, tagged_mail };
        books.note(Note::Created { user: user(ALICE), settings });
    };
    tell(RateLimit::Set("10 / 1h".to_owned()), Some(TaggedMail::Subfolder));
    field_becomes(redis, "RCPT_WANTS_SUBFOLDER_TAG", ALICE, Some("1")).await;
    field_becomes(redis, "RL_VALUE", ALICE, Some("10 / 1h")).await;
    tell(RateLimit::Leave, Some(TaggedMail::Subject));
    field_becomes(redis, "RCPT_WANTS_SUBJECT_TAG", ALICE, Some("1")).await;
    field_becomes(redis, "RCPT_WANTS_SUBFOLDER_TAG", ALICE, None).await;
    field_becomes(redis, "RL_VALUE", ALICE, Some("10 / 1h")).await;
    tell(RateLimit::Clear, Some(TaggedMail::Inbox));
    field_becomes(redis, "RL_VALUE", ALICE, None).await;
    field_becomes(redis, "RCPT_WANTS_SUBJECT_TAG", ALICE, None).await;
    books.close().await;
}

async fn a_template_that_changed_is_applied_and_told(
    database: &Arc<Database>,
    other: &impl Other,
    redis: &Server,
) {
    let set_template = async |attributes: &str| {
        other.run("DELETE FROM templates").await;
        let row = format!("('Gold', 'mailbox', '{attributes}')");
        other.run(&format!("INSERT INTO templates (template, type, attributes) VALUES {row}")).await;
    };
    set_template(r#"{"imap_access":1,"rl_frame":"h","rl_value":10}"#).await;
    let (provisioner, gina) = (provisioner(), person("gina@books.example", "gold"));
    let name = gina.user.as_str();
    let books = Books::open(database, &provisioner, redis);
    let made = provisioner.provision(database, &gina, Instant::now()).await;
    let Ok(Provisioned::Created(settings)) = made else { panic!("{made:?}") };
    books.note(Note::Created { user: gina.user.clone(), settings });
    field_becomes(redis, "RL_VALUE", name, Some("10 / 1h")).await;

    set_template(r#"{"imap_access":0,"rl_frame":"m","rl_value":3}"#).await;
    books.note(Note::SeenPerson(Box::new(gina.clone()), None));
    field_becomes(redis, "RL_VALUE", name, Some("3 / 1m")).await;
    let attributes = &one_row(other, "mailbox", "attributes", "username", name).await[0];
    assert!(attributes.replace(' ', "").contains(r#""imap_access":"0""#), "{attributes}");

    // Somebody whose mailbox was there before keydove came, and who has no template.
    let henry = Identity { template: None, ..person("henry@books.example", "") };
    assert!(database.person_of(&henry.user).await.unwrap().is_none());
    books.note(Note::SeenPerson(Box::new(henry.clone()), None));
    books.close().await;
    let known = database.person_of(&henry.user).await.unwrap().unwrap();
    assert_eq!((known.keycloak_id, known.source), (henry.keycloak_id, henry.source));
}

/// Edge case 69, want 11.
async fn a_refusal_is_published_once(database: &Arc<Database>, redis: &Server) {
    let mut subscriber = redis.connect().unwrap();
    let mut subscriber = subscribe(&mut subscriber);
    let books = Books::open(database, &provisioner(), redis);
    books.note(refused(b"alice@books.example", "198.51.100.7", Guess::Secret));
    books.note(refused(b"x,203.0.113.9,<s>): unknown user\n", "2001:db8::7", Guess::Name));
    books.note(Note::Refused(RefusedLogin { remote: None, ..refusal(b"alice", "192.0.2.1", Guess::Secret) }));
    books.note(accepted(ALICE, "imap", None));
    books.close().await;
    let expected = [
        "keydove(alice@books.example,198.51.100.7,<Xk3vA8>): \
         Password mismatch (SHA1 of given password: 000000)",
        "keydove(x?203.0.113.9??s????unknown?user?,2001:db8::7,<Xk3vA8>): \
         unknown user (SHA1 of given password: 000000)",
    ];
    assert_eq!(lines_so_far(redis, &mut subscriber), expected);
}

/// A line is never sent twice, so it must not go into a connection that the server has closed.
async fn a_restart_of_redis_loses_no_later_line(database: &Arc<Database>, redis: &mut Server) {
    let books = Books::open(database, &provisioner(), redis);
    let settings = RedisSettings { rate_limit: RateLimit::Set("1 / 1d".to_owned()), tagged_mail: None };
    books.note(Note::Created { user: user(ALICE), settings });
    field_becomes(redis, "RL_VALUE", ALICE, Some("1 / 1d")).await;
    redis.stop().unwrap();
    redis.start_again().unwrap();
    let mut subscriber = redis.connect().unwrap();
    let mut subscriber = subscribe(&mut subscriber);
    sleep(Duration::from_millis(50)).await;
    books.note(refused(b"alice@books.example", "198.51.100.7", Guess::Secret));
    books.close().await;
    assert_eq!(lines_so_far(redis, &mut subscriber).len(), 1);
}

async fn without_redis_nothing_else_stops(database: &Arc<Database>, other: &impl Other, redis: &mut Server) {
    other.run("DELETE FROM sasl_log").await;
    let books = Books::open(database, &provisioner(), redis);
    // It has a connection, which the server will close.
    books.note(refused(b"alice@books.example", "198.51.100.7", Guess::Secret));
    rows_become(other, "1 = 1", 0).await;
    redis.stop().unwrap();
    let settings = RedisSettings { rate_limit: RateLimit::Set("2 / 1s".to_owned()), tagged_mail: None };
    books.note(Note::Created { user: user(ALICE), settings });
    for _ in 0..100 {
        books.note(refused(b"alice@books.example", "198.51.100.7", Guess::Secret));
    }
    books.note(accepted(ALICE, "imap", None));
    rows_become(other, "service = 'imap'", 1).await;
    timeout(PATIENCE, async {
        while books.bookkeeper.dropped() < 100 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    redis.start_again().unwrap();
    field_becomes(redis, "RL_VALUE", ALICE, Some("2 / 1s")).await;
    books.close().await;
}

/// A database user who may only read: the history is left alone, all else goes on.
pub async fn a_table_that_may_not_be_written_stops_nothing_else(
    database: &Arc<Database>,
    other: &impl Other,
    redis: &Server,
) {
    let books = Books::open(database, &provisioner(), redis);
    for _ in 0..3 {
        books.note(accepted(ALICE, "imap", None));
        books.note(Note::SeenPerson(Box::new(person(ALICE, "")), None));
        let settings = RedisSettings { rate_limit: RateLimit::Clear, tagged_mail: Some(TaggedMail::Subject) };
        books.note(Note::Created { user: user(ALICE), settings });
    }
    field_becomes(redis, "RCPT_WANTS_SUBJECT_TAG", ALICE, Some("1")).await;
    books.close().await;
    assert_eq!(count(other, "sasl_log", "1 = 1").await, 0);
}

fn provisioner() -> Arc<Provisioner> {
    let text = "enabled = true\n[mappings]\ngold = 'Gold'";
    Arc::new(Provisioner::new(&toml::from_str(text).unwrap()))
}

fn login(name: &str, service: &str, app_password: Option<i64>) -> AcceptedLogin {
    AcceptedLogin { user: user(name), service: service.into(), remote: address("192.0.2.7"), app_password }
}

fn accepted(name: &str, service: &str, app_password: Option<i64>) -> Note {
    Note::Accepted(login(name, service, app_password))
}

fn refusal(name: &[u8], remote: &str, guess: Guess) -> RefusedLogin {
    let session = Some("Xk3vA8".into());
    RefusedLogin { user: name.into(), remote: address(remote), session, guess }
}

fn refused(name: &[u8], remote: &str, guess: Guess) -> Note {
    Note::Refused(refusal(name, remote, guess))
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

async fn rows_become(other: &impl Other, condition: &str, number: usize) {
    let mut found = 0;
    let waited = timeout(PATIENCE, async {
        loop {
            found = count(other, "sasl_log", condition).await;
            if found == number {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{condition}: {found} rows, not {number}");
}

async fn field_becomes(redis: &Server, hash: &str, name: &str, value: Option<&str>) {
    let mut found = None;
    let waited = timeout(PATIENCE, async {
        loop {
            found = field(redis, hash, name);
            if found.as_deref() == value {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{hash} of {name} is {found:?}, not {value:?}");
}

fn subscribe(connection: &mut redis::Connection) -> redis::PubSub<'_> {
    let mut subscriber = connection.as_pubsub();
    subscriber.subscribe(CHANNEL).unwrap();
    subscriber
}

/// Every line that was published, and none that is still to come: our own is behind them.
fn lines_so_far(redis: &Server, subscriber: &mut redis::PubSub<'_>) -> Vec<String> {
    redis::cmd("PUBLISH").arg(CHANNEL).arg("the end").exec(&mut redis.connect().unwrap()).unwrap();
    let mut lines: Vec<String> = Vec::new();
    loop {
        let line: String = subscriber.get_message().unwrap().get_payload().unwrap();
        if line == "the end" {
            return lines;
        }
        lines.push(line);
    }
}

fn field(redis: &Server, hash: &str, name: &str) -> Option<String> {
    redis::cmd("HGET").arg(hash).arg(name).query(&mut redis.connect().unwrap()).unwrap()
}
