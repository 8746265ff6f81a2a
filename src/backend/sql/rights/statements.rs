//! The statements that give rights.

use std::collections::{BTreeMap, BTreeSet};

use super::right::{Right, Verb};

/// What is given of one table: columns for each verb, none for the whole table.
struct Grant {
    table: &'static str,
    is_own: bool,
    verbs: BTreeMap<Verb, BTreeSet<&'static str>>,
}

/// The `GRANT` statements that give these rights to an account (`'keydove'@'localhost'`), one for each table.
///
/// A right to keydove's own table is given for the whole of it, and [`Verb::Create`] with it, because MariaDB takes a
/// grant for a table that is not there yet only so.
#[must_use]
pub fn grants(rights: &[Right], database: &str, account: &str) -> Vec<String> {
    let mut grants: Vec<Grant> = Vec::new();
    for right in rights {
        let known = grants.iter().position(|grant| grant.table == right.table);
        let known = known.unwrap_or_else(|| {
            let is_own = right.is_of_own_table();
            grants.push(Grant { table: right.table, is_own, verbs: BTreeMap::new() });
            grants.len() - 1
        });
        let Grant { is_own, verbs, .. } = &mut grants[known];
        let verb = if right.verb == Verb::Lock { Verb::Update } else { right.verb };
        verbs.entry(verb).or_default().extend(right.columns);
        if *is_own {
            verbs.entry(Verb::Create).or_default();
        }
    }
    grants.iter().map(|grant| grant.statement(database, account)).collect()
}

impl Grant {
    fn statement(&self, database: &str, account: &str) -> String {
        let verbs = self.verbs.iter().map(|(verb, columns)| match columns.is_empty() || self.is_own {
            true => verb.to_string(),
            false => format!("{verb} ({})", columns.iter().copied().collect::<Vec<_>>().join(", ")),
        });
        let verbs: Vec<String> = verbs.collect();
        format!("GRANT {} ON {}.{} TO {account};", verbs.join(", "), quoted(database), quoted(self.table))
    }
}

/// A name as MariaDB's grammar wants it.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    match begins && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("`{}`", name.replace('`', "``")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Feature, needed};
    use super::*;

    #[test]
    fn there_is_a_statement_for_each_table() {
        let account = "'keydove'@'localhost'";
        let statements = grants(&needed(&[Feature::Logins]), "mailcow", account);
        assert_eq!(
            statements,
            [
                "GRANT SELECT (active, domain) ON mailcow.domain TO 'keydove'@'localhost';",
                "GRANT SELECT (active, attributes, authsource, kind, password, quota, username) ON mailcow.mailbox TO \
                 'keydove'@'localhost';",
                "GRANT SELECT (active, username) ON mailcow.tfa TO 'keydove'@'localhost';",
            ]
        );
        let statements = grants(&needed(&[Feature::Owners, Feature::LoginLog]), "my-mail", "k");
        assert!(
            statements.contains(
                &"GRANT CREATE, SELECT, INSERT, UPDATE ON `my-mail`.keydove_person TO k;".to_owned()
            )
        );
        let history =
            "GRANT INSERT (app_password, real_rip, service, username), DELETE ON `my-mail`.sasl_log TO k;";
        assert!(statements.contains(&history.to_owned()), "{statements:?}");
    }
}
