//! Which row is meant: the one place that says whether a stored name is the name that was asked for.
//!
//! Databases compare more loosely than mail does, and each in its own way: MariaDB's `utf8mb4_general_ci` takes ä for
//! a and ß for s and ignores blanks at the end, its newer collations ignore zero-width characters, SQLite's `NOCASE`
//! knows ASCII only. So a `WHERE` on a text column only narrows the search. What it finds counts if its own name, in
//! normal form, is byte for byte the name that was asked for. `tests/house/statements.rs` lists every such `WHERE`.

use super::error::Error;
use super::retry::Fault;
use super::row::Parameter;
use super::session::Session;
use crate::auth::Username;

pub(super) fn is_name_of(user: &Username, stored: &str) -> bool {
    Username::parse(stored.as_bytes()).is_ok_and(|stored| stored == *user)
}

pub(super) fn is_domain_of(user: &Username, stored: &str) -> bool {
    // A domain has the normal form that it has behind an @.
    let address = format!("postmaster@{stored}");
    Username::parse(address.as_bytes()).is_ok_and(|address| address.domain() == user.domain())
}

/// Of several rows whose names are one in normal form, the one that is stored in it; else we cannot tell which.
pub(super) fn pick<T>(
    table: &'static str,
    wanted: &str,
    mut rows: Vec<(String, T)>,
) -> Result<Option<T>, Error> {
    if let Some(exact) = rows.iter().position(|(name, _)| name == wanted) {
        return Ok(Some(rows.swap_remove(exact).1));
    }
    if rows.len() > 1 {
        let detail = format!("{} rows are spellings of this name, and none is exactly it", rows.len());
        return Err(Error::BadRow { table, key: wanted.to_owned(), detail });
    }
    Ok(rows.pop().map(|(_, row)| row))
}

/// Both spellings of an address and of its domain: address, address, domain, domain.
pub(super) fn spellings(user: &Username) -> [String; 4] {
    let name = user.as_str();
    let unicode = user.with_unicode_domain().unwrap_or_else(|| name.to_owned());
    let unicode_domain = unicode.rsplit_once('@').map_or_else(String::new, |(_, domain)| domain.to_owned());
    [name.to_owned(), unicode, user.domain().to_owned(), unicode_domain]
}

pub(super) fn texts<const N: usize>(texts: [String; N]) -> Vec<Parameter> {
    texts.map(Parameter::Text).to_vec()
}

/// What a table has of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// A row of exactly this name, stored like this.
    There(String),
    /// None; but the database takes the name for this other one, so that a unique key holds only one of the two.
    Taken(String),
    /// Neither. Rows that only look like another spelling of it are no obstacle.
    Free,
}

/// Looks for a name in a column. `names` are the normal form, under which new rows are stored, and another spelling.
pub(super) async fn look<S: Session>(
    session: &mut S,
    (table, column): (&'static str, &'static str),
    names: [String; 2],
    is_it: impl Fn(&str) -> bool + Send,
) -> Result<Presence, Fault> {
    let [normal, other] = names;
    let statement = format!("SELECT {column}, {column} = ? FROM {table} WHERE {column} IN (?, ?)");
    let mut presence = Presence::Free;
    for mut row in session.query(&statement, texts([normal.clone(), normal.clone(), other])).await? {
        let (stored, is_taken) = row.read(table, &normal, |row| Ok((row.words(0)?, row.number(1)? == 1)))?;
        if is_it(&stored) {
            return Ok(Presence::There(stored));
        }
        if is_taken {
            presence = Presence::Taken(stored);
        }
    }
    Ok(presence)
}

/// As [`look`], for an address.
pub(super) async fn look_for_address<S: Session>(
    session: &mut S,
    place: (&'static str, &'static str),
    user: &Username,
) -> Result<Presence, Fault> {
    let [name, unicode, ..] = spellings(user);
    look(session, place, [name, unicode], |stored| is_name_of(user, stored)).await
}

/// Whether two stored names are one address. What is no address is compared byte for byte.
pub(super) fn are_one(one: &str, other: &str) -> bool {
    match Username::parse(one.as_bytes()) {
        Ok(user) => is_name_of(&user, other),
        Err(_) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_normal_form_makes_two_names_one() {
        let user = |name: &str| Username::parse(name.as_bytes()).unwrap();
        let plain = user("a@example.org");
        // In a domain IDNA takes no notice of a character without width; before the @ it is one like any other.
        for same in ["A@EXAMPLE.org", "a@example.org ", " a@example.org", "a@example.\u{200b}org"] {
            assert!(is_name_of(&plain, same) && are_one("a@example.org", same), "{same:?}");
        }
        for other in ["a@ex\u{e4}mple.org", "\u{e4}@example.org", "a\u{200b}@example.org", ""] {
            assert!(!is_name_of(&plain, other) && !are_one("a@example.org", other), "{other:?}");
        }
        let sharp = user("a@stra\u{df}e.example");
        assert!(is_name_of(&sharp, "a@STRA\u{df}E.example"));
        assert!(!is_name_of(&sharp, "a@strase.example") && !is_name_of(&sharp, "a@strasse.example"));
        assert!(is_domain_of(&plain, "EXAMPLE.org ") && !is_domain_of(&plain, "ex\u{e4}mple.org"));
        assert!(are_one("no name", "no name") && !are_one("no name", "No name"));
    }
}
