//! A keydove that is stopped in the middle of a job and goes on when another one has it: it writes nothing more, and tells
//! nobody twice.

mod post;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keydove::backend::sql::{Database, LeaseEnd, LeaseWish};
use keydove::jobs::housekeeping::{Config, End, Housekeeping};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::ground::Folder;
use super::mariadb::{DATABASE, MariadbServer, USER};
use super::provisioning::{Other, count};
use post::Post;

/// Far longer than anything here takes; only a fault uses it up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const STEP: Duration = Duration::from_millis(2);
/// Twelve batches, each of which is followed by a pause.
const MANY: usize = 6_000;
const DAY: i64 = 86_400;
/// Their rows; others belong to mailboxes that are there.
const LEFT_OVER: &str = "mailbox LIKE 'stopped%'";
const RUN_OUT: &str = "UPDATE keydove_lease SET expires = expires - 1000 WHERE name = 'housekeeping'";
/// What housekeeping writes, and the lease under which it does. Of many rows their number says enough: it only deletes.
const OF_HOUSEKEEPING: [&str; 5] = [
    "SELECT COUNT(*) FROM keydove_sync",
    "SELECT COUNT(*) FROM keydove_mark",
    "SELECT COUNT(*) FROM keydove_app_password",
    "SELECT name, holder, expires, finished FROM keydove_lease WHERE name = 'housekeeping'",
    "SELECT name, number, writes FROM keydove_fence WHERE name = 'housekeeping'",
];
/// What notices write.
const OF_NOTICES: [&str; 1] =
    ["SELECT app_passwd, occasion, attempts, retry FROM keydove_notice ORDER BY app_passwd, occasion"];

/// Where a program finds the database.
pub struct Ground {
    folder: PathBuf,
    storage: String,
}

impl Ground {
    pub fn of_file(folder: &Folder, database: &Path) -> Self {
        let storage = format!("[storage.sqlite]\npath = '{}'\n", database.display());
        Self { folder: folder.path().to_owned(), storage }
    }

    pub fn of_server(folder: &Folder, server: &MariadbServer) -> Self {
        let password = secret(folder.path(), "database-password", USER.1);
        let storage = format!(
            "[storage.mariadb]\nsocket = '{}'\nuser = '{}'\npassword_file = '{}'\ndatabase = '{DATABASE}'\n",
            server.socket().display(),
            USER.0,
            password.display()
        );
        Self { folder: folder.path().to_owned(), storage }
    }

    /// Starts `keydove` with this word and these settings. Nobody logs in, so its Keycloak is only a name.
    fn start(&self, name: &str, word: &str, settings: &str) -> Process {
        let own = |end: &str| self.folder.join(format!("{name}.{end}"));
        let client = secret(&self.folder, "client-secret", "s3cret");
        let text = format!(
            "[[listener]]\ndoor = 'control'\npath = '{}'\n\n\
             [keycloak]\nserver_url = 'http://127.0.0.1:9'\nrealm = 'mail'\nclient_id = 'keydove'\nclient_secret_file = '{}'\n\n\
             {}\n{settings}",
            own("sock").display(),
            client.display(),
            self.storage
        );
        std::fs::write(own("toml"), text).unwrap();
        let log = std::fs::File::create(own("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_keydove"))
            .args([word, "--config"])
            .arg(own("toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Process { child, log: own("log") }
    }
}

/// A file that only its owner may read.
fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A keydove that runs; it ends with this, also where it stands still.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    async fn end(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            sleep(STEP).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Housekeeping is stopped between two batches, another process takes the lease, and it goes on.
pub async fn housekeeping_that_was_stopped_and_overtaken_deletes_nothing_more<O: Other>(
    database: &Arc<Database>,
    other: &O,
    ground: &Ground,
) {
    leave_rows(other).await;
    other
        .run("INSERT INTO keydove_mark (mailbox, attribute, value) VALUES ('stopped@h.example', 'LDAP_ID', '7')")
        .await;
    let mut process = ground.start("housekeeping", "housekeeping", "");
    let wish = LeaseWish { name: "housekeeping", holder: "another".to_owned(), seconds: 600, gap: 0 };
    stop_and_overtake(&mut process, ground, (database, &wish), other).await;
    let before = seen(other, &OF_HOUSEKEEPING).await;
    let left = count(other, "keydove_sync", LEFT_OVER).await;
    assert!(0 < left && left < MANY, "it was stopped with {left} of {MANY} rows");

    process.signal(Signal::SIGCONT);
    assert!(!process.end().await.success(), "{}", process.log());
    let said = process.log();
    assert!(said.contains("lost the lease `housekeeping`") && said.contains("another"), "{said}");
    assert_eq!(seen(other, &OF_HOUSEKEEPING).await, before, "{said}");

    // What it left lies there for whoever has the lease.
    assert!(database.end_lease(&wish, true).await.unwrap());
    let config: Config = toml::from_str("login_log = '0'").unwrap();
    let end =
        Housekeeping::new(&config, Arc::clone(database), "another".to_owned()).run(false).await.unwrap();
    let End::Ran(report) = end else { unreachable!("{end:?}") };
    let of_sync = report.removed.iter().find(|removed| removed.table == "keydove_sync").unwrap();
    assert_eq!(of_sync.rows, left as u64);
}

/// Rows of mailboxes that are gone.
async fn leave_rows<O: Other>(other: &O) {
    let gone: Vec<_> = (0..MANY).map(|number| format!("('stopped{number:05}@h.example')")).collect();
    other.run(&format!("DELETE FROM keydove_sync WHERE {LEFT_OVER}")).await;
    other.run(&format!("INSERT INTO keydove_sync (mailbox) VALUES {}", gone.join(", "))).await;
}

/// Leaves the process stopped, with rows deleted and rows to delete, and the lease with the other. Time passes in the
/// database, not here.
async fn stop_and_overtake<O: Other>(
    process: &mut Process,
    ground: &Ground,
    (database, wish): (&Database, &LeaseWish),
    other: &O,
) {
    let since = Instant::now();
    let mut seen = count(other, "keydove_sync", LEFT_OVER).await;
    loop {
        assert!(since.elapsed() < PATIENCE, "it was not stopped between two batches:\n{}", process.log());
        let now = count(other, "keydove_sync", LEFT_OVER).await;
        if now >= seen {
            // It gives up where it stood still for too long within a question, and it is through where each stop came at
            // such a moment.
            if process.has_ended() {
                other.run(RUN_OUT).await;
                leave_rows(other).await;
                (seen, *process) = (MANY, ground.start("housekeeping", "housekeeping", ""));
            }
            sleep(STEP).await;
            continue;
        }
        // A batch was committed, and a pause follows.
        seen = now;
        process.signal(Signal::SIGSTOP);
        // Within a transaction it would lock its lease for everybody; a server ends such a transaction.
        if other.tries(RUN_OUT).await && matches!(database.take_lease(wish).await, Ok(LeaseEnd::Taken { .. }))
        {
            return;
        }
        process.signal(Signal::SIGCONT);
    }
}

/// Notices have no lease: whoever claims one in the database has it for good. A process is stopped before its claim, and
/// another one behind it, while others tell what is to be told.
pub async fn notices_that_were_stopped_tell_nobody_twice<O: Other>(other: &O, ground: &Ground) {
    other
        .run(
            "DELETE FROM keydove_notice; DELETE FROM keydove_app_password; DELETE FROM app_passwd;
             INSERT INTO domain (domain) VALUES ('stopped.example');
             INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource)
             VALUES ('ann@stopped.example', '', '', 'ann', 'stopped.example', '{}', 'keycloak')",
        )
        .await;
    who_was_stopped_before_its_claim_sends_nothing(other, ground).await;
    who_was_stopped_behind_its_claim_is_the_only_one_who_sends(other, ground).await;
    let told = "SELECT app_passwd, occasion, attempts, retry FROM keydove_notice ORDER BY app_passwd";
    let rows = other.ask(told).await;
    let once =
        |id: &str| [Some(id), Some("ends"), Some("1"), None].map(|cell| cell.map(str::to_owned)).to_vec();
    assert_eq!(rows, [once("9101"), once("9102"), once("9103")]);
}

async fn who_was_stopped_before_its_claim_sends_nothing<O: Other>(other: &O, ground: &Ground) {
    ends_soon(other, 9101, "phone").await;
    let (of_stopped, of_other) = (Post::open().await, Post::open().await);
    let stopped = ground.start("stopped", "serve", &notices(&of_stopped));
    // It knows of a notice, or it would not connect; it claims none before the mail server greets it.
    let mut talk = of_stopped.answer().await;
    stopped.signal(Signal::SIGSTOP);

    let told = told_by_another(ground, "first", &of_other).await;
    assert!(told.contains("Name: phone"), "{told}");
    let before = seen(other, &OF_NOTICES).await;

    stopped.signal(Signal::SIGCONT);
    talk.greet().await;
    assert_eq!(talk.hear().await, "QUIT", "{}", stopped.log());
    assert_eq!(seen(other, &OF_NOTICES).await, before);
}

async fn who_was_stopped_behind_its_claim_is_the_only_one_who_sends<O: Other>(other: &O, ground: &Ground) {
    ends_soon(other, 9102, "tablet").await;
    let (of_stopped, of_other) = (Post::open().await, Post::open().await);
    let stopped = ground.start("claimed", "serve", &notices(&of_stopped));
    let mut talk = of_stopped.answer().await;
    talk.greet().await;
    let first = talk.hear().await;
    assert!(first.starts_with("MAIL FROM"), "{first}");
    stopped.signal(Signal::SIGSTOP);

    // The other one finds this one too, so it has looked at all when it tells of it.
    ends_soon(other, 9103, "laptop").await;
    let told = told_by_another(ground, "second", &of_other).await;
    assert!(told.contains("Name: laptop"), "{told}");
    let before = seen(other, &OF_NOTICES).await;

    stopped.signal(Signal::SIGCONT);
    let told = talk.take_mail().await;
    assert!(told.contains("Name: tablet"), "{told}");
    assert_eq!(talk.hear().await, "QUIT", "{}", stopped.log());
    assert_eq!(seen(other, &OF_NOTICES).await, before);
}

/// What another process tells, which must be one thing only.
async fn told_by_another(ground: &Ground, name: &str, post: &Post) -> String {
    let process = ground.start(name, "serve", &notices(post));
    let mut talk = post.answer().await;
    talk.greet().await;
    let first = talk.hear().await;
    assert!(first.starts_with("MAIL FROM"), "{first}\n{}", process.log());
    let told = talk.take_mail().await;
    assert_eq!(talk.hear().await, "QUIT", "{told}\n{}", process.log());
    told
}

/// So long a process waits for its mail server as it may be stopped here.
fn notices(post: &Post) -> String {
    format!(
        "[notices]\nrelay = '{}'\nsender = 'postmaster@stopped.example'\ninterval = '1s'\ntimeout = '5m'\n",
        post.address()
    )
}

/// An app password that was made long ago, and ends in three days.
async fn ends_soon<O: Other>(other: &O, id: i64, name: &str) {
    #[expect(clippy::disallowed_methods, reason = "what ends is compared with the wall clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    other
        .run(&format!(
            "INSERT INTO app_passwd (id, name, mailbox, domain, password, active, created, imap_access)
             VALUES ({id}, '{name}', 'ann@stopped.example', 'stopped.example', '', 1, '2001-01-01 00:00:00', 1);
             INSERT INTO keydove_app_password VALUES ({id}, {}, NULL)",
            now + 3 * DAY
        ))
        .await;
}

async fn seen(other: &impl Other, statements: &[&str]) -> Vec<Vec<Vec<Option<String>>>> {
    let mut all = Vec::new();
    for statement in statements {
        all.push(other.ask(statement).await);
    }
    all
}
