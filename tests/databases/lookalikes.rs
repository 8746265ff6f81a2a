//! Names that a database takes for one another: umlauts, ß, letter case, blanks at the end, zero-width characters.
//! Whatever decides is decided by the normal form, on both databases alike.

use keydove::auth::ProvisionRefusal;
use keydove::backend::sql::{
    AdminError, AliasAddress, AliasSettings, Creation, Database, DomainName, DomainSettings, MailboxSettings,
    MailboxState, Obstacle, SwitchOff,
};
use keydove::provision::Provisioned;

use super::administration::rows;
use super::provisioning::{Other, count, one_row, person, provision, user};

/// A domain, and one that MariaDB takes for it where the domain is in Unicode.
const PAIRS: [(&str, &str); 2] = [("like.example", "lïke.example"), ("strase.example", "straße.example")];

pub async fn lookalikes_battery(database: &Database, other: &impl Other) {
    super::provisioning::seed_templates(other).await;
    for (plain, odd) in PAIRS {
        a_domain_is_counted_without_its_lookalike(database, plain, odd).await;
        an_address_is_no_alias_because_another_looks_like_it(database, other, plain, odd).await;
        what_is_switched_is_the_mailbox_alone(database, other, plain, odd).await;
    }
    what_the_database_cannot_tell_apart_is_named(database, other).await;
    usage_is_nobody_elses(database, other).await;
    a_person_is_found_by_their_own_id(database, other).await;
    people_of_a_page_have_their_own_mailboxes(database, other).await;
}

fn name(domain: &str) -> DomainName {
    DomainName::parse(domain).unwrap()
}

async fn a_domain_is_counted_without_its_lookalike(database: &Database, plain: &str, odd: &str) {
    let limits = DomainSettings {
        mailboxes: Some(2),
        quota_mib: Some(3000),
        max_quota_mib: Some(3000),
        ..DomainSettings::default()
    };
    for domain in [plain, odd] {
        database.add_domain(&name(domain), &limits).await.unwrap();
    }
    for number in 0..2 {
        let made = database.create_mailbox(&rows(&format!("a{number}@{plain}"), "", 1024)).await.unwrap();
        assert_eq!(made, Creation::Created);
    }
    let full = database.create_mailbox(&rows(&format!("more@{plain}"), "", 1)).await.unwrap();
    assert_eq!(full, Creation::Refused(ProvisionRefusal::MaxMailboxExceeded));
    // The other one is empty, and takes as many.
    let domains = database.domains().await.unwrap();
    let used = |domain: &str| {
        domains
            .iter()
            .find(|row| name(&row.name) == name(domain))
            .map(|row| (row.mailboxes_used, row.quota_given >> 20))
    };
    assert_eq!((used(plain), used(odd)), (Some((2, 2048)), Some((0, 0))));
    for number in 0..2 {
        let made = database.create_mailbox(&rows(&format!("a{number}@{odd}"), "", 1024)).await.unwrap();
        assert_eq!(made, Creation::Created, "a{number}@{odd}");
    }
    let changed = DomainSettings { mailboxes: Some(1), ..DomainSettings::default() };
    let refused = database.set_domain(&name(odd), &changed).await.unwrap_err();
    assert!(refused.to_string().contains("it has 2 mailboxes already"), "{refused}");
    assert_eq!(database.mailboxes(Some(&name(plain))).await.unwrap().len(), 2);
    assert_eq!(database.mailboxes(Some(&name(odd))).await.unwrap().len(), 2);
    // Room for what follows.
    let room = DomainSettings { mailboxes: Some(50), quota_mib: Some(300_000), ..DomainSettings::default() };
    for domain in [plain, odd] {
        database.set_domain(&name(domain), &room).await.unwrap();
    }
}

async fn an_address_is_no_alias_because_another_looks_like_it(
    database: &Database,
    other: &impl Other,
    plain: &str,
    odd: &str,
) {
    let to = AliasSettings { to: Some(vec![user("x@elsewhere.example")]), ..AliasSettings::default() };
    let alias = |text: String| AliasAddress::parse(&text).unwrap();
    database.add_alias(&alias(format!("b@{plain}")), &to).await.unwrap();
    other
        .run(&format!(
            "INSERT INTO spamalias (address, goto, description, validity) VALUES ('c@{plain}', 'x', '', 2000000000)"
        ))
        .await;
    for local in ["b", "c"] {
        let made = provision(database, &person(&format!("{local}@{odd}"), "none")).await;
        assert!(matches!(made, Ok(Provisioned::Created(_))), "{local}@{odd}: {made:?}");
    }
    // And the other way round: mailboxes and temporary aliases of the one are no obstacle for aliases of the other.
    for local in ["a0", "c"] {
        let address = alias(format!("{local}@{odd}"));
        let error = database.add_alias(&address, &to).await.unwrap_err();
        assert!(matches!(error, AdminError::Obstacle(Obstacle::AliasIsMailbox(_))), "{error}");
    }
    database.add_alias(&alias(format!("d@{odd}")), &to).await.unwrap();
    database.add_alias(&alias(format!("d@{plain}")), &to).await.unwrap();
    let again = database.add_alias(&alias(format!("D@{plain}")), &to).await.unwrap_err();
    assert!(matches!(again, AdminError::Obstacle(Obstacle::AliasExists(_))), "{again}");
    let temporary = database.add_alias(&alias(format!("C@{plain}")), &to).await.unwrap_err();
    assert!(matches!(temporary, AdminError::Obstacle(Obstacle::AliasIsTemporary(_))), "{temporary}");
}

async fn what_is_switched_is_the_mailbox_alone(
    database: &Database,
    other: &impl Other,
    plain: &str,
    odd: &str,
) {
    let off = || MailboxSettings { active: Some(MailboxState::Off), ..MailboxSettings::default() };
    let odd_user = user(&format!("a0@{odd}"));
    database.set_mailbox(&odd_user, off()).await.unwrap();
    let state = async |table: &str, key: &str, name: &str| one_row(other, table, "active", key, name).await;
    let plain_name = format!("a0@{plain}");
    assert_eq!(state("mailbox", "username", odd_user.as_str()).await, ["0"]);
    assert_eq!(state("alias", "address", odd_user.as_str()).await, ["0"]);
    assert_eq!(state("mailbox", "username", &plain_name).await, ["1"]);
    assert_eq!(state("alias", "address", &plain_name).await, ["1"]);
    assert!(database.switch_off(&plain_name, SwitchOff::Disabled).await.unwrap());
    assert_eq!(state("alias", "address", &plain_name).await, ["0"]);
    assert!(database.switch_on_again(&plain_name).await.unwrap());
    assert_eq!(state("mailbox", "username", odd_user.as_str()).await, ["0"]);
}

/// A stored name in Unicode, which MariaDB's unique keys take for the plain one, while SQLite has room for both.
async fn what_the_database_cannot_tell_apart_is_named(database: &Database, other: &impl Other) {
    database.add_domain(&name("keys.example"), &DomainSettings::default()).await.unwrap();
    other
        .run(
            "INSERT INTO domain (domain) VALUES ('ümlaut.example');
             INSERT INTO alias (address, goto, domain) VALUES ('jörg@keys.example', 'x@y.example', 'keys.example');
             INSERT INTO alias (address, goto, domain) VALUES ('zero\u{200b}@keys.example', 'x@y.example', 'keys.example')",
        )
        .await;
    let is_loose = count(other, "domain", "'ä' = 'a' AND domain = 'keys.example'").await == 1;
    let domain = database.add_domain(&name("umlaut.example"), &DomainSettings::default()).await;
    let to = AliasSettings { to: Some(vec![user("x@elsewhere.example")]), ..AliasSettings::default() };
    let jorg = AliasAddress::parse("jorg@keys.example").unwrap();
    let alias = database.add_alias(&jorg, &to).await;
    match is_loose {
        true => {
            assert!(
                matches!(domain, Err(AdminError::Obstacle(Obstacle::DomainLooksAlike { .. }))),
                "{domain:?}"
            );
            assert!(
                matches!(alias, Err(AdminError::Obstacle(Obstacle::AliasLooksAlike { .. }))),
                "{alias:?}"
            );
        }
        false => {
            domain.unwrap();
            alias.unwrap();
        }
    }
    let spelt = database.add_domain(&name("ÜMLAUT.example"), &DomainSettings::default()).await;
    assert!(matches!(spelt, Err(AdminError::Obstacle(Obstacle::DomainExists(_)))), "{spelt:?}");
    let zero = provision(database, &person("zero@keys.example", "none")).await;
    assert!(matches!(zero, Ok(Provisioned::Created(_))), "{zero:?}");
}

async fn usage_is_nobody_elses(database: &Database, other: &impl Other) {
    other
        .run(
            "INSERT INTO domain (domain, mailboxes) VALUES ('usage.example', 9);
             INSERT INTO mailbox (username, password, local_part, domain) VALUES ('u@usage.example', '', 'u', 'usage.example');
             INSERT INTO quota2 (username, bytes, messages) VALUES ('ü@usage.example', 7, 7)",
        )
        .await;
    let mailboxes = database.mailboxes(Some(&name("usage.example"))).await.unwrap();
    assert_eq!(
        mailboxes.iter().map(|row| (row.address.as_str(), row.used)).collect::<Vec<_>>(),
        [("u@usage.example", 0)]
    );
}

async fn a_person_is_found_by_their_own_id(database: &Database, other: &impl Other) {
    let (plain, odd) = ("f:store:muller", "f:store:Müller");
    other
        .run(
            "INSERT INTO mailbox (username, password, local_part, domain) VALUES ('id@usage.example', '', 'id', 'usage.example')",
        )
        .await;
    database.remember_person(&user("id@usage.example"), odd, "").await.unwrap();
    assert_eq!(database.mailbox_of_id(plain).await.unwrap(), None);
    assert_eq!(database.mailbox_of_id("f:store:müller").await.unwrap(), None);
    assert_eq!(database.mailbox_of_id(odd).await.unwrap().as_deref(), Some("id@usage.example"));
}

async fn people_of_a_page_have_their_own_mailboxes(database: &Database, other: &impl Other) {
    other
        .run(
            "INSERT INTO mailbox (username, password, local_part, domain, authsource) VALUES
             ('People@usage.example', '', 'people', 'usage.example', 'keycloak'),
             ('pëople2@usage.example', '', 'pëople2', 'usage.example', 'keycloak');
             INSERT INTO keydove_person (mailbox, keycloak_id, source) VALUES
             ('people@usage.example', 'one', 'Häuser'), ('people2@usage.example', 'two', 'Häuser')",
        )
        .await;
    let people = database.remembered_people("Häuser", "", 10).await.unwrap();
    assert_eq!(
        people.iter().map(|person| person.mailbox.as_str()).collect::<Vec<_>>(),
        ["people@usage.example"]
    );
    assert!(database.remembered_people("Hauser", "", 10).await.unwrap().is_empty());
    // A look-alike is not switched off in place of somebody whose mailbox is gone.
    assert!(!database.switch_off("people2@usage.example", SwitchOff::Disabled).await.unwrap());
    assert_eq!(count(other, "mailbox", "active = 0 AND username LIKE 'p%ople2@usage.example'").await, 0);
}
