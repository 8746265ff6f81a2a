//! The administrator's questions, against a real database: each add, list and set, and what stands against them.
//!
//! The tables must be empty, and keydove's user must be allowed to write.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

mod mailboxes;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use keydove::backend::sql::{
    AdminError, AliasAddress, AliasSettings, Database, DomainName, DomainSettings, Error, MailboxSettings,
    NewMailboxRows, Obstacle, StoredTemplate,
};
use keydove::provision::{Identity, NewMailbox, Template, TemplateText};

use super::app_passwords;
use super::mariadb::{DATABASE, MariadbServer, USER};
use super::others::OtherMariadb;
use super::provisioning::{Other, count, one_row, user};

/// Runs everything. Leaves rows behind.
pub async fn administration_battery(database: &Database, other: &impl Other) {
    domains_are_made_listed_and_changed(database, other).await;
    limits_of_a_domain_hold_what_is_there(database, other).await;
    both_spellings_of_a_domain_are_one(database, other).await;
    templates_are_kept_byte_for_byte(database, other).await;
    mailboxes::mailbox_battery(database, other).await;
    aliases_are_made_listed_and_changed(database, other).await;
    what_stands_against_an_alias_is_named(database, other).await;
    app_passwords::app_password_battery(database, other).await;
}

/// keydove's user may read only: the complaint names the right and the table, and nothing is written.
pub async fn a_missing_right_is_named(database: &Database, server: &MariadbServer, other: &OtherMariadb<'_>) {
    let complaint = complaint_of_the_command(server);
    let grant = format!("run: GRANT INSERT ON `{DATABASE}`.`domain` TO 'keydove'@'localhost';");
    assert!(complaint.contains(&grant), "{complaint}");
    let (name, settings) = (domain("rights.example"), DomainSettings::default());
    assert_right_missing(database.add_domain(&name, &settings).await, "INSERT");
    assert_eq!(count(other, "domain", "domain = 'rights.example'").await, 0);
    other.grant("INSERT").await;
    database.add_domain(&name, &settings).await.unwrap();
    assert_right_missing(database.set_domain(&name, &settings).await, "UPDATE");
    other.grant("UPDATE, DELETE, CREATE").await;
    database.set_domain(&name, &settings).await.unwrap();
}

/// What `keydove domain add` says.
fn complaint_of_the_command(server: &MariadbServer) -> String {
    let socket = server.socket();
    let folder = socket.parent().unwrap();
    let (config, secret) = (folder.join("keydove.toml"), folder.join("password"));
    let text = format!(
        "[[listener]]\ndoor = 'auth-client'\nrole = 'dovecot'\npath = '{folder}/auth'\n\
         [keycloak]\nserver_url = 'https://sso.example.org'\nrealm = 'mail'\nclient_id = 'keydove'\n\
         client_secret_file = '{folder}/missing'\n[storage.mariadb]\nsocket = '{socket}'\nuser = '{user}'\n\
         password_file = '{folder}/password'\ndatabase = '{DATABASE}'\n",
        folder = folder.display(),
        socket = socket.display(),
        user = USER.0,
    );
    std::fs::write(&config, text).unwrap();
    std::fs::write(&secret, USER.1).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keydove"));
    let output = command.args(["domain", "add", "rights.example", "--config"]).arg(config).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(70), 0));
    String::from_utf8(output.stderr).unwrap()
}

fn assert_right_missing(end: Result<(), AdminError>, right: &str) {
    let Err(AdminError::Database(error)) = end else { panic!("{right}: {end:?}") };
    let words = error.to_string();
    assert!(matches!(error, Error::Schema { .. }), "{words}");
    assert!(
        words.contains(&format!("{right} command denied to user")) && words.contains("domain"),
        "{words}"
    );
}

async fn domains_are_made_listed_and_changed(database: &Database, other: &impl Other) {
    let name = domain("Admin.example");
    database.add_domain(&name, &DomainSettings::default()).await.unwrap();
    let columns = "domain, description, aliases, mailboxes, defquota, maxquota, quota, relayhost, backupmx, gal, active";
    let expected = ["admin.example", "", "400", "10", "3072", "102400", "102400", "0", "0", "1", "1"];
    assert_eq!(one_row(other, "domain", columns, "domain", "admin.example").await, expected);
    let again = database.add_domain(&domain("ADMIN.example"), &DomainSettings::default()).await;
    assert_eq!(obstacle(again), Obstacle::DomainExists("admin.example".to_owned()));

    let settings = DomainSettings {
        description: Some("the firm's".to_owned()),
        mailboxes: Some(3),
        active: Some(false),
        ..DomainSettings::default()
    };
    database.set_domain(&name, &settings).await.unwrap();
    let expected =
        ["admin.example", "the firm's", "400", "3", "3072", "102400", "102400", "0", "0", "1", "0"];
    assert_eq!(one_row(other, "domain", columns, "domain", "admin.example").await, expected);
    database
        .set_domain(&name, &DomainSettings { active: Some(true), ..DomainSettings::default() })
        .await
        .unwrap();
    let unknown = database.set_domain(&domain("none.example"), &settings).await;
    assert_eq!(obstacle(unknown), Obstacle::DomainUnknown("none.example".to_owned()));
    other
        .run("INSERT INTO alias_domain (alias_domain, target_domain) VALUES ('other.example', 'admin.example')")
        .await;
    let alias = database.add_domain(&domain("other.example"), &settings).await;
    assert_eq!(obstacle(alias), Obstacle::DomainIsAlias("other.example".to_owned()));
    assert_eq!(count(other, "domain", "domain IN ('none.example', 'other.example')").await, 0);
}

async fn limits_of_a_domain_hold_what_is_there(database: &Database, other: &impl Other) {
    let name = domain("limits.example");
    let new = DomainSettings { quota_mib: Some(10), ..DomainSettings::default() };
    database.add_domain(&name, &new).await.unwrap();
    let columns = "defquota, maxquota, quota";
    assert_eq!(one_row(other, "domain", columns, "domain", "limits.example").await, ["10", "10", "10"]);
    other
        .run(
            "INSERT INTO mailbox (username, password, local_part, domain, quota, kind) VALUES
             ('a@limits.example', '', 'a', 'limits.example', 4194304, ''),
             ('b@limits.example', '', 'b', 'limits.example', 1048576, ''),
             ('room@limits.example', '', 'room', 'limits.example', 99999999, 'location')",
        )
        .await;
    let set = async |settings: DomainSettings| database.set_domain(&name, &settings).await;
    let none = DomainSettings::default;
    for (wrong, words) in [
        (DomainSettings { mailboxes: Some(1), ..none() }, "2 mailboxes already"),
        (
            DomainSettings {
                quota_mib: Some(4),
                max_quota_mib: Some(4),
                default_quota_mib: Some(1),
                ..none()
            },
            "5 MiB already",
        ),
        (DomainSettings { max_quota_mib: Some(3), default_quota_mib: Some(1), ..none() }, "4 MiB already"),
        (DomainSettings { max_quota_mib: Some(11), ..none() }, "more than that of all, 10 MiB"),
        (DomainSettings { default_quota_mib: Some(11), ..none() }, "default quota, 11 MiB"),
    ] {
        let Obstacle::DomainLimits { contradiction, .. } = obstacle(set(wrong).await) else {
            panic!("{words}")
        };
        assert!(contradiction.contains(words), "{contradiction}");
    }
    assert_eq!(one_row(other, "domain", columns, "domain", "limits.example").await, ["10", "10", "10"]);
    let fits = DomainSettings {
        mailboxes: Some(2),
        quota_mib: Some(5),
        max_quota_mib: Some(4),
        default_quota_mib: Some(1),
        ..none()
    };
    set(fits).await.unwrap();
    let rows = database.domains().await.unwrap();
    let row = rows.iter().find(|row| row.name == "limits.example").unwrap();
    assert_eq!((row.mailboxes_used, row.mailboxes, row.quota_given), (2, 2, 5_242_880));
    assert_eq!((row.default_quota_mib, row.max_quota_mib, row.quota_mib, row.active), (1, 4, 5, true));
}

async fn both_spellings_of_a_domain_are_one(database: &Database, other: &impl Other) {
    database.add_domain(&domain("münchen.example"), &DomainSettings::default()).await.unwrap();
    assert_eq!(count(other, "domain", "domain = 'xn--mnchen-3ya.example'").await, 1);
    // Somebody else wrote this one as people write it.
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('bücher.example', 5)").await;
    for spelling in ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example"] {
        let again = database.add_domain(&domain(spelling), &DomainSettings::default()).await;
        assert!(matches!(obstacle(again), Obstacle::DomainExists(_)), "{spelling}");
        let settings = DomainSettings { description: Some(spelling.to_owned()), ..DomainSettings::default() };
        database.set_domain(&domain(spelling), &settings).await.unwrap();
        let description = one_row(other, "domain", "description", "domain", "bücher.example").await;
        assert_eq!(description, [spelling]);
    }
    database.add_mailbox(&rows("a@bücher.example", "A", 1), None).await.unwrap();
    let row = database.domains().await.unwrap().into_iter().find(|row| row.name == "bücher.example").unwrap();
    assert_eq!((row.mailboxes_used, row.quota_given), (1, 1_048_576));
    let listed = database.mailboxes(Some(&domain("bücher.example"))).await.unwrap();
    assert_eq!(listed.len(), 1);
    let settings = MailboxSettings { name: Some("B".to_owned()), ..MailboxSettings::default() };
    database.set_mailbox(&user("a@BÜCHER.example"), settings).await.unwrap();
    assert_eq!(one_row(other, "mailbox", "name", "username", "a@xn--bcher-kva.example").await, ["B"]);
    // A collation that ignores accents makes no other domain of it.
    let unknown = database.set_domain(&domain("bucher.example"), &DomainSettings::default()).await;
    assert!(matches!(obstacle(unknown), Obstacle::DomainUnknown(_)));
}

async fn templates_are_kept_byte_for_byte(database: &Database, other: &impl Other) {
    let seeded = TemplateText::seeded().to_string();
    database.add_template("Default", &seeded).await.unwrap();
    let odd = "{ \"quota\":  \"1048576\",\n\"tags\": [\"\\u00fc/\"] }";
    database.add_template("Mit Umläuten", odd).await.unwrap();
    let templates = database.templates().await.unwrap();
    let expected = [("Default", seeded.as_str()), ("Mit Umläuten", odd)];
    assert_eq!(
        templates.iter().map(|t| (t.name.as_str(), t.attributes.as_str())).collect::<Vec<_>>(),
        expected
    );
    for name in ["DEFAULT", "default "] {
        let again = obstacle(database.add_template(name, "{}").await);
        assert_eq!(again, Obstacle::TemplateExists("Default".to_owned()), "{name}");
    }
    assert!(matches!(
        obstacle(database.set_template("gone", "{}", "{}").await),
        Obstacle::TemplateUnknown(_)
    ));
    let late = database.set_template("mit umläuten", "{\"quota\":0}", "{}").await;
    assert!(matches!(obstacle(late), Obstacle::TemplateChanged(_)));
    database.set_template("MIT UMLÄUTEN", odd, "{\"quota\":5}").await.unwrap();
    let stored = one_row(other, "templates", "attributes, type", "template", "Mit Umläuten").await;
    assert_eq!(stored, ["{\"quota\":5}", "mailbox"]);
    other.run("INSERT INTO templates (template, type, attributes) VALUES ('Other', 'domain', '{}')").await;
    assert_eq!(database.templates().await.unwrap().len(), 2);
    assert!(database.add_template("Other", "{}").await.is_ok(), "a domain template is another thing");
}

async fn aliases_are_made_listed_and_changed(database: &Database, other: &impl Other) {
    let to = |names: &[&str]| Some(names.iter().map(|name| user(name)).collect());
    let settings = AliasSettings {
        to: to(&["own@admin.example", "a@münchen.example"]),
        internal: Some(true),
        ..AliasSettings::default()
    };
    database.add_alias(&alias("Sales@Admin.example"), &settings).await.unwrap();
    let columns = "goto, domain, active, sender_allowed, internal, sogo_visible";
    let row = one_row(other, "alias", columns, "address", "sales@admin.example").await;
    assert_eq!(row, ["own@admin.example,a@xn--mnchen-3ya.example", "admin.example", "1", "1", "1", "1"]);

    let catch_all = alias("@bücher.example");
    let settings = AliasSettings {
        to: to(&["own@admin.example"]),
        sender_allowed: Some(false),
        ..AliasSettings::default()
    };
    database.add_alias(&catch_all, &settings).await.unwrap();
    let row = one_row(other, "alias", columns, "address", "@xn--bcher-kva.example").await;
    assert_eq!(row, ["own@admin.example", "bücher.example", "1", "0", "0", "1"]);

    let off = AliasSettings { active: Some(false), ..AliasSettings::default() };
    database.set_alias(&alias("@xn--bcher-kva.example"), &off).await.unwrap();
    let moved =
        AliasSettings { to: to(&["login@admin.example"]), internal: Some(false), ..AliasSettings::default() };
    database.set_alias(&alias("SALES@admin.example"), &moved).await.unwrap();
    let row = one_row(other, "alias", columns, "address", "sales@admin.example").await;
    assert_eq!(row, ["login@admin.example", "admin.example", "1", "1", "0", "1"]);

    let all = database.aliases(None).await.unwrap();
    let names: Vec<&str> = all.iter().map(|row| row.address.as_str()).collect();
    assert_eq!(names, ["@xn--bcher-kva.example", "info@admin.example", "sales@admin.example"]);
    assert!(!all[0].active && !all[0].sender_allowed && all[2].to == ["login@admin.example"]);
    let some = database.aliases(Some(&domain("bücher.example"))).await.unwrap();
    assert_eq!(some.len(), 1);
}

async fn what_stands_against_an_alias_is_named(database: &Database, other: &impl Other) {
    let before = count(other, "alias", "1 = 1").await;
    other
        .run("INSERT INTO spamalias (address, goto, description) VALUES ('temp@admin.example', 'x', '')")
        .await;
    let settings = AliasSettings { to: Some(vec![user("x@y.example")]), ..AliasSettings::default() };
    let add = async |address: &str| obstacle(database.add_alias(&alias(address), &settings).await);
    assert_eq!(add("a@none.example").await, Obstacle::DomainUnknown("none.example".to_owned()));
    assert_eq!(add("Own@admin.example").await, Obstacle::AliasIsMailbox("own@admin.example".to_owned()));
    assert_eq!(add("SALES@admin.example").await, Obstacle::AliasExists("sales@admin.example".to_owned()));
    assert_eq!(add("@bücher.example").await, Obstacle::AliasExists("@xn--bcher-kva.example".to_owned()));
    assert_eq!(add("temp@admin.example").await, Obstacle::AliasIsTemporary("temp@admin.example".to_owned()));
    let set = async |address: &str| obstacle(database.set_alias(&alias(address), &settings).await);
    assert_eq!(set("none@admin.example").await, Obstacle::AliasUnknown("none@admin.example".to_owned()));
    assert_eq!(set("own@admin.example").await, Obstacle::AliasIsMailbox("own@admin.example".to_owned()));
    assert_eq!(count(other, "alias", "1 = 1").await, before);
}

/// What the command line makes of an address: the seeded template, without an owner.
pub fn rows(address: &str, name: &str, quota_mib: i64) -> NewMailboxRows {
    let stored =
        [StoredTemplate { name: "Default".to_owned(), attributes: TemplateText::seeded().to_string() }];
    let template = Template::find(&stored, "Default").unwrap();
    let person = Identity {
        user: user(address),
        keycloak_id: String::new(),
        source: String::new(),
        template: None,
        mark: None,
        first_name: name.to_owned(),
        last_name: String::new(),
    };
    let rows = NewMailbox::plan(&person, &template).unwrap().rows;
    NewMailboxRows { quota_mib, owner: None, ..rows }
}

pub fn obstacle<T: std::fmt::Debug>(end: Result<T, AdminError>) -> Obstacle {
    match end {
        Err(AdminError::Obstacle(obstacle)) => obstacle,
        other => panic!("{other:?}"),
    }
}

fn domain(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn alias(text: &str) -> AliasAddress {
    AliasAddress::parse(text).unwrap()
}

/// Every column of a table, in the order that both databases share.
async fn columns_of(other: &impl Other, table: &str) -> String {
    let columns: &[&str] = match table {
        "mailbox" => &[
            "username",
            "password",
            "name",
            "description",
            "mailbox_path_prefix",
            "quota",
            "local_part",
            "domain",
            "attributes",
            "custom_attributes",
            "kind",
            "multiple_bookings",
            "authsource",
            "created",
            "modified",
            "active",
        ],
        "user_acl" => &keydove::backend::sql::UserAcl::RIGHTS,
        _ => &["username", "bytes", "messages"],
    };
    let columns = columns.join(", ");
    // The list above is complete: a row has as many values.
    let all = other.ask(&format!("SELECT * FROM {table} LIMIT 1")).await;
    let extra = usize::from(table == "user_acl");
    assert_eq!(all[0].len(), columns.split(", ").count() + extra, "{table}");
    columns
}

/// Puts one word in place of each date and time.
pub fn mask_times(cell: &str) -> String {
    let is_time = |text: &str| {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        shape == "0000-00-00 00:00:00"
    };
    let mut text = cell.to_owned();
    let starts: Vec<usize> = cell.char_indices().map(|(start, _)| start).rev().collect();
    for start in starts {
        if text.get(start..start + 19).is_some_and(is_time) {
            text.replace_range(start..start + 19, "TIME");
        }
    }
    text
}
