//! What a login costs the database: the statements that a real MariaDB sees, before the answer and after it.
#![expect(clippy::disallowed_methods, reason = "a test starts its own tasks and reads the clock")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keydove::auth::{AuthRequest, Credential, Mechanism, Origin, Secret, Service};
use keydove::backend::mail_hosts::{self, MailHosts};
use keydove::backend::mailboxes::Mailboxes;
use keydove::backend::people::{People, Sources};
use keydove::backend::records::{self, Spawner};
use keydove::backend::sql::{AliasLogins, Database};
use keydove::credential::compared::{Comparisons, Verified};
use keydove::credential::hashing::Hasher;
use keydove::jobs::bookkeeping::{self, AcceptedLogin, Bookkeeper, Note};
use keydove::login::decision::{Decision, DecisionParts, Moment, Webmail};
use keydove::login::passdb::Passdb;
use keydove::login::throttle::Throttle;
use keydove::login::userdb::Userdb;
use keydove::provision::{Config, Provisioned, Provisioner};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::explain_truth::{client, hash};
use super::keycloak_double::KeycloakDouble;
use super::mariadb::USER;
use super::others::OtherMariadb;
use super::provisioning::{Other, now, person, provisioner, seed_templates, user};

/// Before the answer and in all, where there is no table of SOGo's users. docs/mailcow.md names both.
const OF_A_FIRST_LOGIN: (usize, usize) = (19, 22);
const TEMPLATE: &str = r#"{"quota":1048576,"active":1,"imap_access":1}"#;

/// What a keydove that knows nothing yet costs.
struct Costs<'a> {
    database: Arc<Database>,
    double: KeycloakDouble,
    other: &'a OtherMariadb<'a>,
    mail_hosts: Option<MailHosts>,
}

/// Statements before the answer, and all of them.
#[derive(Debug)]
struct Cost {
    before: Vec<String>,
    all: Vec<String>,
}

impl Costs<'_> {
    fn decision(&self, bookkeeper: Bookkeeper, provisioner: Arc<Provisioner>) -> Decision {
        let cache: records::Config = toml::from_str("refetch_pause = '0'").unwrap();
        let sources = Sources::new(vec![(Vec::new(), client(&self.double.url()))]);
        let hashing = toml::from_str("threads = 1\nlanes = 1").unwrap();
        let spawner: Spawner = Arc::new(|task| drop(tokio::spawn(task)));
        let passdb = Passdb::new(
            People::new(sources, cache.people(), Arc::clone(&spawner)),
            Hasher::start(&hashing).unwrap(),
            Comparisons::new(Verified::new().unwrap()),
            Default::default(),
        );
        Decision::new(DecisionParts {
            database: Arc::clone(&self.database),
            mailboxes: Mailboxes::new(
                Arc::clone(&self.database),
                cache.mailboxes(),
                spawner,
                AliasLogins::default(),
            ),
            passdb,
            userdb: Userdb::new(&toml::from_str("").unwrap()),
            provisioner,
            webmail: Webmail::new(&toml::from_str("").unwrap(), None),
            throttle: Throttle::disabled(),
            mail_hosts: self.mail_hosts.clone(),
            kicker: None,
            bookkeeper,
        })
    }

    /// A keydove that has just been started is asked for these logins, one after the other, and then stopped. The cost is
    /// that of the last one.
    async fn of(&self, name: &str, passwords: &[&str]) -> Cost {
        let rules = Config {
            enabled: Some(true),
            mappings: [("gold".to_owned(), "Plain".to_owned())].into(),
            ..Config::default()
        };
        let provisioner = Arc::new(Provisioner::new(&rules));
        let config = bookkeeping::Config::default();
        let (bookkeeper, worker) =
            bookkeeping::new(&config, Arc::clone(&self.database), Arc::clone(&provisioner), None);
        let decision = self.decision(bookkeeper.clone(), provisioner);
        let mut before = Vec::new();
        for password in passwords {
            self.begin().await;
            let verdict = decision.authenticate(&request(name, password), moment()).await.verdict;
            before = self.statements().await;
            let accepted = verdict.into_source().is_ok();
            assert_eq!(accepted, *password == "right", "{name} {password}");
            if accepted {
                let login = AcceptedLogin {
                    user: user(name),
                    service: "imap".into(),
                    app_password: None,
                    remote: Some([192, 0, 2, 7].into()),
                };
                bookkeeper.note(Note::Accepted(login));
            }
        }
        // Only now is anything written down; it works off what it has, and ends.
        let stop = CancellationToken::new();
        stop.cancel();
        Box::pin(worker.run(stop)).await;
        Cost { before, all: self.statements().await }
    }

    async fn begin(&self) {
        self.other.run("TRUNCATE mysql.general_log").await;
    }

    /// What keydove has asked since [`begin`](Self::begin); a statement that is prepared first counts once more.
    async fn statements(&self) -> Vec<String> {
        let rows = self
            .other
            .ask(&format!(
                "SELECT command_type, argument FROM mysql.general_log WHERE user_host LIKE '{}[%' \
                    AND command_type IN ('Query', 'Execute', 'Prepare') ORDER BY event_time",
                USER.0
            ))
            .await;
        let text = |row: Vec<Option<String>>| row.into_iter().flatten().collect::<Vec<_>>().join(" ");
        rows.into_iter().map(text).collect()
    }
}

/// A cold login is one question before its answer, and a wrong password is one question.
pub async fn a_login_costs_few_statements(database: Arc<Database>, other: &OtherMariadb<'_>) {
    let double = KeycloakDouble::start(false).await;
    let person = |name: &str| {
        json!({ "id": name, "username": name, "email": name, "enabled": true,
                "attributes": { "mailcow_password": [hash("right")], "mail": ["yes"],
                                "mailcow_template": ["gold"] } })
    };
    let names = ["warm@costs.example", "ann@costs.example"];
    double.set_people(names.map(person).to_vec());
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('costs.example', 10)").await;
    let insert = "INSERT INTO templates (template, type, attributes) VALUES";
    other.run(&format!("{insert} ('Plain', 'mailbox', '{TEMPLATE}')")).await;
    for name in names {
        let insert =
            "INSERT INTO mailbox (username, password, local_part, domain, authsource, attributes) VALUES";
        let local = name.split('@').next().unwrap();
        other.run(&format!("{insert} ('{name}', '', '{local}', 'costs.example', 'keycloak', '{{}}')")).await;
        other.run(&format!("INSERT INTO user_acl (username) VALUES ('{name}')")).await;
    }
    other.run("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1").await;
    let costs = Costs { database, double, other, mail_hosts: None };
    // Statements are prepared, and keydove's own tables are looked for.
    let [warm, ann] = names;
    Box::pin(costs.of(warm, &["right"])).await;
    Box::pin(costs.of(warm, &["right"])).await;
    for (what, name, passwords, before, all) in [
        // A first login applies the template, which is a dozen statements once.
        ("the first login of somebody", ann, &["right"][..], 1, None),
        // The question; then the templates, which are kept for a while, and the row of the history.
        ("a cold login", ann, &["right"], 1, Some(3)),
        ("a cold wrong password", ann, &["wrong"], 1, Some(1)),
        ("a wrong password of somebody known", ann, &["right", "wrong"], 1, None),
        ("a known login", ann, &["right", "right"], 0, None),
    ] {
        let cost = Box::pin(costs.of(name, passwords)).await;
        assert_eq!(cost.before.len(), before, "{what}: {cost:#?}");
        assert!(all.is_none_or(|all| cost.all.len() == all), "{what}: {cost:#?}");
    }
    // Somebody without a mailbox: the rules, and a row in each of mailcow's tables.
    let newcomer = "new@costs.example";
    costs.double.set_people([names[0], names[1], newcomer].map(person).to_vec());
    let cost = Box::pin(costs.of(newcomer, &["right"])).await;
    let numbers = (executed(&cost.before).len(), executed(&cost.all).len());
    assert_eq!(numbers, OF_A_FIRST_LOGIN, "a first login: {cost:#?}");
    // The sync looks at a page of a hundred people.
    let page: Vec<_> = (0..100).map(|number| user(&format!("p{number}@costs.example"))).collect();
    costs.begin().await;
    costs.database.standings(page).await.unwrap();
    let asked = costs.statements().await;
    assert_eq!(executed(&asked).len(), 5, "a page of the sync: {asked:#?}");
    // What one statement cannot read is read by several, and the login gets in: `of` sees to it.
    let unlike = "ALTER TABLE keydove_person CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci";
    for (away, back) in [
        (unlike, "DO 1"),
        ("RENAME TABLE app_passwd TO away", "RENAME TABLE away TO app_passwd"),
        ("RENAME TABLE sasl_log TO away", "RENAME TABLE away TO sasl_log"),
    ] {
        other.run(away).await;
        Box::pin(costs.of(ann, &["right"])).await;
        other.run(back).await;
    }
}

/// Where a mailbox lives is part of the one question; behind [`a_login_costs_few_statements`], on its rows.
pub async fn a_backend_costs_no_statement(database: Arc<Database>, other: &OtherMariadb<'_>) {
    let alike = "ALTER TABLE keydove_person CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";
    other.run(alike).await;
    let double = KeycloakDouble::start(false).await;
    let name = "ann@costs.example";
    double.set_people(vec![json!({ "id": name, "username": name, "email": name, "enabled": true,
        "attributes": { "mailcow_password": [hash("right")], "mail": ["yes"], "mailcow_template": ["gold"] } })]);
    let backend = toml::from_str("name = 'b1'\nhost = '192.0.2.11'").unwrap();
    let mail_hosts = MailHosts::new(&mail_hosts::Config::default(), &[backend]);
    let costs = Costs { database, double, other, mail_hosts };
    // It gets its backend, and statements are prepared.
    for _ in 0..3 {
        Box::pin(costs.of(name, &["right"])).await;
    }
    for (what, passwords, before) in [
        ("a cold login", &["right"][..], 1),
        ("a cold wrong password", &["wrong"], 1),
        ("a known login", &["right", "right"], 0),
    ] {
        let cost = Box::pin(costs.of(name, passwords)).await;
        assert_eq!(cost.before.len(), before, "{what}: {cost:#?}");
    }
    let backend = super::provisioning::count(other, "keydove_placement", "backend = 'b1'").await;
    assert_eq!(backend, 1);
}

/// However many mailboxes the domain has, each new one of a page costs the same.
pub async fn an_import_looks_at_the_mailboxes_of_its_domain_once(
    database: &Database,
    other: &OtherMariadb<'_>,
) {
    const THERE: u64 = 3000;
    const NEW: u64 = 20;
    seed_templates(other).await;
    other.run("INSERT INTO domain (domain, mailboxes, quota) VALUES ('big.example', 5000, 10000000)").await;
    other
        .run(&format!(
            "INSERT INTO mailbox (username, password, local_part, domain) SELECT CONCAT('s', seq, '@big.example'), \
             '', CONCAT('s', seq), 'big.example' FROM seq_1_to_{THERE}; ANALYZE TABLE mailbox"
        ))
        .await;
    let provisioner = provisioner(Duration::ZERO);
    let rulebook = provisioner.rulebook(database).await.unwrap();
    let plan = |number| rulebook.plan(&person(&format!("n{number}@big.example"), "gold")).unwrap();
    let plans: Vec<_> = (0..NEW).map(|number| (plan(number), String::new())).collect();
    let before = rows_read(other).await;
    for end in provisioner.import(database, plans, now()).await {
        assert!(matches!(end, Ok(Provisioned::Created(_))), "{end:?}");
    }
    let read = rows_read(other).await - before;
    // Should a slow machine make two transactions of it, it is twice.
    assert!((THERE..THERE * NEW / 2).contains(&read), "{read} rows were read");
}

/// How many rows all statements together have read so far, by an index or one after the other.
async fn rows_read(other: &OtherMariadb<'_>) -> u64 {
    let rows = other.ask("SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Handler_read%next'").await;
    rows.iter().map(|row| row[1].as_ref().unwrap().parse::<u64>().unwrap()).sum()
}

/// Without what prepares a statement for the first time on a connection.
fn executed(statements: &[String]) -> Vec<&String> {
    statements.iter().filter(|statement| !statement.starts_with("Prepare")).collect()
}

fn request(name: &str, password: &str) -> AuthRequest {
    AuthRequest {
        authcid: name.into(),
        authzid: Vec::new(),
        credential: Credential::Password(Secret::from(password)),
        service: Service::Imap,
        service_name: "imap".into(),
        mechanism: Some(Mechanism::Plain),
        origin: Origin { remote: Some([192, 0, 2, 7].into()), secured: true, session: None },
        wants_fields: true,
    }
}

fn moment() -> Moment {
    let monotonic = tokio::time::Instant::now();
    Moment { monotonic, wall: SystemTime::now(), until: monotonic + Duration::from_secs(30) }
}
