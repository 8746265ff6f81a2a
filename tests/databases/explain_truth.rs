//! What `explain` says is what a login gets: generated worlds, each explained and then logged in to.
//!
//! The database is a real one. A login and its explanation each have a decision of their own that remembers nothing, so
//! that neither sees what the other has found out.
#![expect(clippy::disallowed_methods, reason = "a test reads the clock")]

mod worlds;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use keydove::auth::{
    AuthRequest, Credential, Denial, Mechanism, NotAccepted, Origin, Secret, Service, Username,
};
use keydove::backend::keycloak::Client;
use keydove::backend::mailboxes::Mailboxes;
use keydove::backend::people::{People, Sources};
use keydove::backend::records;
use keydove::backend::records::Spawner;
use keydove::backend::sql::{AliasLogins, Database};
use keydove::credential::compared::{Comparisons, Verified};
use keydove::credential::hashing::Hasher;
use keydove::jobs::bookkeeping::Bookkeeper;
use keydove::login::decision::{Decision, DecisionParts, Explanation, Moment, Webmail};
use keydove::login::passdb::{AppPasswordConfig, MasterUsers, MasterUsersConfig, Passdb};
use keydove::login::throttle::{Attempt, Throttle};
use keydove::login::userdb::Userdb;
use keydove::provision::{Config, Provisioner};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::keycloak_double::KeycloakDouble;
use super::provisioning::Other;
use worlds::{AppIs, DomainIs, Limit, MailboxIs, Making, MasterIs, PersonIs, Stored, World, worlds};

const DEADLINE: Duration = Duration::from_secs(5);
const RIGHT: &str = "right";
const WRONG: &str = "wrong";
const APP: &str = "app";
const MASTER: &str = "helper";

/// A verdict and its reason, as both sides name them.
type End = (String, String);

/// What worlds are made in.
pub struct Stage<'a, O> {
    database: Arc<Database>,
    other: &'a O,
    /// Keycloak, and one that is away.
    doubles: [KeycloakDouble; 2],
    sources: [Sources; 2],
    folder: &'a Path,
    hash: String,
}

/// Goes through so many worlds, the same each time.
pub async fn explain_battery(database: Arc<Database>, other: &impl Other, folder: &Path, count: usize) {
    let doubles = [KeycloakDouble::start(false).await, KeycloakDouble::start(true).await];
    let sources = doubles.each_ref().map(|double| Sources::new(vec![(Vec::new(), client(&double.url()))]));
    let stage = Stage { database, other, doubles, sources, folder, hash: hash(RIGHT) };
    stage.seed().await;
    let mut runner = TestRunner::deterministic();
    let mut met = BTreeMap::<End, usize>::new();
    for number in 0..count {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        for end in stage.try_out(number, &world).await {
            *met.entry(end).or_default() += 1;
        }
    }
    // Worlds that all end alike would show nothing.
    assert!(met.len() >= 20 || count < 200, "{met:#?}");
}

impl<O: Other> Stage<'_, O> {
    async fn seed(&self) {
        let plain = r#"{"quota":1048576,"quarantine_category":"reject","quarantine_notification":"never","active":1,"imap_access":1,"pop3_access":1,"smtp_access":1,"sieve_access":1}"#;
        for (name, text) in [
            ("Plain", plain.to_owned()),
            ("Off", plain.replace("\"active\":1", "\"active\":0")),
            ("NoImap", plain.replace("\"imap_access\":1", "\"imap_access\":0")),
        ] {
            let insert = "INSERT INTO templates (template, type, attributes) VALUES";
            self.other.run(&format!("{insert} ('{name}', 'mailbox', '{text}')")).await;
        }
        for (name, mode) in [("masters", 0o600), ("open-masters", 0o644)] {
            let path = self.folder.join(name);
            std::fs::write(&path, format!("{MASTER}:{}\n", self.hash)).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(path, mode).unwrap();
        }
    }

    /// Explains every login of a world, then does it; says how they ended.
    async fn try_out(&self, number: usize, world: &World) -> Vec<End> {
        let user = format!("box@w{number}.example");
        self.build(&user, number, world).await;
        let assumed = self.explain(&user, world, None).await;
        let assumed_end = end_of(&assumed);
        let mut ends = vec![assumed_end.clone()];
        let mut passwords = vec![WRONG.to_owned()];
        passwords.extend((0..world.app_passwords.len()).map(|index| format!("{APP}{index}")));
        // Last, because it may make the mailbox.
        passwords.push(RIGHT.to_owned());
        let mut logins = Vec::new();
        for password in &passwords {
            let told = self.explain(&user, world, Some(password)).await;
            let done = self.log_in(&user, world, password).await;
            assert_eq!(end_of(&told), done, "{password} in {world:#?}\n{told:#?}");
            logins.push(done);
        }
        // The right password is the main one, or an app password where the main one does not count. Where the assumed one
        // opens nothing, no other does.
        assert!(logins[1..].contains(&assumed_end), "{assumed:#?}\n{logins:?}\n{world:#?}");
        let opens = logins.iter().any(|(verdict, _)| verdict == "accept");
        assert_eq!(opens, assumed_end.0 == "accept", "{assumed:#?}\n{logins:?}\n{world:#?}");
        self.tear_down(world).await;
        ends.extend(logins);
        ends
    }

    async fn build(&self, user: &str, number: usize, world: &World) {
        let domain = format!("w{number}.example");
        if world.domain != DomainIs::Absent {
            let (mailboxes, quota) = match world.limit {
                Limit::DomainFull => (0, 100),
                Limit::QuotaLeft => (10, 0),
                _ => (10, 100),
            };
            let active = u8::from(world.domain == DomainIs::On);
            self.other
                .run(&format!(
                    "INSERT INTO domain (domain, mailboxes, maxquota, quota, active) \
                     VALUES ('{domain}', {mailboxes}, 100, {quota}, {active})"
                ))
                .await;
        }
        let mut people = Vec::new();
        let id = |number| format!("id-{number}-{user}");
        let hash = self.stored(world.stored);
        let attributes = || {
            let mut attributes = json!({ "mailcow_password": [hash.clone()] });
            if world.person != PersonIs::Lacking {
                attributes["mail"] = json!(["yes"]);
            }
            attributes
        };
        let person = |number| {
            let enabled = world.person != PersonIs::Disabled;
            json!({ "id": id(number), "username": format!("{number}{user}"), "email": user, "enabled": enabled,
                    "attributes": attributes() })
        };
        match world.person {
            PersonIs::Absent | PersonIs::Unknowable => {}
            PersonIs::Twice => people.extend([person(1), person(2)]),
            PersonIs::Enabled | PersonIs::Disabled | PersonIs::Another | PersonIs::Lacking => {
                people.push(person(1));
            }
        }
        people.push(json!({ "id": "x", "username": "x", "email": "x@else.example", "enabled": true,
                            "attributes": { "mailcow_password": ["x"], "mail": ["yes"] } }));
        self.doubles[0].set_people(people);
        if world.person == PersonIs::Another {
            let insert = "INSERT INTO keydove_person (mailbox, keycloak_id) VALUES";
            self.other.run(&format!("{insert} ('{user}', 'id-before')")).await;
        }
        if world.mailbox != MailboxIs::Absent {
            self.build_mailbox(user, &domain, world).await;
        }
        match world.limit {
            Limit::IsAlias if world.mailbox == MailboxIs::Absent => {
                let insert = "INSERT INTO alias (address, goto, domain) VALUES";
                self.other.run(&format!("{insert} ('{user}', 'x@else.example', '{domain}')")).await;
            }
            Limit::Broken => self.other.break_acl(true).await,
            _ => {}
        }
        if !world.app_table {
            self.other.run("ALTER TABLE app_passwd RENAME TO app_passwd_away").await;
        }
    }

    async fn build_mailbox(&self, user: &str, domain: &str, world: &World) {
        let attributes = match world.switch_on {
            true => "{}".to_owned(),
            false => format!("{{\"{}_access\":\"0\"}}", world.service),
        };
        let (active, kind) = match world.mailbox {
            MailboxIs::Off => (0, ""),
            MailboxIs::ReceiveOnly => (2, ""),
            MailboxIs::Resource => (1, "location"),
            MailboxIs::On | MailboxIs::Absent => (1, ""),
        };
        let authsource = world.authsource.map_or("NULL".to_owned(), |source| format!("'{source}'"));
        let hash = self.stored(world.stored);
        self.other
            .run(&format!(
                "INSERT INTO mailbox (username, password, local_part, domain, quota, kind, attributes, authsource, \
                 active) VALUES ('{user}', '{hash}', 'box', '{domain}', 0, '{kind}', '{attributes}', {authsource}, \
                 {active})"
            ))
            .await;
        if world.second_factor {
            let insert = "INSERT INTO tfa (key_id, username, authmech, active) VALUES";
            self.other.run(&format!("{insert} ('k', '{user}', 'totp', 1)")).await;
        }
        for (index, app) in world.app_passwords.iter().enumerate() {
            self.build_app_password(user, domain, (index, *app), world.service).await;
        }
    }

    async fn build_app_password(
        &self,
        user: &str,
        domain: &str,
        (index, app): (usize, AppIs),
        service: &str,
    ) {
        let hash = match app {
            AppIs::Unusable => "{NONE-SUCH}x".to_owned(),
            _ => hash(&format!("{APP}{index}")),
        };
        let active = u8::from(app != AppIs::Off);
        self.other
            .run(&format!(
                "INSERT INTO app_passwd (name, mailbox, domain, password, active) \
                 VALUES ('{index}', '{user}', '{domain}', '{hash}', {active})"
            ))
            .await;
        let this = format!("(SELECT MAX(id) FROM app_passwd WHERE mailbox = '{user}')");
        let own = "INSERT INTO keydove_app_password (app_passwd, expires, networks) VALUES";
        match app {
            AppIs::ForAnotherService if service != "teapot" => {
                let update = format!("UPDATE app_passwd SET {service}_access = 0 WHERE name = '{index}'");
                self.other.run(&format!("{update} AND mailbox = '{user}'")).await;
            }
            AppIs::Expired => self.other.run(&format!("{own} ({this}, 1, NULL)")).await,
            AppIs::FromElsewhere => self.other.run(&format!("{own} ({this}, NULL, '203.0.113.0/24')")).await,
            _ => {}
        }
    }

    async fn tear_down(&self, world: &World) {
        if world.limit == Limit::Broken {
            self.other.break_acl(false).await;
        }
        if !world.app_table {
            self.other.run("ALTER TABLE app_passwd_away RENAME TO app_passwd").await;
        }
    }

    fn stored(&self, stored: Stored) -> String {
        match stored {
            Stored::Right => self.hash.clone(),
            Stored::Missing => String::new(),
            Stored::WithoutLabel => "right".to_owned(),
            Stored::UnknownScheme => "{NONE-SUCH}right".to_owned(),
            Stored::TooCostly => self.hash.replace("$04$", "$31$"),
            Stored::NotAllowed => "{PLAIN}right".to_owned(),
        }
    }

    async fn explain(&self, user: &str, world: &World, password: Option<&str>) -> Explanation {
        let decision = self.decision(user, world);
        let request = request(user, world, password.unwrap_or_default());
        decision.explain(&request, password.is_some(), moment(), DEADLINE).await
    }

    async fn log_in(&self, user: &str, world: &World, password: &str) -> End {
        let decision = self.decision(user, world);
        let request = request(user, world, password);
        let source = decision.authenticate(&request, moment()).await.verdict.into_source();
        // Whoever is let in at once is whom all steps let in, by the same.
        if let Some(at_once) = decision.let_in_at_once(&request, moment()) {
            assert_eq!(at_once.verdict.into_source(), source, "{password} in {world:#?}");
        }
        let (verdict, reason) = match source {
            Ok(source) => ("accept", source.name()),
            Err(NotAccepted::Refused(denial)) => ("refuse", denial.code()),
            Err(NotAccepted::CannotTell(trouble)) => ("cannot_tell", trouble.reason.code()),
        };
        (verdict.to_owned(), reason.to_owned())
    }

    /// One that remembers nothing.
    fn decision(&self, user: &str, world: &World) -> Decision {
        let cache: records::Config =
            toml::from_str("refetch_pause = '0'\nmailbox_staleness = '5ms'").unwrap();
        let sources = self.sources[usize::from(world.person == PersonIs::Unknowable)].clone();
        let hashing = toml::from_str("threads = 1\nlanes = 1").unwrap();
        let app_only = AppPasswordConfig { only: world.app_only, ..AppPasswordConfig::default() };
        let passdb = Passdb::new(
            People::new(sources, cache.people(), spawner()),
            Hasher::start(&hashing).unwrap(),
            Comparisons::new(Verified::new().unwrap()),
            app_only,
        );
        let file = if world.master == Some(MasterIs::Untold) { "open-masters" } else { "masters" };
        let masters = MasterUsersConfig { file: self.folder.join(file), separator: '*', sending: true };
        let passdb = passdb.with_master_users(world.master.map(|_| MasterUsers::new(masters)));
        let sogo = if world.via_webmail { "addresses = ['192.0.2.1']" } else { "" };
        Decision::new(DecisionParts {
            database: Arc::clone(&self.database),
            mailboxes: Mailboxes::new(
                Arc::clone(&self.database),
                cache.mailboxes(),
                spawner(),
                AliasLogins::default(),
            ),
            passdb,
            userdb: Userdb::new(&toml::from_str("").unwrap()),
            provisioner: Arc::new(Provisioner::new(&making(world.making))),
            webmail: Webmail::new(&toml::from_str(sogo).unwrap(), None),
            throttle: throttle(user, world),
            mail_hosts: None,
            kicker: None,
            bookkeeper: Bookkeeper::disabled(),
        })
    }
}

fn making(making: Making) -> Config {
    let template = match making {
        Making::Off => return Config::default(),
        Making::NoMapping => None,
        Making::On => Some("Plain"),
        Making::TemplateMissing => Some("NoneSuch"),
        Making::MakesItOff => Some("Off"),
        Making::MakesItWithoutImap => Some("NoImap"),
    };
    Config { enabled: Some(true), default_template: template.map(str::to_owned), ..Config::default() }
}

/// One that has seen more guesses than it lets pass, in such a world.
fn throttle(user: &str, world: &World) -> Throttle {
    let now = Instant::now();
    let throttle = Throttle::new(&toml::from_str("").unwrap(), now).unwrap();
    let user = Username::parse(user.as_bytes()).unwrap();
    for guess in 0..if world.throttled { 30 } else { 0 } {
        let password = Secret::from(format!("guess {guess}").as_str());
        let attempt = Attempt { user: &user, password: &password, remote: Some(remote()), now };
        throttle.note_refused(&attempt, Denial::PasswordMismatch);
    }
    throttle
}

fn request(user: &str, world: &World, password: &str) -> AuthRequest {
    let master = match world.master {
        None => String::new(),
        Some(MasterIs::Unknown) => "*nobody".to_owned(),
        Some(MasterIs::Known | MasterIs::Untold) => format!("*{MASTER}"),
    };
    AuthRequest {
        authcid: format!("{user}{master}").as_bytes().into(),
        authzid: Vec::new(),
        credential: Credential::Password(Secret::from(password)),
        service: Service::parse(world.service),
        service_name: world.service.into(),
        mechanism: Some(Mechanism::Plain),
        origin: Origin { remote: Some(remote()), secured: true, session: None },
        wants_fields: true,
    }
}

fn remote() -> IpAddr {
    [192, 0, 2, 1].into()
}

fn moment() -> Moment {
    let monotonic = tokio::time::Instant::now();
    Moment { monotonic, wall: SystemTime::now(), until: monotonic + DEADLINE }
}

fn end_of(explanation: &Explanation) -> End {
    (explanation.verdict.clone(), explanation.reason.clone())
}

pub fn hash(password: &str) -> String {
    format!(
        "{{BLF-CRYPT}}{}",
        bcrypt::hash_with_result(password, 4).unwrap().format_for_version(bcrypt::Version::TwoY)
    )
}

fn spawner() -> Spawner {
    Arc::new(|task| drop(tokio::spawn(task)))
}

pub fn client(url: &str) -> Client {
    let text = format!(
        "server_url = '{url}'\nrealm = 'mail'\nclient_id = 'mailcow'\nrequired_attribute = 'mail=yes'"
    );
    let config: keydove::backend::keycloak::Config = toml::from_str(&text).unwrap();
    Client::new(config.address().unwrap(), &config, Secret::from("s3cret")).unwrap()
}
