//! Many mailboxes in one transaction, as the sync makes those of a page.

use keydove::auth::{NotAccepted, ProvisionRefusal, TempFailReason};
use keydove::backend::sql::Database;
use keydove::provision::Provisioned;

use super::{Other, count, nothing_is_left_of, now, person, provision, provisioner};

/// One that is an alias, one that is there already, and one that the database takes no row of stand among them; and at the
/// end the domain is full.
pub async fn what_stands_against_one_leaves_the_others(database: &Database, other: &impl Other) {
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('many.example', 60)").await;
    other.run("INSERT INTO alias (address, goto, domain) VALUES ('p05@many.example', 'x@y.example', 'many.example')").await;
    other.run("INSERT INTO user_acl (username) VALUES ('p09@many.example')").await;
    provision(database, &person("p07@many.example", "gold")).await.unwrap();
    let provisioner = provisioner(std::time::Duration::ZERO);
    let rulebook = provisioner.rulebook(database).await.unwrap();
    let people: Vec<_> =
        (0..70).map(|number| person(&format!("p{number:02}@many.example"), "gold")).collect();
    let plans = people.iter().map(|person| (rulebook.plan(person).unwrap(), "Alice".to_owned())).collect();
    let ends = provisioner.import(database, plans, now()).await;
    let mut made = Vec::new();
    for (number, end) in ends.into_iter().enumerate() {
        match (number, end) {
            (5, Err(NotAccepted::CannotTell(trouble))) => {
                assert_eq!(trouble.reason, TempFailReason::Provisioning(ProvisionRefusal::IsAlias));
            }
            (7, end) => assert_eq!(end, Ok(Provisioned::AlreadyThere)),
            (9, Err(NotAccepted::CannotTell(trouble))) => {
                assert_eq!(trouble.reason, TempFailReason::SqlError, "{trouble}");
            }
            (62.., Err(NotAccepted::CannotTell(trouble))) => {
                let full = ProvisionRefusal::MaxMailboxExceeded;
                assert_eq!(trouble.reason, TempFailReason::Provisioning(full), "{number}");
            }
            (_, Ok(Provisioned::Created(_))) => made.push(format!("p{number:02}@many.example")),
            (_, end) => panic!("{number}: {end:?}"),
        }
    }
    assert_eq!(made.len(), 59);
    assert_eq!(count(other, "mailbox", "domain = 'many.example'").await, 60);
    for (table, column) in [("alias", "address"), ("user_acl", "username"), ("keydove_person", "mailbox")] {
        for name in &made {
            assert_eq!(count(other, table, &format!("{column} = '{name}'")).await, 1, "{name} in {table}");
        }
    }
    other.run("DELETE FROM user_acl WHERE username = 'p09@many.example'").await;
    nothing_is_left_of(other, "p09@many.example").await;
    nothing_is_left_of(other, "p62@many.example").await;
}
