//! The database file among other programs: readers, copies, kills, and files that are put in its place. Nothing that
//! was answered may be lost.
#![expect(clippy::disallowed_methods, reason = "waiting for a process needs the clock")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use keydove::backend::sql::{Config, Database, DomainName, DomainSettings, back_up, open, open_to_read};

use super::ground::Folder;

const PATIENCE: Duration = Duration::from_secs(60);

fn config(path: &Path) -> Config {
    toml::from_str(&format!("[sqlite]\npath = '{}'\nbusy_timeout = '20s'", path.display())).unwrap()
}

fn domain(number: usize) -> DomainName {
    DomainName::parse(&format!("d{number}.example")).unwrap()
}

async fn add(database: &Database, number: usize) {
    database.add_domain(&domain(number), &DomainSettings::default()).await.unwrap();
}

/// Another program: Debian's `sqlite3`.
fn sqlite3(path: &Path, commands: &str) -> Output {
    Command::new("sqlite3").arg("-bail").arg(path).arg(".timeout 20000").arg(commands).output().unwrap()
}

fn asked(path: &Path, statement: &str) -> String {
    let output = sqlite3(path, statement);
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// At the moment at which the last user of the file is killed, SQLite recovers its journal and may turn others away.
fn is_read(output: &Output) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || err.contains("locked") || err.contains("busy"), "{err}");
}

fn domains_in(path: &Path) -> usize {
    asked(path, "SELECT COUNT(*) FROM domain").parse().unwrap()
}

/// POSIX locks that a process has on a file.
fn locks(process: u32, path: &Path) -> usize {
    let inode = fs::metadata(path).unwrap().ino();
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let is_ours = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = |text: &str| text.rsplit(':').next() == Some(&inode.to_string());
        words.contains(&"POSIX")
            && words.contains(&process.to_string().as_str())
            && words.iter().any(|w| is_it(w))
    };
    locks.lines().filter(is_ours).count()
}

#[tokio::test]
async fn the_lock_is_held_while_the_file_is_open_however_often_it_is_opened() {
    let folder = Folder::new("sqlite-locks");
    let path = folder.path().join("keydove.sqlite");
    let first = open(&config(&path), None).await.unwrap();
    add(&first, 0).await;
    assert!(locks(std::process::id(), &path) > 0, "without a lock another program is the only user");
    // As the daemon does beside mailcow's settings, and `check` in the same process.
    let second = open(&config(&path), None).await.unwrap();
    assert!(locks(std::process::id(), &path) > 0, "a second connection took the locks of the first away");
    let reader = open_to_read(&config(&path), None).await.unwrap();
    back_up(&config(&path), &folder.path().join("copy")).unwrap();
    reader.close().await;
    second.close().await;
    assert!(locks(std::process::id(), &path) > 0, "closing one connection took the locks of the other away");
    assert!(asked(&path, "PRAGMA journal_mode") == "wal");

    // Foreign readers come and go, and rows are written before, between and after.
    for number in 1..6 {
        assert_eq!(domains_in(&path), number);
        add(&first, number).await;
        asked(&path, &format!(".backup '{}'", folder.path().join("backup").display()));
    }
    assert_eq!(domains_in(&path), 6);
    assert_eq!(first.domains().await.unwrap().len(), 6);
    first.close().await;
    assert_eq!(domains_in(&path), 6);
}

/// keydove itself, with a Keycloak that is not there.
struct Daemon {
    folder: PathBuf,
    process: Option<Child>,
}

impl Daemon {
    fn new(folder: &Path) -> Self {
        let shown = folder.display();
        fs::write(folder.join("secret"), "s3cret\n").unwrap();
        fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "[[listener]]\ndoor = 'auth-client'\nrole = 'dovecot'\npath = '{shown}/auth'\n\
             [keycloak]\nserver_url = 'http://127.0.0.1:1'\nrealm = 'mail'\nclient_id = 'keydove'\n\
             client_secret_file = '{shown}/secret'\n[housekeeping]\ninterval = '10s'\n\
             [storage.sqlite]\npath = '{shown}/keydove.sqlite'\nbusy_timeout = '20s'\n"
        );
        fs::write(folder.join("keydove.toml"), text).unwrap();
        Self { folder: folder.to_owned(), process: None }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("keydove.sqlite")
    }

    fn command(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keydove"));
        command.args(line.split(' ')).arg("--config").arg(self.folder.join("keydove.toml"));
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn done(&self, line: &str) -> String {
        let output = self.command(line);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {err}\n{}", self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&mut self) -> u32 {
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_keydove"));
        command.args(["serve", "--config"]).arg(self.folder.join("keydove.toml"));
        let _ = fs::remove_file(self.folder.join("auth"));
        let process = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let number = process.id();
        self.process = Some(process);
        self.wait("its socket", || self.folder.join("auth").exists());
        number
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "{what} did not come: {}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[test]
fn whatever_was_answered_outlives_readers_copies_commands_and_kills() {
    let folder = Folder::new("sqlite-daemon");
    let mut daemon = Daemon::new(folder.path());
    let path = daemon.file();
    let number = daemon.start();
    daemon.wait("a lock", || locks(number, &path) > 0);
    daemon.done("domain add example.org --mailboxes 1000 --quota 100000GiB");
    assert!(locks(number, &path) > 0, "a command took the daemon's lock away");

    let (mut made, over) = (Vec::new(), AtomicBool::new(false));
    thread::scope(|scope| {
        let (reading, over) = (&path, &over);
        // Foreign readers, as many as fit in, at every moment: the CLI of SQLite, its `.backup`, and a program that
        // opens the files and copies them.
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                is_read(&sqlite3(reading, "SELECT COUNT(*) FROM mailbox"));
            }
        });
        let copy = folder.path().join("foreign-copy");
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                is_read(&sqlite3(reading, &format!(".backup '{}'", copy.display())));
                for end in ["", "-wal", "-shm"] {
                    let _ = fs::read(format!("{}{end}", reading.display()));
                }
            }
        });
        for round in 0..4 {
            for turn in 0..3 {
                let name = format!("m{round}-{turn}@example.org");
                daemon.done(&format!("mailbox add {name}"));
                daemon.done(&format!("mailbox set {name} --active off"));
                made.push(name);
            }
            daemon.kill();
            // Between a kill and a start a journal lies beside the file; a command alone must find all of it.
            let list = daemon.done("mailbox list --json");
            assert!(made.iter().all(|name| list.contains(name)), "round {round}: {list}");
            let number = daemon.start();
            daemon.wait("a lock", || locks(number, &path) > 0);
        }
        over.store(true, Ordering::Relaxed);
    });
    daemon.kill();
    assert_eq!(asked(&path, "SELECT COUNT(*) FROM mailbox WHERE active = 0"), made.len().to_string());
    assert_eq!(asked(&path, "PRAGMA integrity_check"), "ok");
}

#[test]
fn a_copy_is_whole_private_and_never_written_over() {
    let folder = Folder::new("sqlite-copy");
    let mut daemon = Daemon::new(folder.path());
    daemon.start();
    daemon.done("domain add example.org --mailboxes 100");
    let copy = folder.path().join("copy.sqlite");
    let line = format!("backup {}", copy.display());
    // A writer that writes all the time does not keep the copy from coming to its end.
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (daemon, over) = (&daemon, &over);
        scope.spawn(move || {
            for number in 0..10 {
                daemon.done(&format!("mailbox add m{number}@example.org"));
            }
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&copy);
            daemon.done(&line);
            assert_eq!(asked(&copy, "PRAGMA integrity_check"), "ok");
        }
    });
    let _ = fs::remove_file(&copy);
    assert!(daemon.done(&line).contains("is copied to"));
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o600);
    assert!(!Path::new(&format!("{}-wal", copy.display())).exists(), "the copy is one file");
    let again = daemon.command(&line);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already, and is not overwritten"));
    assert!(!daemon.command("backup /nonexistent/folder/copy").status.success());

    // docs/backup.md: restoring.
    daemon.done("mailbox set m3@example.org --active off");
    daemon.kill();
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", daemon.file().display()));
    }
    fs::copy(&copy, daemon.file()).unwrap();
    daemon.start();
    let list = daemon.done("mailbox list --json");
    assert_eq!(list.matches("\"on\"").count(), 10, "{list}");
}

#[test]
fn a_file_that_is_replaced_under_a_running_daemon_is_told_loudly() {
    let folder = Folder::new("sqlite-replaced");
    let mut daemon = Daemon::new(folder.path());
    let path = daemon.file();
    daemon.start();
    daemon.done("domain add example.org");
    let copy = folder.path().join("copy");
    daemon.done(&format!("backup {}", copy.display()));
    fs::rename(&copy, &path).unwrap();
    // The daemon's own work, once in ten seconds, is what finds it.
    daemon.wait("a word on it", || {
        daemon.log().contains("the file was replaced or removed while keydove had it open")
    });
    let found = String::from_utf8(daemon.command("check").stdout).unwrap();
    assert!(found.contains("has an earlier file of this name open"), "{found}");
    daemon.kill();
    daemon.start();
    assert!(daemon.done("domain list").contains("example.org"));
}

#[test]
fn a_file_is_made_with_its_mode_whatever_the_umask_and_never_through_a_dead_link() {
    let folder = Folder::new("sqlite-umask");
    let daemon = Daemon::new(folder.path());
    for umask in ["0777", "0000"] {
        let script = format!(
            "umask {umask}; exec {} domain list --config {}",
            env!("CARGO_BIN_EXE_keydove"),
            folder.path().join("keydove.toml").display()
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{umask}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::metadata(daemon.file()).unwrap().mode() & 0o7777, 0o600, "{umask}");
        fs::remove_file(daemon.file()).unwrap();
    }
    symlink("nowhere", daemon.file()).unwrap();
    let output = daemon.command("domain list");
    assert!(String::from_utf8_lossy(&output.stderr).contains("symbolic link to a file that is not there"));
    fs::remove_file(daemon.file()).unwrap();
    // A link to a file that is there is followed, and the journal lies beside the file.
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    daemon.done("domain add example.org");
    fs::rename(daemon.file(), real.join("file.sqlite")).unwrap();
    symlink(real.join("file.sqlite"), daemon.file()).unwrap();
    assert!(daemon.done("domain list").contains("example.org"));
}

#[tokio::test]
async fn a_full_disk_is_no_refusal_and_loses_nothing() {
    let folder = Folder::new("sqlite-full");
    let path = folder.path().join("keydove.sqlite");
    let database = open(&config(&path), None).await.unwrap();
    add(&database, 0).await;
    // A limit of pages stands for a disk without room: SQLite says the same.
    let other = rusqlite::Connection::open(&path).unwrap();
    let pages: i64 = other.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    other.pragma_update(None, "max_page_count", pages).unwrap();
    let error = other
        .execute_batch("BEGIN; CREATE TABLE x (y); INSERT INTO x VALUES (zeroblob(99999)); COMMIT")
        .unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    drop(other);
    add(&database, 1).await;
    assert_eq!(database.domains().await.unwrap().len(), 2);
}
