//! Rights as MariaDB shows them and as keydove wants them, in one spelling.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::State;

/// What is wanted and not there yet, a grant for each table: one that does not exist is taken only together with `CREATE`.
pub(super) fn by_table(wanted: &BTreeSet<String>, has: &BTreeSet<String>) -> Vec<String> {
    let parted =
        |right: &String| right.rsplit_once(" ON ").map(|(verb, table)| (table.to_owned(), verb.to_owned()));
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (table, verb) in wanted.difference(has).filter_map(parted) {
        tables.entry(table).or_default().insert(verb);
    }
    for (table, verbs) in &mut tables {
        if wanted.contains(&format!("CREATE ON {table}")) {
            verbs.insert("CREATE".to_owned());
        }
    }
    let grant = |(table, verbs): (String, BTreeSet<String>)| {
        format!("{} ON {table}", verbs.into_iter().collect::<Vec<_>>().join(", "))
    };
    tables.into_iter().map(grant).collect()
}

/// The rights of a state.
pub(super) fn rights_of(state: &State) -> BTreeSet<String> {
    let State::Json(Value::Array(rights)) = state else { return BTreeSet::new() };
    rights.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The single rights of a `GRANT` statement, each as `SELECT (column) ON database.table`, in one spelling.
pub(super) fn parts(statement: &str) -> Vec<String> {
    let Some((verbs, rest)) = statement.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON "))
    else {
        return Vec::new();
    };
    let Some((table, _)) = rest.split_once(" TO ") else { return Vec::new() };
    let bare = |name: &str| name.trim().trim_matches('`').to_owned();
    let quoted = |name: &str| if name == "*" { name.to_owned() } else { format!("`{}`", bare(name)) };
    let table = table.split('.').map(quoted).collect::<Vec<_>>().join(".");
    let mut found = Vec::new();
    let mut left = verbs;
    while !left.is_empty() {
        let end = left.find([',', '(']).unwrap_or(left.len());
        let verb = left[..end].trim();
        left = &left[end..];
        match left.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            Some((columns, after)) => {
                found.extend(
                    columns.split(',').map(|column| format!("{verb} (`{}`) ON {table}", bare(column))),
                );
                left = after;
            }
            None => found.push(format!("{verb} ON {table}")),
        }
        left = left.trim_start_matches([',', ' ']);
    }
    // Every user may log in.
    found.retain(|right| !right.starts_with("USAGE "));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_shows_and_what_keydove_grants_are_one_spelling() {
        let granted = parts("GRANT SELECT (active, domain), DELETE ON mail.domain TO 'k'@'%';");
        let shown = parts("GRANT SELECT (`domain`, `active`), DELETE ON `mail`.`domain` TO `k`@`%`");
        assert_eq!(granted.len(), 3);
        assert_eq!(granted.iter().collect::<BTreeSet<_>>(), shown.iter().collect::<BTreeSet<_>>());
        assert!(parts("GRANT USAGE ON *.* TO `k`@`%` IDENTIFIED BY PASSWORD '*1'").is_empty());
        assert_eq!(parts("GRANT ALL PRIVILEGES ON `mail`.* TO `k`@`%`"), ["ALL PRIVILEGES ON `mail`.*"]);
    }

    #[test]
    fn a_table_that_is_not_there_yet_is_granted_in_one_statement() {
        let set = |rights: &[&str]| rights.iter().map(|right| (*right).to_owned()).collect::<BTreeSet<_>>();
        let wanted = set(&["CREATE ON `m`.`k`", "DELETE ON `m`.`k`", "SELECT (`a`) ON `m`.`d`"]);
        let grants = by_table(&wanted, &set(&["CREATE ON `m`.`k`"]));
        assert_eq!(grants, ["SELECT (`a`) ON `m`.`d`", "CREATE, DELETE ON `m`.`k`"]);
        assert!(by_table(&wanted, &wanted).is_empty());
    }
}
