//! The administrator's questions, against a real database: each add, list and set, and what stands against them.
//!
//! The tables must be empty, and keydove's user must be allowed to write.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use keydove::auth::{ProvisionRefusal, Secret, Service};
use keydove::backend::sql::{
    AdminError, AliasAddress, AliasSettings, AuthSource, Database, DomainName, DomainSettings, Error,
    MailboxSettings, MailboxState, NewMailboxRows, Obstacle, StoredTemplate,
};
use keydove::provision::{Identity, NewMailbox, Template, TemplateText};

use super::app_passwords;
use super::mariadb::{DATABASE, MariadbServer, USER};
use super::others::OtherMariadb;
use super::provisioning::{Other, count, one_row, person, provision, user};

/// Runs everything. Leaves rows behind.
pub async fn administration_battery(database: &Database, other: &impl Other) {
    domains_are_made_listed_and_changed(database, other).await;
    limits_of_a_domain_hold_what_is_there(database, other).await;
    both_spellings_of_a_domain_are_one(database, other).await;
    templates_are_kept_byte_for_byte(database, other).await;
    a_mailbox_has_the_rows_of_a_first_login(database, other).await;
    what_stands_against_a_mailbox_is_named(database, other).await;
    a_mailbox_is_changed_where_it_is_told_to(database, other).await;
    a_mailbox_is_given_to_another_person(database, other).await;
    mailboxes_are_listed(database, other).await;
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

/// The same person twice: once made by a first login, once by the administrator.
async fn a_mailbox_has_the_rows_of_a_first_login(database: &Database, other: &impl Other) {
    let by_login = person("login@admin.example", "none");
    provision(database, &by_login).await.unwrap();
    database.add_mailbox(&rows("hand@admin.example", "Alice O'Ångström", 0), None).await.unwrap();
    for (table, key) in [
        ("mailbox", "username"),
        ("quota2", "username"),
        ("quota2replica", "username"),
        ("user_acl", "username"),
    ] {
        let columns = columns_of(other, table).await;
        let made = one_row(other, table, &columns, key, "login@admin.example").await;
        let hand = one_row(other, table, &columns, key, "hand@admin.example").await;
        let expected: Vec<String> = made
            .iter()
            .map(|cell| cell.replace("login@", "hand@"))
            .map(|cell| if cell == "login" { "hand".to_owned() } else { cell })
            .collect();
        let without_time = |cells: &[String]| cells.iter().map(|cell| mask_times(cell)).collect::<Vec<_>>();
        assert_eq!(without_time(&hand), without_time(&expected), "{table}");
    }
    let columns = "goto, domain, sogo_visible, internal, sender_allowed, active, private_comment";
    let alias = one_row(other, "alias", columns, "address", "hand@admin.example").await;
    assert_eq!(alias, ["hand@admin.example", "admin.example", "1", "0", "1", "1", "NULL"]);
    assert_eq!(
        count(other, "keydove_person", "mailbox = 'hand@admin.example'").await,
        0,
        "nobody knows whose it is"
    );

    // The first login tells.
    let hand = user("hand@admin.example");
    database.remember_person(&hand, "an id", "main").await.unwrap();
    assert_eq!(database.person_of(&hand).await.unwrap().unwrap().keycloak_id, "an id");

    let hash = "{SSHA512}AsOGuONifVMjTcmT6emZekFhIfAd3lJco2UTf2VG7BimZu9z4BCuJOPqrfBh+ryYomMTAtmsSPXR1DqFGjAFYgkf4kk=";
    database.add_mailbox(&rows("own@admin.example", "", 7), Some(Secret::from(hash))).await.unwrap();
    let own = database.find_mailbox(&user("own@admin.example")).await.unwrap().mailbox.unwrap();
    assert_eq!((own.authsource, own.quota_bytes), (Some(AuthSource::Mailcow), 7 << 20));
    assert!(own.password.matches(hash.as_bytes()));
    assert_eq!(one_row(other, "mailbox", "modified", "username", "own@admin.example").await, ["NULL"]);
}

async fn what_stands_against_a_mailbox_is_named(database: &Database, other: &impl Other) {
    let before = count(other, "mailbox", "1 = 1").await;
    let add = async |name: &str, mib| obstacle(database.add_mailbox(&rows(name, "", mib), None).await);
    for name in ["hand@admin.example", "HAND@admin.example"] {
        assert_eq!(add(name, 1).await, Obstacle::MailboxExists(user("hand@admin.example")), "{name}");
    }
    other.run("INSERT INTO alias (address, goto, domain) VALUES ('info@admin.example', 'x@y.example', 'admin.example')").await;
    use ProvisionRefusal::{
        DomainInactive, DomainUnknown, IsAlias, MailboxQuotaExceeded, MaxMailboxExceeded,
    };
    other.run("INSERT INTO domain (domain, mailboxes, active) VALUES ('off.example', 5, 0)").await;
    for (name, mib, refusal) in [
        ("a@none.example", 1, DomainUnknown),
        ("a@off.example", 1, DomainInactive),
        ("info@admin.example", 1, IsAlias),
        ("more@admin.example", 1, MaxMailboxExceeded),
        ("c@xn--bcher-kva.example", 102_401, MailboxQuotaExceeded),
    ] {
        assert_eq!(add(name, mib).await, Obstacle::MailboxRefused { user: user(name), refusal });
    }
    assert_eq!(count(other, "mailbox", "1 = 1").await, before);
}

async fn a_mailbox_is_changed_where_it_is_told_to(database: &Database, other: &impl Other) {
    let name = "hand@admin.example";
    let hand = user(name);
    let columns = columns_of(other, "mailbox").await;
    let before = one_row(other, "mailbox", &columns, "username", name).await;
    let none = MailboxSettings::default;
    let settings = MailboxSettings {
        access: vec![("pop3_access", false), ("imap_access", true)],
        quota_mib: Some(2),
        name: Some("Hand Ünd Fuß".to_owned()),
        active: Some(MailboxState::ReceiveOnly),
        ..none()
    };
    database.set_mailbox(&user("HAND@admin.example"), settings).await.unwrap();
    let after = one_row(other, "mailbox", &columns, "username", name).await;
    let index = |column: &str| columns.split(", ").position(|known| known == column).unwrap();
    let mut expected = before.clone();
    for (column, value) in [("quota", "2097152"), ("name", "Hand Ünd Fuß"), ("active", "2")] {
        expected[index(column)] = value.to_owned();
    }
    let attributes = index("attributes");
    let plain = |text: &str| text.replace(": ", ":").replace(", ", ",");
    expected[attributes] =
        plain(&before[attributes]).replace("\"pop3_access\":\"1\"", "\"pop3_access\":\"0\"");
    assert_eq!(plain(&after[attributes]), plain(&expected[attributes]), "other attributes are untouched");
    (expected[attributes], expected[index("modified")]) =
        (after[attributes].clone(), after[index("modified")].clone());
    assert_eq!(after, expected);
    assert_ne!(after[index("modified")], "NULL");
    assert_eq!(one_row(other, "alias", "active", "address", name).await, ["2"]);

    // The password stays when the source changes, and there must be one.
    let own = MailboxSettings { source: Some(AuthSource::Mailcow), ..none() };
    assert!(matches!(obstacle(database.set_mailbox(&hand, own).await), Obstacle::MailboxWithoutPassword(_)));
    let own = MailboxSettings {
        source: Some(AuthSource::Mailcow),
        password: Some(Secret::from("{PLAIN}x")),
        ..none()
    };
    database.set_mailbox(&hand, own).await.unwrap();
    for (source, word) in [(AuthSource::Keycloak, "keycloak"), (AuthSource::Mailcow, "mailcow")] {
        database.set_mailbox(&hand, MailboxSettings { source: Some(source), ..none() }).await.unwrap();
        let row = one_row(other, "mailbox", "password, authsource", "username", name).await;
        assert_eq!(row, ["{PLAIN}x", word]);
    }
    what_stands_against_a_change_is_named(database, other).await;
}

async fn what_stands_against_a_change_is_named(database: &Database, other: &impl Other) {
    let none = MailboxSettings::default;
    let deny = || MailboxSettings { access: vec![("imap_access", false)], ..none() };
    let unknown = database.set_mailbox(&user("nobody@admin.example"), deny()).await;
    assert!(matches!(obstacle(unknown), Obstacle::MailboxUnknown(_)));
    let room = database.set_mailbox(&user("room@limits.example"), deny()).await;
    assert!(matches!(obstacle(room), Obstacle::MailboxIsResource(_)));
    let quota = |mib| MailboxSettings { quota_mib: Some(mib), ..none() };
    for (mib, refusal) in
        [(5, ProvisionRefusal::MailboxQuotaExceeded), (4, ProvisionRefusal::MailboxQuotaLeftExceeded)]
    {
        let b = user("b@limits.example");
        let refused = database.set_mailbox(&b, quota(mib)).await;
        assert_eq!(obstacle(refused), Obstacle::MailboxRefused { user: b, refusal });
    }
    // A column without attributes gets them; one with something else is left alone.
    database.set_mailbox(&user("b@limits.example"), deny()).await.unwrap();
    let row = one_row(other, "mailbox", "attributes", "username", "b@limits.example").await;
    assert_eq!(row[0].replace(' ', ""), "{\"imap_access\":\"0\"}");
    other.run("UPDATE mailbox SET attributes = '[1]' WHERE username = 'b@limits.example'").await;
    let odd = database.set_mailbox(&user("b@limits.example"), deny()).await;
    assert!(matches!(obstacle(odd), Obstacle::MailboxAttributes(_)));
    other.run("UPDATE mailbox SET attributes = NULL WHERE username = 'b@limits.example'").await;
}

async fn a_mailbox_is_given_to_another_person(database: &Database, other: &impl Other) {
    let hand = user("hand@admin.example");
    database.adopt_person(&hand, "a new id", "second").await.unwrap();
    let row = one_row(other, "keydove_person", "keycloak_id, source", "mailbox", "hand@admin.example").await;
    assert_eq!(row, ["a new id", "second"]);
}

async fn mailboxes_are_listed(database: &Database, other: &impl Other) {
    other.run("UPDATE quota2 SET bytes = 12345 WHERE username = 'own@admin.example'").await;
    let listed = database.mailboxes(Some(&domain("admin.example"))).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|row| row.address.as_str()).collect();
    assert_eq!(names, ["hand@admin.example", "login@admin.example", "own@admin.example"]);
    assert_eq!((listed[2].used, listed[2].quota, listed[2].source.as_str()), (12_345, 7 << 20, "mailcow"));
    assert_eq!((listed[0].active, listed[0].name.as_str()), (MailboxState::ReceiveOnly, "Hand Ünd Fuß"));
    assert!(!listed[0].access.allows(&Service::Pop3) && listed[0].access.allows(&Service::Imap));
    let all = database.mailboxes(None).await.unwrap();
    assert!(all.len() > listed.len() && all.iter().all(|row| !row.address.starts_with("room@")));
    assert!(database.mailboxes(Some(&domain("none.example"))).await.unwrap().is_empty());
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
