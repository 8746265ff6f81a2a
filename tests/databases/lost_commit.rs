//! A COMMIT whose answer is lost: a relay before a real MariaDB cuts the connection at it.
#![expect(clippy::disallowed_methods, reason = "the relay is a task of the test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keydove::auth::{Secret, TempFailReason};
use keydove::backend::sql::{
    AdminError, Config, Creation, Database, DomainName, DomainSettings, Error, open,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use super::administration::rows;
use super::app_passwords::app_password;
use super::ground::Folder;
use super::mariadb::{DATABASE, MariadbServer, USER};
use super::others::OtherMariadb;
use super::provisioning::{Other, count, user};

/// What becomes of the next COMMITs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The server commits; its answer is lost.
    After,
    /// It never gets there.
    Before,
    /// The server commits; its answer does not come.
    Hang,
    /// As [`Cut::After`], and nobody gets through to the server after that.
    AndDown,
}

#[derive(Default)]
struct State {
    cut: Mutex<Option<(Cut, usize)>>,
    is_down: AtomicBool,
    commits: AtomicUsize,
}

/// A socket that leads to the server.
struct Relay {
    path: PathBuf,
    state: Arc<State>,
}

impl Relay {
    fn start(path: &Path, server: PathBuf) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.is_down.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = UnixStream::connect(&server).await else { continue };
                tokio::spawn(pass(client, server, Arc::clone(&shared)));
            }
        });
        Self { path: path.to_owned(), state }
    }

    async fn cut(&self, cut: Cut, times: usize) {
        self.state.is_down.store(false, Ordering::SeqCst);
        self.state.commits.store(0, Ordering::SeqCst);
        *self.state.cut.lock().await = Some((cut, times));
    }

    fn commits(&self) -> usize {
        self.state.commits.load(Ordering::SeqCst)
    }
}

async fn pass(client: UnixStream, server: UnixStream, state: Arc<State>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let fate = Arc::new(Mutex::new(None));
    tokio::select! {
        () = questions(from_client, to_server, &state, &fate) => {}
        () = answers(from_server, to_client, &state, &fate) => {}
    }
}

/// Packet by packet, to see what is asked.
async fn questions(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    fate: &Mutex<Option<Cut>>,
) {
    let mut head = [0; 4];
    while from.read_exact(&mut head).await.is_ok() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        let mut body = vec![0; length as usize];
        if from.read_exact(&mut body).await.is_err() {
            return;
        }
        // COM_QUERY
        if body == b"\x03COMMIT" {
            state.commits.fetch_add(1, Ordering::SeqCst);
            let mut cut = state.cut.lock().await;
            if let Some((kind, times)) = *cut {
                *cut = (times > 1).then_some((kind, times - 1));
                if kind == Cut::Before {
                    return;
                }
                *fate.lock().await = Some(kind);
            }
        }
        if to.write_all(&[&head[..], &body].concat()).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, fate: &Mutex<Option<Cut>>) {
    let mut bytes = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        match *fate.lock().await {
            None => {}
            Some(Cut::Hang) => std::future::pending().await,
            Some(Cut::AndDown) => return state.is_down.store(true, Ordering::SeqCst),
            Some(_) => return,
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

async fn connect(relay: &Relay) -> Database {
    let (name, password) = USER;
    let text = format!(
        "[mariadb]\nsocket = '{}'\nuser = '{name}'\ndatabase = '{DATABASE}'\ntimeout = '3s'",
        relay.path.display()
    );
    let config: Config = toml::from_str(&text).unwrap();
    open(&config, Some(Secret::from(password))).await.unwrap()
}

#[tokio::test]
async fn a_lost_answer_to_a_commit_is_no_failure_and_no_success() {
    let folder = Folder::new("lost-commit");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    other.grant("SELECT, INSERT, UPDATE, DELETE, CREATE").await;
    let relay = Relay::start(&folder.path().join("relay.sock"), server.socket());
    let database = connect(&relay).await;
    database.templates().await.unwrap();
    let settings = DomainSettings { mailboxes: Some(50), ..DomainSettings::default() };
    database.add_domain(&DomainName::parse("lost.example").unwrap(), &settings).await.unwrap();

    what_may_not_run_again_is_told(&database, &relay, &other).await;
    what_may_run_again_does(&database, &relay, &other).await;
    an_answer_that_does_not_come_is_told(&database, &relay, &other).await;
    other.run("DELETE FROM domain WHERE domain <> 'lost.example'").await;
}

async fn what_may_not_run_again_is_told(database: &Database, relay: &Relay, other: &OtherMariadb<'_>) {
    for (cut, name, rows) in [(Cut::After, "after.example", 1), (Cut::Before, "before.example", 0)] {
        relay.cut(cut, 1).await;
        let end = database.add_domain(&DomainName::parse(name).unwrap(), &DomainSettings::default()).await;
        is_uncertain(end.unwrap_err());
        assert_eq!((relay.commits(), count(other, "domain", &format!("domain = '{name}'")).await), (1, rows));
    }
    relay.cut(Cut::After, 1).await;
    is_uncertain(database.add_mailbox(&rows("hand@lost.example", "", 1), None).await.unwrap_err());
    assert_eq!(count(other, "mailbox", "username = 'hand@lost.example'").await, 1);
    // A second run would make a second password.
    relay.cut(Cut::After, 1).await;
    let made = database.add_app_password(app_password("hand@lost.example", "phone", 1)).await;
    is_uncertain(made.unwrap_err());
    assert_eq!(count(other, "app_passwd", "mailbox = 'hand@lost.example'").await, 1);
    // Counted once, not twice.
    database.remember_person(&user("hand@lost.example"), "id", "").await.unwrap();
    relay.cut(Cut::After, 1).await;
    let noted = database.note_missing(vec!["hand@lost.example".to_owned()], Vec::new()).await;
    is_uncertain(AdminError::Database(noted.unwrap_err()));
    assert_eq!(count(other, "keydove_person", "mailbox = 'hand@lost.example' AND missed_runs = 1").await, 1);
}

async fn what_may_run_again_does(database: &Database, relay: &Relay, other: &OtherMariadb<'_>) {
    for (cut, name) in [(Cut::After, "login1@lost.example"), (Cut::Before, "login2@lost.example")] {
        relay.cut(cut, 1).await;
        let end = database.create_mailbox(&rows(name, "", 1)).await.unwrap();
        assert_eq!(end, Creation::Created, "{name}");
        assert_eq!(count(other, "mailbox", &format!("username = '{name}'")).await, 1);
        assert_eq!(count(other, "alias", &format!("address = '{name}'")).await, 1);
    }
    relay.cut(Cut::After, 2).await;
    let limit = DomainSettings { mailboxes: Some(60), ..DomainSettings::default() };
    database.set_domain(&DomainName::parse("lost.example").unwrap(), &limit).await.unwrap();
    assert_eq!((relay.commits(), count(other, "domain", "mailboxes = 60").await), (3, 1));
    // Where the second run fails, the first one may have been committed.
    relay.cut(Cut::AndDown, 1).await;
    let end = database.create_mailbox(&rows("login3@lost.example", "", 1)).await;
    is_uncertain(AdminError::Database(end.unwrap_err()));
    assert_eq!(count(other, "mailbox", "username = 'login3@lost.example'").await, 1);
}

async fn an_answer_that_does_not_come_is_told(database: &Database, relay: &Relay, other: &OtherMariadb<'_>) {
    relay.cut(Cut::Hang, 1).await;
    let end = database.create_mailbox(&rows("login4@lost.example", "", 1)).await;
    let error = end.unwrap_err();
    assert_eq!(error.reason(), TempFailReason::SqlTimeout, "{error}");
    is_uncertain(AdminError::Database(error));
    let there = async || count(other, "mailbox", "username = 'login4@lost.example'").await == 1;
    tokio::time::timeout(Duration::from_secs(30), async {
        while !there().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}

fn is_uncertain(error: AdminError) {
    assert!(matches!(error, AdminError::Database(Error::Uncertain { .. })), "{error}");
    assert!(error.to_string().contains("it may have been written"), "{error}");
}
