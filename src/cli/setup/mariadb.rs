//! MariaDB or MySQL, as its administrator sees it: keydove's database, the tables in it, and a database user that may do
//! what keydove does and no more.
//!
//! The `mariadb` program speaks to the server, because it knows every way in which a server lets an administrator in.

mod granted;
mod session;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::storage::Failure;
use super::answers::Answers;
use super::change::State;
use crate::backend::sql::{Feature, Right, grants, needed};
use granted::{parts, rights_of};
pub(super) use session::Session;

const PORT: u16 = 3306;
/// Names that need no care in a statement, and no longer ones than a server takes.
const NAME_SIGNS: &str = "-_.";
const HOST_SIGNS: &str = "-_.:%";
const MAX_NAME: usize = 64;
const ALL: &str = "ALL PRIVILEGES ON ";

/// Where the server is, and who administers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) socket: Option<PathBuf>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) admin: String,
}

/// A database of keydove's, and its user.
#[derive(Debug)]
pub(super) struct Mariadb {
    pub(super) server: Server,
    pub(super) database: String,
    pub(super) user: String,
    /// From where the server sees keydove come.
    from: String,
    /// Of the database user, if setup makes it.
    pub(super) password: String,
}

impl Mariadb {
    /// As it was answered; `None` is a SQLite file.
    pub(super) fn settle(answers: &Answers) -> Result<Option<Self>, Failure> {
        let Some(place) = &answers.mariadb else { return Ok(None) };
        if answers.database.is_some() {
            return Err(Failure::Usage(
                "--database is a SQLite file, and --mariadb is not; give one of them".to_owned(),
            ));
        }
        let or =
            |answer: &Option<String>, default: &str| answer.clone().unwrap_or_else(|| default.to_owned());
        let mut server = Server {
            socket: None,
            host: place.clone(),
            port: PORT,
            admin: or(&answers.mariadb_admin, "root"),
        };
        if place.starts_with('/') {
            server.socket = Some(place.into());
            server.host = "localhost".to_owned();
        } else if let Some((host, port)) = place.rsplit_once(':').filter(|(host, _)| {
            // A bare IPv6 address has no port.
            !host.contains(':') || host.starts_with('[')
        }) {
            server.host = host.trim_matches(['[', ']']).to_owned();
            server.port = port.parse().map_err(|_| {
                Failure::Data(format!(
                    "--mariadb {place}: {port} is no port; give a socket's path, HOST or HOST:PORT"
                ))
            })?;
        }
        let from = if server.socket.is_some() { "localhost" } else { "%" };
        let settled = Self {
            database: or(&answers.mariadb_database, "keydove"),
            user: or(&answers.mariadb_user, "keydove"),
            from: or(&answers.mariadb_from, from),
            password: random()?,
            server,
        };
        settled.must_be_plain()?;
        Ok(Some(settled))
    }

    /// mailcow's own database, and a user of keydove's there.
    pub(super) fn of_mailcow(
        place: SocketAddr,
        database: &str,
        user: &str,
        from: &str,
    ) -> Result<Self, Failure> {
        let (host, port) = (place.ip().to_string(), place.port());
        let server = Server { socket: None, host, port, admin: "root".to_owned() };
        let (database, user) = (database.to_owned(), user.to_owned());
        let settled = Self { server, database, user, from: from.to_owned(), password: random()? };
        settled.must_be_plain().map(|()| settled)
    }

    /// The one that a run before has set up, by its user as `GRANT` wants it.
    pub(super) fn known(server: Server, database: &str, account: &str) -> Result<Self, Failure> {
        let (user, from) = account.split_once('@').unwrap_or((account, "%"));
        let bare = |name: &str| name.trim_matches('\'').to_owned();
        let (database, user, from) = (database.to_owned(), bare(user), bare(from));
        let known = Self { server, database, user, from, password: String::new() };
        known.must_be_plain().map(|()| known)
    }

    /// Names go into statements.
    fn must_be_plain(&self) -> Result<(), Failure> {
        for (flag, name, signs) in [
            ("--mariadb-database", &self.database, NAME_SIGNS),
            ("--mariadb-user", &self.user, NAME_SIGNS),
            ("--mariadb-from", &self.from, HOST_SIGNS),
        ] {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
            if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_plain) {
                return Err(Failure::Data(format!(
                    "{flag} \"{name}\": use up to {MAX_NAME} ASCII letters, digits and any of {signs}"
                )));
            }
        }
        Ok(())
    }

    /// The user as `GRANT` wants it.
    pub(super) fn account(&self) -> String {
        format!("'{}'@'{}'", self.user, self.from)
    }

    /// The table of keydove.toml.
    pub(super) fn text(&self, password_file: &str) -> String {
        let place = match &self.server.socket {
            Some(socket) => format!("socket = {}\n", Value::from(socket.display().to_string())),
            None => format!("host = {}\nport = {}\n", Value::from(&*self.server.host), self.server.port),
        };
        format!(
            "\n[storage.mariadb]\n{place}user = \"{}\"\npassword_file = {}\ndatabase = \"{}\"\n",
            self.user,
            Value::from(password_file),
            self.database
        )
    }

    /// The database as it is to be.
    pub(super) fn wanted(&self) -> State {
        State::Json(json!("with keydove's tables"))
    }

    /// The user as it is to be: what it has, and what these features need.
    pub(super) fn wanted_user(&self, before: &State, rights: &[Right]) -> State {
        let mut all = rights_of(before);
        let has_all = [format!("{ALL}*.*"), format!("{ALL}`{}`.*", self.database)];
        if !has_all.iter().any(|one| all.contains(one)) {
            let statements = grants(rights, &self.database, &self.account());
            all.extend(statements.iter().flat_map(|statement| parts(statement)));
        }
        State::Json(json!(all))
    }
}

/// The rights that `keydove grants` names for these features, as far as the server has the tables.
pub(super) fn rights_of_daemon(features: &[Feature], server_is_mysql: bool, has_sogo: bool) -> Vec<Right> {
    let fits = |right: &Right| {
        (server_is_mysql || !right.is_for_mysql()) && (has_sogo || !right.is_of_optional_table())
    };
    needed(features).into_iter().filter(fits).collect()
}

/// The rights that `keydove grants --commands` names for these features, as far as the server has the tables.
pub(super) fn rights(mut features: Vec<Feature>, server_is_mysql: bool, has_sogo: bool) -> Vec<Right> {
    features.push(Feature::Commands);
    rights_of_daemon(&features, server_is_mysql, has_sogo)
}

fn random() -> Result<String, Failure> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(place: &str) -> Result<Option<Mariadb>, Failure> {
        Mariadb::settle(&Answers { mariadb: Some(place.to_owned()), ..Answers::default() })
    }

    #[test]
    fn a_place_is_a_socket_or_a_host() {
        let there = |place: &str| settled(place).unwrap().unwrap();
        let local = there("/run/mysqld/mysqld.sock");
        assert_eq!((local.account(), local.server.port), ("'keydove'@'localhost'".to_owned(), 3306));
        assert!(
            local
                .text("/p")
                .contains("socket = \"/run/mysqld/mysqld.sock\"\nuser = \"keydove\"\npassword_file = \"/p\"")
        );
        let far = there("db.example.org:13306");
        assert_eq!(far.account(), "'keydove'@'%'");
        assert!(far.text("/p").contains("host = \"db.example.org\"\nport = 13306\n"), "{}", far.text("/p"));
        for (place, host, port) in [("::1", "::1", 3306), ("[::1]:3307", "::1", 3307), ("db", "db", 3306)] {
            let server = there(place).server;
            assert_eq!((&*server.host, server.port), (host, port), "{place}");
        }
        assert!(settled("db:x").is_err());
        let hostile = Answers {
            mariadb: Some("db".to_owned()),
            mariadb_database: Some("a`b".to_owned()),
            ..Answers::default()
        };
        assert!(Mariadb::settle(&hostile).is_err());
    }

    #[test]
    fn rights_are_added_to_those_that_are_there_and_twice_is_once() {
        let mariadb = settled("/s").unwrap().unwrap();
        let before = State::Json(json!(["DELETE ON `other`.`table`"]));
        let all = rights(vec![Feature::Logins], false, false);
        let wanted = mariadb.wanted_user(&before, &all);
        assert!(rights_of(&wanted).contains("DELETE ON `other`.`table`"));
        assert!(rights_of(&wanted).contains("SELECT (`username`) ON `keydove`.`mailbox`"), "{wanted:?}");
        assert_eq!(mariadb.wanted_user(&wanted, &all), wanted);
        let whole = State::Json(json!(["ALL PRIVILEGES ON `keydove`.*"]));
        assert_eq!(mariadb.wanted_user(&whole, &all), whole);
    }
}
