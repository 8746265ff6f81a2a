//! No state of one credential hides the verdict about another: the decision over rows of every condition, on a database
//! file, against a plain reference.
#![expect(clippy::disallowed_methods, reason = "tests start tasks, and their clock may start anywhere")]

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use tokio::time::Instant;

use crate::auth::{AuthRequest, Credential, Denial, Mechanism, NotAccepted, Origin, Secret, Service, Source};
use crate::backend::mailboxes::Mailboxes;
use crate::backend::people::{People, Sources};
use crate::backend::records::{Config, Spawner};
use crate::backend::sql::AliasLogins;
use crate::credential::compared::{Comparisons, Verified};
use crate::credential::hashing::Hasher;
use crate::credential::scheme;
use crate::credential::scheme::Scheme;
use crate::jobs::bookkeeping::Bookkeeper;
use crate::login::decision::{Decision, DecisionParts, Moment, Webmail};
use crate::login::passdb::Passdb;
use crate::login::throttle::Throttle;
use crate::login::userdb::Userdb;
use crate::provision::Provisioner;

const TOO_COSTLY: &str = "{BLF-CRYPT}$2y$16$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";
/// So few hashes may one attempt cost here.
const MAX_HASHES: usize = 2;

/// What one stored hash is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Right,
    Wrong,
    Empty,
    UnknownScheme,
    NotAllowed,
    TooCostly,
}

/// What stands against an app password beside its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    None,
    Expired,
    OtherService,
    OtherNetwork,
}

/// What stands against the main password beside its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    None,
    ServiceOff,
    SecondFactor,
    OtherSource,
    /// The domain is one of `[app_passwords] only_domains`.
    AppPasswordsOnly,
}

#[derive(Clone, Debug)]
struct World {
    main: Hash,
    switch: Switch,
    /// In the order in which they are tried.
    rows: Vec<(Hash, Limit)>,
}

/// The end of a login, in as few words as do.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Main,
    /// The place of the row.
    App(usize),
    Refused(&'static str),
    CannotTell(&'static str),
}

/// What a login should come to, said without the code that decides it.
fn reference(world: &World) -> End {
    if world.switch == Switch::None && world.main == Hash::Right {
        return End::Main;
    }
    let is_usable = |hash| matches!(hash, Hash::Right | Hash::Wrong);
    let counting = world.rows.iter().enumerate().filter(|(_, (_, limit))| *limit == Limit::None);
    let usable: Vec<_> = counting.clone().filter(|(_, (hash, _))| is_usable(*hash)).collect();
    if let Some((place, _)) = usable.iter().take(MAX_HASHES).find(|(_, (hash, _))| *hash == Hash::Right) {
        return End::App(*place);
    }
    if usable.len() > MAX_HASHES {
        return End::CannotTell("app_passwords_untried");
    }
    let compared = !usable.is_empty();
    let cannot_match = |hash| match hash {
        Hash::TooCostly => End::CannotTell("hash_too_costly"),
        _ => End::CannotTell("hash_unusable"),
    };
    let switched_off = |reason| match compared && world.main != Hash::Right {
        true => End::Refused("app_password_mismatch"),
        false => End::Refused(reason),
    };
    match (world.switch, world.main) {
        (Switch::ServiceOff, _) => switched_off("service_forbidden"),
        (Switch::SecondFactor, _) => switched_off("second_factor_required"),
        (Switch::OtherSource, _) if compared => End::Refused("app_password_mismatch"),
        (Switch::OtherSource, _) => End::Refused("source_unsupported"),
        // Only app passwords count: that none could be compared is no guess, and neither is the right main password.
        (Switch::AppPasswordsOnly, _) if compared => switched_off("app_password_required"),
        (Switch::AppPasswordsOnly, _) => match counting.clone().next_back() {
            Some((_, (hash, _))) => cannot_match(*hash),
            None => End::Refused("app_password_required"),
        },
        (Switch::None, Hash::Right | Hash::Wrong) => End::Refused("password_mismatch"),
        (Switch::None, _) if compared => End::Refused("app_password_mismatch"),
        (Switch::None, Hash::Empty) => match counting.clone().next_back() {
            Some((_, (hash, _))) => cannot_match(*hash),
            None => End::Refused("password_missing"),
        },
        (Switch::None, hash) => cannot_match(hash),
    }
}

fn worlds() -> impl Strategy<Value = World> {
    use Hash::{Empty, NotAllowed, Right, TooCostly, UnknownScheme, Wrong};
    let hash = prop_oneof![
        1 => Just(Right),
        3 => Just(Wrong),
        3 => proptest::sample::select(vec![Empty, UnknownScheme, NotAllowed, TooCostly]),
    ];
    let limit = prop_oneof![
        3 => Just(Limit::None),
        1 => proptest::sample::select(vec![Limit::Expired, Limit::OtherService, Limit::OtherNetwork]),
    ];
    let switch = prop_oneof![
        2 => Just(Switch::None),
        1 => proptest::sample::select(vec![
            Switch::ServiceOff,
            Switch::SecondFactor,
            Switch::OtherSource,
            Switch::AppPasswordsOnly,
        ]),
    ];
    let rows = proptest::collection::vec((hash.clone(), limit), 0..5);
    (hash, switch, rows).prop_map(|(main, switch, rows)| World { main, switch, rows })
}

struct Bench {
    folder: PathBuf,
    decision: Decision,
    runtime: tokio::runtime::Runtime,
    /// So that no two worlds share a name or a hash.
    count: AtomicU32,
}

impl Bench {
    fn new() -> Self {
        static BENCHES: AtomicU32 = AtomicU32::new(0);
        let number = BENCHES.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("keydove-open-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let decision = runtime.block_on(decision(&folder));
        Self { folder, decision, runtime, count: AtomicU32::new(0) }
    }

    fn login(&self, world: &World) -> End {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let domain = if world.switch == Switch::AppPasswordsOnly { "only.example" } else { "example.org" };
        let (user, password) = (format!("p{number}@{domain}"), format!("pw {number}"));
        let database = rusqlite::Connection::open(self.folder.join("mail.db")).unwrap();
        let ids = write(&database, &user, &password, world);
        drop(database);
        let request = AuthRequest {
            authcid: user.as_bytes().into(),
            authzid: Vec::new(),
            credential: Credential::Password(Secret::from(&*password)),
            mechanism: Some(Mechanism::Plain),
            service: Service::Imap,
            service_name: "imap".into(),
            origin: Origin { remote: Some("192.0.2.1".parse().unwrap()), ..Origin::default() },
            wants_fields: false,
        };
        let (verdict, at_once) = self.runtime.block_on(async {
            let now = Instant::now();
            let now =
                Moment { monotonic: now, wall: SystemTime::now(), until: now + Duration::from_secs(60) };
            let verdict = self.decision.authenticate(&request, now).await.verdict;
            (verdict, self.decision.let_in_at_once(&request, now))
        });
        let source = verdict.into_source();
        // Once it is known that the main password opens it, it opens it at once; and nothing else does.
        let opens_at_once = matches!(source, Ok(Source::Keycloak | Source::Mailbox));
        assert_eq!(at_once.is_some(), opens_at_once, "{world:?}");
        match source {
            Ok(Source::AppPassword(id)) => End::App(ids.iter().position(|known| *known == id).unwrap()),
            Ok(_) => End::Main,
            Err(NotAccepted::Refused(denial)) => End::Refused(denial.code()),
            Err(NotAccepted::CannotTell(trouble)) => End::CannotTell(trouble.reason.code()),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn decision(folder: &FilePath) -> Decision {
    let config = format!("[sqlite]\npath = '{}'", folder.join("mail.db").display());
    let database =
        Arc::new(crate::backend::sql::open(&toml::from_str(&config).unwrap(), None).await.unwrap());
    let spawner: Spawner = Arc::new(|task| drop(tokio::spawn(task)));
    let cache = Config::default();
    let people = People::new(Sources::new(Vec::new()), cache.people(), Arc::clone(&spawner));
    let hasher = Hasher::start(&crate::credential::hashing::Config::default()).unwrap();
    let comparisons = Comparisons::new(Verified::new().unwrap());
    let limits =
        toml::from_str(&format!("max_hashes = {MAX_HASHES}\nonly_domains = ['only.example']")).unwrap();
    let mailboxes = Mailboxes::new(Arc::clone(&database), cache.mailboxes(), spawner, AliasLogins::default());
    // The file is made by the first question.
    let nobody = crate::auth::Username::parse(b"nobody@example.org").unwrap();
    mailboxes.find(&nobody).await.unwrap();
    let file = rusqlite::Connection::open(folder.join("mail.db")).unwrap();
    file.execute("INSERT INTO domain (domain) VALUES ('example.org'), ('only.example')", []).unwrap();
    Decision::new(DecisionParts {
        database,
        mailboxes,
        passdb: Passdb::new(people, hasher, comparisons, limits),
        userdb: Userdb::new(&Default::default()),
        provisioner: Arc::new(Provisioner::new(&Default::default())),
        webmail: Webmail::new(&Default::default(), None),
        throttle: Throttle::disabled(),
        mail_hosts: None,
        kicker: None,
        bookkeeper: Bookkeeper::disabled(),
    })
}

/// Returns the numbers of the rows, in the order in which they are tried: what was never used, the youngest first.
fn write(database: &rusqlite::Connection, user: &str, password: &str, world: &World) -> Vec<i64> {
    let (local_part, domain) = user.split_once('@').unwrap();
    let source = if world.switch == Switch::OtherSource { "ldap" } else { "mailcow" };
    let access = if world.switch == Switch::ServiceOff { r#"{"imap_access":"0"}"# } else { "{}" };
    database
        .execute(
            "INSERT INTO mailbox (username, password, local_part, domain, attributes, authsource)
             VALUES (?, ?, ?, ?, ?, ?)",
            (user, stored(world.main, password, 0), local_part, domain, access, source),
        )
        .unwrap();
    if world.switch == Switch::SecondFactor {
        let factor = "INSERT INTO tfa (key_id, username, authmech, active) VALUES ('k', ?, 'totp', 1)";
        database.execute(factor, [user]).unwrap();
    }
    let mut ids = Vec::new();
    for (place, (hash, limit)) in world.rows.iter().enumerate().rev() {
        let service = i64::from(*limit != Limit::OtherService);
        database
            .execute(
                "INSERT INTO app_passwd (name, mailbox, domain, password, imap_access)
                 VALUES ('a', ?, ?, ?, ?)",
                (user, domain, stored(*hash, password, 1 + place), service),
            )
            .unwrap();
        let id = database.last_insert_rowid();
        let own = "INSERT INTO keydove_app_password (app_passwd, expires, networks) VALUES (?, ?, ?)";
        match limit {
            Limit::Expired => {
                database.execute(own, (id, Some(1), None::<&str>)).unwrap();
            }
            Limit::OtherNetwork => {
                database.execute(own, (id, None::<i64>, Some("10.0.0.0/8"))).unwrap();
            }
            Limit::None | Limit::OtherService => {}
        }
        ids.push(id);
    }
    ids.reverse();
    ids
}

/// A hash of its own for each place, or what is remembered of one comparison would spare the next.
fn stored(hash: Hash, password: &str, place: usize) -> String {
    let of = |password: &str| {
        let salt = [u8::try_from(place).unwrap(); scheme::SALT_BYTES];
        scheme::generate(Scheme::Ssha512, None, password.as_bytes(), &salt).unwrap()
    };
    match hash {
        Hash::Right => of(password),
        Hash::Wrong => of(&format!("not {password}")),
        Hash::Empty => String::new(),
        Hash::UnknownScheme => "{SOMETHING}else".to_owned(),
        Hash::NotAllowed => format!("{{PLAIN}}{password}"),
        Hash::TooCostly => TOO_COSTLY.to_owned(),
    }
}

#[test]
fn no_state_of_one_credential_hides_the_verdict_about_another() {
    let bench = Bench::new();
    let mut runner = TestRunner::new(Cases { cases: 400, failure_persistence: None, ..Cases::default() });
    let end = runner.run(&worlds(), |world| {
        prop_assert_eq!(bench.login(&world), reference(&world), "{:?}", world);
        Ok(())
    });
    end.unwrap();
}

/// The throttle counts by the verdict, so a broken row must not take the guess out of it.
#[test]
fn one_row_that_can_never_match_leaves_wrong_passwords_guesses() {
    let bench = Bench::new();
    for hash in [Hash::Empty, Hash::UnknownScheme, Hash::NotAllowed, Hash::TooCostly] {
        let rows = vec![(hash, Limit::None)];
        let world = World { main: Hash::Wrong, switch: Switch::None, rows };
        assert_eq!(bench.login(&world), End::Refused("password_mismatch"), "{hash:?}");
    }
    assert!(Denial::PasswordMismatch.is_guess());
}

/// Everybody who still has the main password in a phone when app passwords are demanded would be counted.
#[test]
fn where_only_app_passwords_count_nothing_that_was_not_compared_is_a_guess() {
    let bench = Bench::new();
    let limits = [Limit::Expired, Limit::OtherService, Limit::OtherNetwork];
    let uncounted = limits.map(|limit| vec![(Hash::Wrong, limit)]);
    for rows in [Vec::new()].into_iter().chain(uncounted) {
        for main in [Hash::Right, Hash::Wrong] {
            let world = World { main, switch: Switch::AppPasswordsOnly, rows: rows.clone() };
            assert_eq!(bench.login(&world), End::Refused("app_password_required"), "{world:?}");
        }
    }
    assert!(!Denial::AppPasswordRequired.is_guess());
}
