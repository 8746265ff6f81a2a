//! What Postfix asks of addresses, with mailcow's rules, asked of real tables.

use std::time::{Duration, SystemTime};

use keydove::auth::{TempFailReason, Username};
use keydove::backend::sql::{Database, DomainName};

use super::mariadb::{DATABASE, MariadbServer, USER};
use super::provisioning::Other;

/// The moment of every question, in seconds since 1970.
const NOW: u64 = 1_800_000_000;

const ROWS: &str = "
INSERT INTO domain (domain, active, backupmx) VALUES
    ('example.org', 1, 0), ('off.example', 0, 0), ('relay.example', 1, 1), ('münchen.example', 1, 0);
INSERT INTO alias_domain (alias_domain, target_domain, active) VALUES
    ('twin.example', 'example.org', 1), ('idle.example', 'example.org', 0);
INSERT INTO mailbox (username, password, local_part, domain, active) VALUES
    ('alice@example.org', '', 'alice', 'example.org', 1), ('bob@example.org', '', 'bob', 'example.org', 2),
    ('off@example.org', '', 'off', 'example.org', 0), ('norow@example.org', '', 'norow', 'example.org', 1),
    ('müller@example.org', '', 'müller', 'example.org', 1), ('a@münchen.example', '', 'a', 'münchen.example', 1);
INSERT INTO alias (address, goto, domain, active, sender_allowed) VALUES
    ('alice@example.org', 'alice@example.org', 'example.org', 1, 1),
    ('bob@example.org', 'bob@example.org', 'example.org', 1, 1),
    ('info@example.org', 'alice@example.org, bob@example.org', 'example.org', 1, 1),
    ('info+news@example.org', 'bob@example.org', 'example.org', 1, 1),
    ('hidden@example.org', 'alice@example.org', 'example.org', 2, 1),
    ('gone@example.org', 'alice@example.org', 'example.org', 0, 1),
    ('mute@example.org', 'alice@example.org', 'example.org', 1, 0),
    ('@münchen.example', 'alice@example.org', 'münchen.example', 1, 1),
    ('a@off.example', 'alice@example.org', 'off.example', 1, 1),
    ('own@twin.example', 'bob@example.org', 'twin.example', 1, 1);
INSERT INTO spamalias (address, goto, description, validity, permanent) VALUES
    ('soon@example.org', 'alice@example.org', '', 1800000000, 0),
    ('over@example.org', 'alice@example.org', '', 1799999999, 0),
    ('ever@example.org', 'alice@example.org', '', NULL, 1);
INSERT INTO sender_acl (logged_in_as, send_as) VALUES
    ('bob@example.org', 'shared@example.net'), ('Carol@Example.org', '@example.net'),
    ('boss@example.org', '*'), ('bob@example.org', 'given@example.org'), ('bob@example.org', '@relay.example')";

/// Runs everything on a database with empty tables.
pub async fn maps_battery(database: &Database, other: &impl Other) {
    other.run(ROWS).await;
    domains_that_are_on_are_here(database).await;
    mailboxes_that_are_on_or_receive_are_here(database).await;
    aliases_lead_where_mailcow_leads_them(database).await;
    a_catch_all_takes_what_nothing_else_takes(database, other).await;
    senders_belong_to_whom_mailcow_gives_them(database).await;
    every_domain_can_be_given_away(database).await;
}

async fn domains_that_are_on_are_here(database: &Database) {
    for (name, here) in [
        ("example.org", true),
        ("EXAMPLE.org", true),
        ("off.example", false),
        ("relay.example", false),
        ("twin.example", true),
        ("idle.example", false),
        ("xn--mnchen-3ya.example", true),
        ("munchen.example", false),
        ("example.net", false),
    ] {
        let domain = DomainName::parse(name).unwrap();
        assert_eq!(database.hosts_domain(&domain).await.unwrap(), here, "{name}");
    }
}

async fn mailboxes_that_are_on_or_receive_are_here(database: &Database) {
    for (asked, found) in [
        ("alice@example.org", Some("alice@example.org")),
        ("Alice+tag@Example.org", Some("alice@example.org")),
        ("bob@example.org", Some("bob@example.org")),
        ("off@example.org", None),
        ("info@example.org", None),
        ("muller@example.org", None),
        ("müller@example.org", Some("müller@example.org")),
        ("a@xn--mnchen-3ya.example", Some("a@xn--mnchen-3ya.example")),
        ("alice@twin.example", None),
        ("o'x%_@example.org", None),
    ] {
        let asked = Username::parse(asked.as_bytes()).unwrap();
        let answer = database.find_receiver(&asked).await.unwrap();
        assert_eq!(answer.as_ref().map(Username::as_str), found, "{asked}");
    }
}

async fn aliases_lead_where_mailcow_leads_them(database: &Database) {
    for (asked, found) in [
        ("alice@example.org", Some("alice@example.org")),
        ("alice+x@example.org", Some("alice+x@example.org")),
        ("INFO@example.org", Some("alice@example.org,bob@example.org")),
        ("info+x@example.org", Some("alice+x@example.org,bob+x@example.org")),
        ("info+news@example.org", Some("bob@example.org")),
        ("hidden@example.org", Some("alice@example.org")),
        ("gone@example.org", None),
        ("mute@example.org", Some("alice@example.org")),
        ("norow@example.org", None),
        ("nobody@example.org", None),
        ("soon@example.org", Some("alice@example.org")),
        ("over@example.org", None),
        ("ever+x@example.org", Some("alice+x@example.org")),
        ("alice@twin.example", Some("alice@example.org")),
        ("bob+x@twin.example", Some("bob+x@example.org")),
        ("off@twin.example", None),
        ("info@twin.example", None),
        ("own@twin.example", Some("bob@example.org")),
        ("alice@idle.example", None),
        ("anybody@münchen.example", Some("alice@example.org")),
        ("any+x@xn--mnchen-3ya.example", Some("alice@example.org")),
        ("a@münchen.example", None),
    ] {
        assert_eq!(alias(database, asked).await.as_deref(), found, "{asked}");
    }
}

async fn a_catch_all_takes_what_nothing_else_takes(database: &Database, other: &impl Other) {
    other
        .run("INSERT INTO alias (address, goto, domain) VALUES ('@example.org', 'bob@example.org', 'example.org')")
        .await;
    for (asked, found) in [
        ("nobody@example.org", Some("bob@example.org")),
        ("alice+x@example.org", Some("alice+x@example.org")),
        ("norow+x@example.org", None),
        ("ever@example.org", Some("alice@example.org")),
        ("gone@example.org", Some("bob@example.org")),
        ("off@example.org", Some("bob@example.org")),
    ] {
        assert_eq!(alias(database, asked).await.as_deref(), found, "{asked}");
    }
    assert_eq!(owners(database, "nobody@example.org").await, ["bob@example.org", "boss@example.org"]);
    other.run("DELETE FROM alias WHERE address = '@example.org'").await;
}

async fn senders_belong_to_whom_mailcow_gives_them(database: &Database) {
    for (sender, found) in [
        ("alice@example.org", vec!["alice@example.org"]),
        ("Alice+x@example.org", vec!["alice@example.org"]),
        ("info@example.org", vec!["alice@example.org", "bob@example.org"]),
        ("hidden@example.org", vec!["alice@example.org"]),
        ("gone@example.org", vec![]),
        ("mute@example.org", vec![]),
        ("norow@example.org", vec![]),
        ("a@off.example", vec![]),
        ("ever@example.org", vec![]),
        ("shared@example.net", vec!["bob@example.org", "carol@example.org"]),
        ("other@example.net", vec!["carol@example.org"]),
        ("given@twin.example", vec!["bob@example.org"]),
        ("given@idle.example", vec![]),
        ("alice@twin.example", vec!["alice@example.org"]),
        ("bob+x@twin.example", vec!["bob@example.org"]),
        ("off@twin.example", vec![]),
        ("own@twin.example", vec!["bob@example.org"]),
        ("x@relay.example", vec!["bob@example.org"]),
        ("any@münchen.example", vec!["alice@example.org"]),
        ("somebody@example.com", vec![]),
    ] {
        let mut found = found;
        found.push("boss@example.org");
        found.sort_unstable();
        assert_eq!(owners(database, sender).await, found, "{sender}");
    }
}

async fn every_domain_can_be_given_away(database: &Database) {
    let anybodys = database.sender_owners(None).await.unwrap();
    assert_eq!(anybodys, ["boss@example.org"], "an address that no mailbox can have");
}

/// The rights to the columns that are read are enough, and a missing one is trouble, never an answer.
pub async fn few_rights_are_enough_for_maps(server: &MariadbServer, other: &impl Other) {
    let (user, _) = USER;
    other
        .run(&format!(
            "REVOKE SELECT ON {DATABASE}.* FROM {user}@localhost;
             GRANT SELECT (domain, active, backupmx) ON {DATABASE}.domain TO {user}@localhost;
             GRANT SELECT (alias_domain, target_domain, active) ON {DATABASE}.alias_domain TO {user}@localhost;
             GRANT SELECT (username, active) ON {DATABASE}.mailbox TO {user}@localhost;
             GRANT SELECT (address, goto, active, sender_allowed, domain) ON {DATABASE}.alias TO {user}@localhost;
             GRANT SELECT (address, goto, validity, permanent) ON {DATABASE}.spamalias TO {user}@localhost"
        ))
        .await;
    let database = super::ground::connect(server).await;
    domains_that_are_on_are_here(&database).await;
    mailboxes_that_are_on_or_receive_are_here(&database).await;
    aliases_lead_where_mailcow_leads_them(&database).await;
    let alice = Username::parse(b"alice@example.org").unwrap();
    let error = database.sender_owners(Some(&alice)).await.unwrap_err();
    assert_eq!(error.temp_fail().reason, TempFailReason::SqlError, "{error}");
    other
        .run(&format!("GRANT SELECT (logged_in_as, send_as) ON {DATABASE}.sender_acl TO {user}@localhost"))
        .await;
    senders_belong_to_whom_mailcow_gives_them(&database).await;
    server.stop().await;
    let error = database.find_receiver(&alice).await.unwrap_err();
    assert_eq!(error.temp_fail().reason, TempFailReason::SqlUnreachable, "{error}");
    server.start().await;
    mailboxes_that_are_on_or_receive_are_here(&database).await;
    database.close().await;
}

async fn alias(database: &Database, asked: &str) -> Option<String> {
    let asked = Username::parse(asked.as_bytes()).unwrap();
    database.find_alias(&asked, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)).await.unwrap()
}

async fn owners(database: &Database, sender: &str) -> Vec<String> {
    let sender = Username::parse(sender.as_bytes()).unwrap();
    let mut owners = database.sender_owners(Some(&sender)).await.unwrap();
    owners.sort_unstable();
    owners
}
