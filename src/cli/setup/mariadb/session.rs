//! What setup asks of a server and changes there, signed in as its administrator.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Server;
use super::granted::{by_table, parts, rights_of};
use crate::auth::Secret;
use crate::cli::setup::answers::{Answers, password};
use crate::cli::setup::change::State;
use crate::cli::setup::command::{self, DATABASE_PASSWORD};
use crate::cli::setup::mailcow::Compose;
use crate::cli::storage::Failure;

const TABLES: &str = include_str!("../../../backend/sql/migrations/mariadb/0001_mailboxes.sql");
const OWN_TABLES: &str = include_str!("../../../backend/sql/migrations/mariadb/keydove_tables.sql");
const PROGRAMS: [&str; 2] = ["mariadb", "mysql"];
/// What a server says to the wrong password, or to an administrator who is not the system's.
const DENIED: [&str; 2] = ["ERROR 1045", "ERROR 1698"];

/// A server that lets its administrator in.
#[derive(Debug)]
pub(in crate::cli::setup) enum Session {
    /// By the `mariadb` program of this machine.
    ByProgram {
        /// Where the server is.
        server: Server,
        /// The program's name.
        program: &'static str,
        /// The administrator's.
        password: Option<Secret>,
    },
    /// By the one in mailcow's own container.
    InContainer(Compose),
}

impl Session {
    /// Signs in: without a password where that is enough, as for the system's root at the socket.
    pub(in crate::cli::setup) fn open(server: &Server, answers: &Answers) -> Result<Self, Failure> {
        let runs = |program: &str| command::output(command::program(program).arg("--version")).is_ok();
        let Some(program) = PROGRAMS.into_iter().find(|program| runs(program)) else {
            return Err(Failure::Data(
                "setup needs the program mariadb to make keydove's database user: apt install mariadb-client"
                    .to_owned(),
            ));
        };
        let what = "password of MariaDB's administrator";
        let file = answers.mariadb_admin_password_file.as_deref();
        let is_given = file.is_some() || std::env::var_os(DATABASE_PASSWORD).is_some();
        let by = |password| Self::ByProgram { server: server.clone(), program, password };
        let mut session = by(None);
        if is_given {
            session = by(password(DATABASE_PASSWORD, file, what)?);
        }
        match session.ask("SELECT 1") {
            Ok(_) => Ok(session),
            Err(error) if !is_given && DENIED.iter().any(|code| error.to_string().contains(code)) => {
                let Some(password) = password(DATABASE_PASSWORD, None, what)? else {
                    return Err(Failure::Usage(format!(
                        "{error}\nset {DATABASE_PASSWORD} or give --mariadb-admin-password-file, or name another administrator \
                         by --mariadb-admin"
                    )));
                };
                session = by(Some(password));
                session.ask("SELECT 1").map(|_| session)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs statements; the rows come as lines, their columns parted by tabs.
    fn ask(&self, statements: &str) -> Result<Vec<String>, Failure> {
        let rows = match self {
            Self::ByProgram { server, program, password } => {
                command::output_of(&mut client(server, program, password.as_ref()), statements)?
            }
            Self::InContainer(compose) => compose.mariadb(statements)?,
        };
        Ok(rows.lines().map(str::to_owned).collect())
    }

    /// Whether it is MySQL, and whether a database has mailcow's table of SOGo's users.
    pub(in crate::cli::setup) fn kind(&self, database: &str) -> Result<(bool, bool), Failure> {
        let version = self.ask("SELECT VERSION()")?.concat();
        let tables = self.tables(database)?;
        Ok((!version.contains("MariaDB"), tables.iter().any(|table| table == "_sogo_static_view")))
    }

    fn tables(&self, database: &str) -> Result<Vec<String>, Failure> {
        self.ask(&format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}'"
        ))
    }

    /// What a database is.
    pub(in crate::cli::setup) fn read(&self, database: &str) -> Result<State, Failure> {
        let found = self.ask(&format!(
            "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{database}'"
        ))?;
        if found.concat() == "0" {
            return Ok(State::Absent);
        }
        let tables = self.tables(database)?;
        let is_ours = tables.iter().any(|table| table == "mailbox" || table == "domain");
        match tables.is_empty() {
            true => Ok(State::Json(json!("empty"))),
            false if is_ours => Ok(State::Json(json!("with keydove's tables"))),
            false => Err(Failure::Data(format!(
                "the database {database} belongs to another program: it has tables, and none is keydove's or mailcow's; name \
                 another one by --mariadb-database"
            ))),
        }
    }

    /// Makes a database and its tables, or takes them away with all that is in them.
    pub(in crate::cli::setup) fn write(&self, database: &str, state: &State) -> Result<(), Failure> {
        let statements = match state {
            State::Absent => format!("DROP DATABASE `{database}`;"),
            State::Json(Value::String(kind)) if kind == "empty" => {
                let names = TABLES.lines().chain(OWN_TABLES.lines()).filter_map(table_name);
                let drops = names.map(|name| format!("DROP TABLE IF EXISTS `{database}`.`{name}`;\n"));
                format!("SET foreign_key_checks = 0;\n{}", drops.collect::<String>())
            }
            _ => format!(
                "CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;\nUSE \
                 `{database}`;\n{TABLES}\n{OWN_TABLES}"
            ),
        };
        self.ask(&statements).map(drop)
    }

    /// What a database user may do.
    pub(in crate::cli::setup) fn read_user(&self, account: &str) -> Result<State, Failure> {
        let (user, host) = account.split_once('@').unwrap_or((account, "'%'"));
        let found =
            self.ask(&format!("SELECT COUNT(*) FROM mysql.user WHERE User = {user} AND Host = {host}"))?;
        if found.concat() == "0" {
            return Ok(State::Absent);
        }
        let rights: BTreeSet<String> =
            self.ask(&format!("SHOW GRANTS FOR {account}"))?.iter().flat_map(|line| parts(line)).collect();
        Ok(State::Json(json!(rights)))
    }

    /// Makes a database user, changes what it may do, or removes it.
    pub(in crate::cli::setup) fn write_user(
        &self,
        account: &str,
        state: &State,
        password: &str,
    ) -> Result<(), Failure> {
        if *state == State::Absent {
            return self.ask(&format!("DROP USER {account};")).map(drop);
        }
        let now = self.read_user(account)?;
        let mut statements = match now {
            State::Absent => format!("CREATE USER {account} IDENTIFIED BY '{password}';\n"),
            _ => String::new(),
        };
        let (has, wanted) = (rights_of(&now), rights_of(state));
        for grant in by_table(&wanted, &has) {
            statements.push_str(&format!("GRANT {grant} TO {account};\n"));
        }
        for right in has.difference(&wanted) {
            statements.push_str(&format!("REVOKE {right} FROM {account};\n"));
        }
        self.ask(&statements).map(drop)
    }
}

fn client(server: &Server, program: &str, password: Option<&Secret>) -> std::process::Command {
    let mut client = command::program(program);
    client.args(["--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"]);
    client.arg(format!("--user={}", server.admin));
    match &server.socket {
        Some(socket) => client.arg(format!("--socket={}", socket.display())),
        None => client.args([
            "--protocol=tcp".to_owned(),
            format!("--host={}", server.host),
            format!("--port={}", server.port),
        ]),
    };
    if let Some(password) = password {
        use std::os::unix::ffi::OsStrExt;
        client.env("MYSQL_PWD", std::ffi::OsStr::from_bytes(password.expose()));
    }
    client
}

fn table_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix("CREATE TABLE ")?;
    name.strip_prefix("IF NOT EXISTS ").unwrap_or(name).split_whitespace().next()
}
