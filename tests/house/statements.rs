//! Every comparison of a text column with a value, and who makes it again in the normal form.
//!
//! The databases' comparisons are loose, each in its own way (`src/backend/sql/names.rs`). A statement that is not in this list
//! has been judged by nobody.

use std::collections::BTreeSet;

use super::code;

/// File below `src/backend/sql`, what stands before the `?`, and why it decides nothing wrongly.
const JUDGED: &[(&str, &str, &str)] = &[
    ("admin/alias.rs", "{column} =", "a value that is set"),
    ("admin/alias.rs", "address =", "by the stored name, of which a unique key holds one"),
    ("admin/alias.rs", "address IN (", "AliasAddress::is"),
    ("admin/alias.rs", "domain IN (", "DomainName::is, on the address's own domain"),
    ("admin/app_password.rs", "p.mailbox IN (", "is_name_of"),
    (
        "admin/app_password.rs",
        "username IN (",
        "is_name_of; of the history only times, by the password's number",
    ),
    ("admin/domain.rs", "domain =", "by the stored name, the primary key"),
    ("admin/domain.rs", "domain IN (", "DomainName::is"),
    ("admin/mailbox.rs", "{column} =", "a value that is set"),
    ("admin/mailbox.rs", "m.domain IN (", "DomainName::is, on the address's own domain"),
    ("admin/mailbox.rs", "username =", "by the stored name, the primary key"),
    ("admin/mailbox.rs", "username IN (", "is_name_of"),
    ("admin/search.rs", "m.domain IN (", "DomainName::is, on the address's own domain"),
    ("admin/search.rs", "m.username IN (", "is_name_of"),
    ("app_password.rs", "p.mailbox IN (", "is_name_of"),
    ("app_password.rs", "username IN (", "the order only, by the password's number"),
    ("housekeeping.rs", "mailbox =", "a primary key, by the stored name"),
    ("housekeeping.rs", "username IN (", "is_name_of; what is no address keeps its row"),
    ("identity_provider.rs", "`key` IN (", "compared with the list of keys byte for byte"),
    ("listing.rs", "username COLLATE BINARY >", "binary"),
    ("logins.rs", "username IN (", "is_name_of"),
    ("lookup.rs", "domain IN (", "Hosting::assemble"),
    ("lookup.rs", "mailbox IN (", "is_name_of"),
    ("lookup.rs", "p.mailbox IN (", "is_name_of"),
    (
        "lookup.rs",
        "username IN (",
        "Hosting::assemble; of the history the order only, by the password's number",
    ),
    ("maps/mod.rs", "alias_domain IN (", "pick_row"),
    ("maps/mod.rs", "domain IN (", "pick_row"),
    ("maps/rows.rs", "address IN (", "pick_row"),
    ("maps/rows.rs", "alias_domain IN (", "pick_row"),
    ("maps/rows.rs", "username IN (", "pick_row"),
    ("maps/sender.rs", "address IN (", "pick_row"),
    ("maps/sender.rs", "alias_domain IN (", "pick_row"),
    ("maps/sender.rs", "domain IN (", "pick_row"),
    ("maps/sender.rs", "send_as IN (", "given_to"),
    ("maps/sender.rs", "username IN (", "receives"),
    ("marks.rs", "mailbox =", "by the stored name, the primary key"),
    ("marks.rs", "mailbox IN (", "is_name_of"),
    ("marks.rs", "p.mailbox IN (", "is_name_of"),
    ("names.rs", "{column} =", "only says what a unique key would hold"),
    ("names.rs", "{column} IN (", "by the caller's is_it"),
    ("person.rs", "mailbox IN (", "is_name_of"),
    ("person.rs", "p.mailbox IN (", "is_name_of"),
    ("placement/mod.rs", "mailbox =", "is_name_of"),
    ("placement/moves.rs", "backend =", "MovePage compares it again byte for byte"),
    ("placement/moves.rs", "mailbox >", "of keydove's own table, whose columns are compared by their bytes"),
    ("portal/app_passwords.rs", "mailbox =", "of keydove's own table, in normal form"),
    ("portal/notices.rs", "occasion =", "one of two words of keydove's own"),
    (
        "portal/app_passwords.rs",
        "mailbox IN (",
        "times only, by the numbers of rows that is_name_of let pass",
    ),
    ("portal/app_passwords.rs", "username IN (", "is_name_of"),
    ("portal/sessions.rs", "ends >", "a time"),
    ("portal/sessions.rs", "mailbox =", "compared again byte for byte; SessionEnd::means"),
    ("portal/sessions.rs", "session =", "compared again byte for byte where it is read; a digest"),
    ("portal/sessions.rs", "sid =", "SessionEnd::means"),
    ("portal/sessions.rs", "subject =", "compared again byte for byte"),
    ("portal/sign_ins.rs", "username IN (", "is_name_of"),
    ("provision/checks.rs", "domain IN (", "is_domain_of, is_name_of"),
    ("provision/checks.rs", "username =", "only says what a unique key would hold"),
    ("provision/checks.rs", "username IN (", "is_name_of, or what a unique key would hold"),
    ("provision/update.rs", "quota =", "a value that is set"),
    ("provision/update.rs", "{right} =", "a value that is set"),
    ("provision/update.rs", "username =", "by the stored name, the primary key"),
    ("provision/update.rs", "username IN (", "is_name_of"),
    ("rights/trial.rs", "table_name =", "a table of our own list, and no name of anybody"),
    ("sogo.rs", "logged_in_as IN (", "is_name_of"),
    ("sogo.rs", "FIND_IN_SET(", "is_name_of for each address"),
    ("sogo.rs", "c_uid =", "by the stored name that look_for_address found, the primary key"),
    ("sogo.rs", "target_domain IN (", "is_domain_of"),
    ("sogo.rs", "username IN (", "is_name_of"),
    ("switch.rs", "address =", "by the stored name that look_for_address found"),
    ("switch.rs", "username =", "by the stored name, the primary key"),
    ("fence.rs", "l.name =", "names of keydove's own, of one form"),
    ("fence.rs", "name =", "names of keydove's own, of one form"),
    ("sync/lease.rs", "name =", "names of keydove's own, of one form"),
    ("sync/leavers.rs", "mailbox =", "a primary key, by the stored name"),
    ("sync/leavers.rs", "p.source =", "SQLite compares this column by its bytes"),
    ("sync/leavers.rs", "username =", "are_one, then by the stored name"),
    ("sync/standing.rs", "p.source =", "ids of stores only, which are looked for one by one"),
    ("sync/standing.rs", "p.keycloak_id =", "compared again byte for byte"),
    ("sync/standing.rs", "username =", "by the stored name, the primary key"),
];
/// Columns of numbers, and values that are set, not compared.
const NUMBERS: [&str; 15] = [
    "id =",
    "id >",
    "at =",
    "at >",
    "at <",
    "read_at >",
    "read_at <",
    "p.id >",
    "app_passwd >",
    "app_passwd =",
    "expires =",
    "k.expires >",
    "n.retry >",
    "{created} >",
    "finished =",
];

/// What stands directly before each `?` that is compared: a column and its operator, or a function.
fn comparisons(code: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    // A comparison of `CAST(? AS BINARY)` is binary, and needs no judge.
    let text = lines.join("\n").replace("'*', ", "");
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('?') {
        let before = &text[..at];
        let Some(operator) =
            ["= ", "IN (", "> ", "FIND_IN_SET("].into_iter().find(|end| before.ends_with(end))
        else {
            continue;
        };
        let rest = before[..before.len() - operator.len()].trim_end();
        // In an assignment it is a value that is written.
        let clause = ["WHERE", " SET ", "SELECT", " ON "]
            .into_iter()
            .filter_map(|word| Some((rest.rfind(word)?, word)));
        if clause.max().is_some_and(|(_, word)| word == " SET ") || !rest.contains(' ') {
            continue;
        }
        let operator = operator.trim_end();
        if operator == "FIND_IN_SET(" {
            found.insert(operator.to_owned());
            continue;
        }
        let start = if rest.ends_with(" BINARY)") || rest.ends_with("COLLATE BINARY") {
            rest.rfind("CAST(").filter(|_| rest.ends_with(')')).or_else(|| {
                let column = rest.trim_end_matches(" COLLATE BINARY");
                column.rfind(' ').map(|at| at + 1)
            })
        } else {
            rest.rfind([' ', '(', '"', '\n']).map(|at| at + 1)
        };
        let column = &rest[start.unwrap_or(0)..];
        let said = format!("{column} {operator}");
        if !NUMBERS.contains(&said.as_str()) {
            found.insert(said);
        }
    }
    found
}

#[test]
fn every_comparison_of_a_name_has_been_judged() {
    let mut seen = BTreeSet::new();
    for (file, code) in code::below("src/backend/sql") {
        let name = file.trim_start_matches("src/backend/sql/").to_owned();
        seen.extend(comparisons(&code).into_iter().map(|said| (name.clone(), said)));
    }
    let judged: BTreeSet<_> =
        JUDGED.iter().map(|(file, said, _)| ((*file).to_owned(), (*said).to_owned())).collect();
    let new: Vec<_> = seen.difference(&judged).collect();
    assert!(new.is_empty(), "judged by nobody; is it compared again in the normal form? {new:#?}");
    let gone: Vec<_> = judged.difference(&seen).collect();
    assert!(gone.is_empty(), "judged, and no longer there: {gone:#?}");
}

/// A work that writes says whether other processes remember what it changes; who says yes says what.
#[test]
fn every_work_that_writes_says_whether_it_outdates_records() {
    let mut silent = Vec::new();
    for (path, text) in code::below("src/backend/sql") {
        for work in text.split("impl Work for ").skip(1) {
            let end = work.find("\n}\n").unwrap_or(work.len());
            let (name, work) = (work.split(' ').next().unwrap_or_default(), &work[..end]);
            let writes = work.contains("Kind::Writes(");
            let says = work.contains("const OUTDATES: bool");
            let outdates = work.contains("fn outdates(");
            if writes && !says || outdates && !work.contains("const OUTDATES: bool = true") {
                silent.push(format!("{path}: {name}"));
            }
            if work.contains("const OUTDATES: bool = true") && !outdates {
                silent.push(format!("{path}: {name} says not what"));
            }
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

/// A work that runs another one hands on all that the other says of itself: what it left out would get its default.
#[test]
fn a_work_around_another_hands_on_all_that_it_says() {
    let sources = code::below("src/backend/sql");
    let (_, session) = sources.iter().find(|(path, _)| path.ends_with("sql/session.rs")).unwrap();
    let (_, of_trait) = session.split_once("trait Work: ").unwrap();
    let of_trait = &of_trait[..of_trait.find("\n}\n").unwrap()];
    let said = |line: &str| {
        let line = line.trim_start();
        let name = line.strip_prefix("const ").or_else(|| line.strip_prefix("fn "))?;
        name.split([':', '(', '<']).next().map(str::to_owned)
    };
    let all: Vec<String> = of_trait.lines().filter_map(said).collect();
    assert!(all.len() > 6, "{all:?}");
    let mut wrappers = 0;
    for (path, text) in &sources {
        for work in text.split("impl<W: Work> Work for ").skip(1) {
            wrappers += 1;
            let work = &work[..work.find("\n}\n").unwrap()];
            let missing: Vec<_> = all
                .iter()
                .filter(|name| !["const", "fn"].iter().any(|kind| work.contains(&format!("{kind} {name}"))))
                .collect();
            assert!(missing.is_empty(), "{path} does not hand on {missing:?}");
        }
    }
    assert!(wrappers > 1, "no work around another was found");
}
