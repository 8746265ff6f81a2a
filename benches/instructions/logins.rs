//! What is counted: logins of people who are known, sixteen lines at once as a busy login process sends them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use keydove::auth::{AuthRequest, Secret};
use keydove::backend::keycloak::Client;
use keydove::backend::mailboxes::Mailboxes;
use keydove::backend::people::{People, Sources};
use keydove::backend::records::{self, Spawner};
use keydove::backend::sql::{self, AliasLogins};
use keydove::credential::compared::{Comparisons, Verified};
use keydove::credential::hashing::Hasher;
use keydove::frontend::connection::{Desk, StopSignals, serve};
use keydove::frontend::control::Administration;
use keydove::frontend::dovecot::{AuthClient, Cookie, PendingLogins, Role, ServerId};
use keydove::frontend::portal::PortalService;
use keydove::frontend::{Answer, Framing, LineBuffer, Protocol, Received, Ticketed};
use keydove::jobs::bookkeeping;
use keydove::login::LoginService;
use keydove::login::decision::{Decision, DecisionParts, Webmail};
use keydove::login::passdb::Passdb;
use keydove::login::service::{DecidedLogin, Listener, Naming, now};
use keydove::login::throttle::{self, Throttle};
use keydove::login::userdb::Userdb;
use keydove::observe::{self, LoginMetrics, RecentAttempts};
use keydove::provision::Provisioner;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Runtime;

const PEOPLE: usize = 64;
/// Lines that come at once.
const DEPTH: usize = 16;
/// Everybody comes so often while it is counted.
const ROUNDS: usize = 8;
/// How many logins are counted.
pub const LOGINS: usize = PEOPLE * ROUNDS;
const LISTENER: Listener =
    Listener { protocol: "auth-client", role: Some("dovecot"), peer_reports_refusals: false };

/// What is counted at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From the bytes that were read to the question.
    Receive,
    /// From the question to the verdict.
    Decide,
    /// The log line, the counters, the notes.
    Conclude,
    /// From the verdict to the bytes of the answer, and the success that waits for a mail process.
    Answer,
    /// All of it in the one loop, with the reactor and a pipe of tokio's for a socket.
    Whole,
    /// The tag of the password alone.
    Tag,
}

impl Part {
    pub const ALL: [Self; 6] =
        [Self::Receive, Self::Decide, Self::Conclude, Self::Answer, Self::Whole, Self::Tag];

    pub fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Decide => "decide",
            Self::Conclude => "conclude",
            Self::Answer => "answer",
            Self::Whole => "whole",
            Self::Tag => "tag",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Does a part's work, and has it counted if it is this one's.
    fn count<T>(self, part: Self, work: impl FnOnce() -> T) -> T {
        if self == part { collected(work) } else { work() }
    }

    /// Only the tag is looked for in a part, in which it is made.
    fn of_tag(self) -> Self {
        if self == Self::Tag { Self::Decide } else { self }
    }
}

/// `callgrind` counts while this runs, and nothing else does.
#[inline(never)]
fn collected<T>(work: impl FnOnce() -> T) -> T {
    let mut end = None;
    match COUNTS_MEMORY.load(Ordering::Relaxed) {
        false => allocation_counter::opt_out(|| end = Some(work())),
        true => {
            let allocations = allocation_counter::measure(|| end = Some(work()));
            ALLOCATIONS.fetch_add(allocations.count_total, Ordering::Relaxed);
        }
    }
    end.expect("the work was done")
}

/// Of what was counted.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static COUNTS_MEMORY: AtomicBool = AtomicBool::new(false);

/// Has everybody log in once, so that they are known, and once more; then counts. Returns how often memory was asked for, if
/// that is what is counted.
pub fn run(part: Part, counts_memory: bool, folder: &Path) -> u64 {
    COUNTS_MEMORY.store(counts_memory, Ordering::Relaxed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a reactor");
    let service = runtime.block_on(service(folder));
    match part {
        Part::Whole => run_loop(&runtime, &service),
        Part::Receive | Part::Decide | Part::Conclude | Part::Answer | Part::Tag => {
            runtime.block_on(run_steps(part.of_tag(), &service));
        }
    }
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Everybody's lines, sixteen at a time, with ids that were not used before.
fn batches(round: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..PEOPLE / DEPTH).map(move |batch| {
        let lines = (batch * DEPTH..(batch + 1) * DEPTH).map(|number| {
            let response = STANDARD.encode(format!("\0{}\0pw", name(number)));
            let id = 1 + round * PEOPLE + number;
            format!("AUTH\t{id}\tPLAIN\tservice=imap\tsecured\tsession=Xk3vA8\tlip=127.0.0.1\trip=192.0.2.1\tresp={response}\n")
        });
        lines.collect::<String>().into_bytes()
    })
}

fn name(number: usize) -> String {
    format!("{number:012}@example.org")
}

/// The steps by themselves.
async fn run_steps(part: Part, service: &LoginService) {
    let (server, cookie) = (ServerId::from_random(7), Cookie::new([7; 16]));
    let mut protocol = AuthClient::new(Role::Dovecot, server, 7, cookie, PendingLogins::default());
    let mut input = LineBuffer::new(<AuthClient as Protocol>::MAX_LINE);
    let mut output = Vec::with_capacity(1 << 16);
    input.extend(b"VERSION\t1\t2\nCPID\t7\n");
    assert!(receive(&mut protocol, &mut input, &mut output).is_empty());
    for round in 0..2 + ROUNDS {
        for batch in batches(round) {
            // Nobody is counted who has to wait, and nothing that is made once.
            let part = if round < 2 { Part::Whole } else { part };
            input.extend(&batch);
            let questions = part.count(Part::Receive, || receive(&mut protocol, &mut input, &mut output));
            let mut decided = Vec::with_capacity(DEPTH);
            match round {
                0 => {
                    for Ticketed { ticket, question } in questions {
                        decided.push((ticket, DecidedLogin::decide(service, question).await));
                    }
                }
                _ => decide(part, service, questions, &mut decided),
            }
            let mut verdicts = Vec::with_capacity(DEPTH);
            part.count(Part::Conclude, || {
                for (ticket, login) in decided.drain(..) {
                    verdicts.push(Answer { ticket, answer: login.conclude(service, &LISTENER) });
                }
            });
            output.clear();
            let now = now();
            part.count(Part::Answer, || {
                for verdict in verdicts.drain(..) {
                    protocol.answer(verdict, now, &mut output);
                }
            });
            assert_eq!(accepted(&output), DEPTH, "{}", output.escape_ascii());
        }
    }
}

fn receive(
    protocol: &mut AuthClient,
    input: &mut LineBuffer,
    output: &mut Vec<u8>,
) -> Vec<Ticketed<AuthRequest>> {
    let (mut questions, now) = (Vec::with_capacity(DEPTH), now());
    while let Ok(Some(line)) = input.next_request(Framing::Lines) {
        match protocol.receive(line, now, output) {
            Ok(Received::Question(question)) => questions.push(question),
            Ok(Received::Nothing) => {}
            other => unreachable!("a line was not understood: {other:?}"),
        }
    }
    input.wipe_read();
    questions
}

fn decide(
    part: Part,
    service: &LoginService,
    questions: Vec<Ticketed<AuthRequest>>,
    decided: &mut Vec<(keydove::frontend::Ticket, DecidedLogin)>,
) {
    part.count(Part::Decide, || {
        for Ticketed { ticket, question } in questions {
            let login = DecidedLogin::decide(service, question).now_or_never();
            decided.push((ticket, login.expect("somebody known waits for nobody")));
        }
    });
}

/// How many of these answers let somebody in.
fn accepted(output: &[u8]) -> usize {
    output.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"OK\t")).count()
}

/// All of it, as a connection does it.
fn run_loop(runtime: &Runtime, service: &Arc<LoginService>) {
    let (server, cookie) = (ServerId::from_random(7), Cookie::new([7; 16]));
    let protocol = AuthClient::new(Role::Dovecot, server, 7, cookie, PendingLogins::default());
    let desk = Desk {
        service: Arc::clone(service),
        administration: Arc::new(Administration {
            service: Arc::clone(service),
            in_use: Arc::default(),
            sync: None,
        }),
        portal: Arc::new(PortalService::new(Arc::clone(service), Default::default(), 60)),
        listener: LISTENER,
    };
    let (mut client, stream) = duplex(1 << 16);
    runtime.spawn(serve(stream, protocol, Arc::new(desk), StopSignals::default()));
    runtime.block_on(async {
        client.write_all(b"VERSION\t1\t2\nCPID\t7\n").await.expect("the connection");
        let mut greeting = Vec::new();
        while !greeting.ends_with(b"DONE\n") {
            client.read_buf(&mut greeting).await.expect("the greeting");
        }
    });
    for round in 0..2 + ROUNDS {
        let part = if round < 2 { Part::Receive } else { Part::Whole };
        for batch in batches(round) {
            if round == 0 {
                // One after the other: under valgrind sixteen calls at once would take too long.
                for line in batch.split_inclusive(|&byte| byte == b'\n') {
                    let answers = runtime.block_on(talk(&mut client, line, 1));
                    assert_eq!(accepted(&answers), 1, "{}", answers.escape_ascii());
                }
                continue;
            }
            let answers = part.count(Part::Whole, || runtime.block_on(talk(&mut client, &batch, DEPTH)));
            assert_eq!(accepted(&answers), DEPTH, "{}", answers.escape_ascii());
        }
    }
}

async fn talk(client: &mut DuplexStream, batch: &[u8], lines: usize) -> Vec<u8> {
    client.write_all(batch).await.expect("the connection");
    let mut answers = Vec::with_capacity(1 << 12);
    while answers.iter().filter(|&&byte| byte == b'\n').count() < lines {
        client.read_buf(&mut answers).await.expect("answers");
    }
    answers
}

/// Everything that a login asks, with a database file and a double of Keycloak.
async fn service(folder: &Path) -> Arc<LoginService> {
    observe::log::init(&observe::LogConfig::default()).expect("the log");
    let storage = format!("[sqlite]\npath = '{}'", folder.join("mail.db").display());
    let storage = toml::from_str(&storage).expect("settings of a database");
    let database = Arc::new(sql::open(&storage, None).await.expect("a database file"));
    let for_jobs = Arc::new(database.for_jobs().await.expect("the same once more"));
    fill(&folder.join("mail.db")).expect("rows");
    let cache: records::Config =
        toml::from_str("max_staleness = '6h'\nmailbox_staleness = '6h'").expect("settings of memory");
    let spawner = spawner();
    let people = People::new(Sources::new(vec![(Vec::new(), client())]), cache.people(), spawner.clone());
    let hashing = toml::from_str("threads = 1\nlanes = 1").expect("settings of hashing");
    let comparisons = Comparisons::new(Verified::new().expect("random numbers"));
    let hasher = Hasher::start(&hashing).expect("a thread");
    let provisioner = Arc::new(Provisioner::new(&Default::default()));
    let (bookkeeper, worker) =
        bookkeeping::new(&Default::default(), for_jobs, Arc::clone(&provisioner), None);
    spawner(Box::pin(worker.run(Default::default())));
    let aliases = AliasLogins::default();
    let mailboxes = Mailboxes::new(Arc::clone(&database), cache.mailboxes(), spawner, aliases);
    let decision = Decision::new(DecisionParts {
        database,
        mailboxes,
        passdb: Passdb::new(people, hasher, comparisons, Default::default()),
        userdb: Userdb::new(&Default::default()),
        provisioner,
        webmail: Webmail::new(&Default::default(), None),
        throttle: Throttle::new(&throttle::Config::default(), now()).expect("random numbers"),
        mail_hosts: None,
        kicker: None,
        bookkeeper: bookkeeper.clone(),
    });
    Arc::new(LoginService {
        decision: Arc::new(decision),
        bookkeeper,
        logins: Arc::new(LoginMetrics::new(now())),
        recent: Arc::new(RecentAttempts::default()),
        naming: Naming::default(),
        failure_delay: Duration::from_secs(2),
        // Everything takes fifty times as long under valgrind.
        deadline: Duration::from_secs(600),
    })
}

fn client() -> Client {
    let text = format!(
        "server_url = '{}'\nrealm = 'mail'\nclient_id = 'mailcow'\nrequest_timeout = '600s'\nconnect_timeout = '600s'",
        super::keycloak::start()
    );
    let config: keydove::backend::keycloak::Config = toml::from_str(&text).expect("settings of Keycloak");
    let address = config.address().expect("an address");
    Client::new(address, &config, Secret::from("s3cret")).expect("a client of Keycloak")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark runs no daemon whose tasks must be ended")]
fn spawner() -> Spawner {
    Arc::new(|task| drop(tokio::spawn(task)))
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let mut file = rusqlite::Connection::open(path)?;
    let rows = file.transaction()?;
    rows.execute("INSERT INTO domain (domain) VALUES ('example.org')", [])?;
    for number in 0..PEOPLE {
        let name = name(number);
        let local_part = &name[..12];
        rows.execute(
            "INSERT INTO mailbox (username, password, local_part, domain, authsource, attributes)
             VALUES (?, '', ?, 'example.org', 'keycloak', '{\"imap_access\":\"1\"}')",
            [&*name, local_part],
        )?;
    }
    rows.commit()
}
