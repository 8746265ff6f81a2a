//! How often memory is asked for in a login of somebody known. What is counted does not depend on the machine, nor much on
//! the compiler: `make bench-instructions` counts the same of an optimised build, by step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Desk, Put as _};
use crate::backend::mailboxes::Mailboxes;
use crate::backend::people::{People, Sources};
use crate::backend::records::{Config, Spawner};
use crate::backend::sql::AliasLogins;
use crate::credential::compared::{Comparisons, Verified};
use crate::credential::hashing::Hasher;
use crate::frontend::control::Administration;
use crate::frontend::dovecot::{AuthClient, Cookie, PendingLogins, Role, ServerId};
use crate::frontend::portal::PortalService;
use crate::frontend::{Line, Protocol, Received};
use crate::jobs::bookkeeping::Bookkeeper;
use crate::login::LoginService;
use crate::login::decision::{Decision, DecisionParts, Webmail};
use crate::login::passdb::Passdb;
use crate::login::service::{Arrival, Listener, Naming};
use crate::login::throttle::{self, Throttle};
use crate::login::userdb::Userdb;
use crate::observe::{LoginMetrics, RecentAttempts};
use crate::provision::Provisioner;

/// The name, the password, and the success that a mail process may come for.
const MOST: u64 = 3;
/// Of the password `pw`.
const HASH: &str = "{SSHA512}mAmPaElro8MJT/+2ohnmww5w7khtVXJFkXDAy8XDcxOPwcPLePW0CbNMVMRYxOE881ntDBHHfBHceDyzpq562nNhbHRzYWx0";
const LISTENER: Listener =
    Listener { protocol: "auth-client", role: Some("dovecot"), peer_reports_refusals: false };

#[tokio::test]
async fn a_known_login_asks_for_memory_three_times() {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("keydove-allocations-{}-{number}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let service = service(&folder.join("mail.db")).await;
    let desk = Desk {
        administration: Arc::new(Administration {
            service: Arc::clone(&service),
            in_use: Arc::default(),
            sync: None,
        }),
        portal: Arc::new(PortalService::new(Arc::clone(&service), Default::default(), 60)),
        service,
        listener: LISTENER,
    };
    let (server, cookie) = (ServerId::from_random(7), Cookie::new([7; 16]));
    let mut protocol = AuthClient::new(Role::Dovecot, server, 7, cookie, PendingLogins::default());
    let (mut out, now) = (Vec::with_capacity(1 << 16), Arrival::now());
    for line in [&b"VERSION\t1\t2"[..], b"CPID\t7"] {
        protocol.receive(Line::Whole(line), now.monotonic, &mut out).unwrap();
    }
    let mut counts = Vec::new();
    for id in 1..=32 {
        let line = line(id);
        let mut question = None;
        let mut count = allocation_counter::measure(|| {
            let received = protocol.receive(Line::Whole(&line), now.monotonic, &mut out);
            if let Ok(Received::Question(mut asked)) = received {
                match asked.put_at_once(&desk, now) {
                    Some(reply) => drop(protocol.answer(reply.answer, reply.at, &mut out)),
                    None => question = Some(asked),
                }
            }
        });
        if let Some(question) = question {
            assert_eq!(id, 1, "somebody known is let in at once");
            count.count_total = u64::MAX;
            let reply = question.put(&desk, now).await;
            protocol.answer(reply.answer, reply.at, &mut out);
        }
        counts.push(count.count_total);
    }
    assert_eq!(out.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"OK\t")).count(), 32);
    // Now and then a table grows.
    counts.sort_unstable();
    assert!(counts[counts.len() / 2] <= MOST, "{counts:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

fn line(id: u32) -> Vec<u8> {
    let response = STANDARD.encode("\0alice@example.org\0pw");
    format!("AUTH\t{id}\tPLAIN\tservice=imap\tsecured\tlip=127.0.0.1\trip=192.0.2.1\tresp={response}")
        .into_bytes()
}

#[expect(clippy::disallowed_methods, reason = "tests start tasks")]
async fn service(path: &std::path::Path) -> Arc<LoginService> {
    let config = toml::from_str(&format!("[sqlite]\npath = '{}'", path.display())).unwrap();
    let database = Arc::new(crate::backend::sql::open(&config, None).await.unwrap());
    let rows = format!(
        "INSERT INTO domain (domain) VALUES ('example.org');
         INSERT INTO mailbox (username, password, local_part, domain, authsource)
         VALUES ('alice@example.org', '{HASH}', 'alice', 'example.org', 'mailcow')"
    );
    rusqlite::Connection::open(path).unwrap().execute_batch(&rows).unwrap();
    let spawner: Spawner = Arc::new(|task| drop(tokio::spawn(task)));
    let cache = Config::default();
    let people = People::new(Sources::new(Vec::new()), cache.people(), Arc::clone(&spawner));
    let hasher = Hasher::start(&Default::default()).unwrap();
    let comparisons = Comparisons::new(Verified::new().unwrap());
    let mailboxes = Mailboxes::new(Arc::clone(&database), cache.mailboxes(), spawner, AliasLogins::default());
    let now = Arrival::now().monotonic;
    let decision = Decision::new(DecisionParts {
        database,
        mailboxes,
        passdb: Passdb::new(people, hasher, comparisons, Default::default()),
        userdb: Userdb::new(&Default::default()),
        provisioner: Arc::new(Provisioner::new(&Default::default())),
        webmail: Webmail::new(&Default::default(), None),
        throttle: Throttle::new(&throttle::Config::default(), now).unwrap(),
        mail_hosts: None,
        kicker: None,
        bookkeeper: Bookkeeper::disabled(),
    });
    Arc::new(LoginService {
        decision: Arc::new(decision),
        bookkeeper: Bookkeeper::disabled(),
        logins: Arc::new(LoginMetrics::new(now)),
        recent: Arc::new(RecentAttempts::default()),
        naming: Naming::default(),
        failure_delay: Duration::from_secs(2),
        deadline: Duration::from_secs(60),
    })
}
