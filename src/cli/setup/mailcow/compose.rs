//! `docker compose`: every command that setup gives to mailcow's containers.

use std::path::PathBuf;
use std::process::Command;

use zeroize::Zeroizing;

use super::super::super::storage::Failure;
use super::super::command;

/// mailcow's containers.
#[derive(Clone)]
pub(in super::super) struct Compose {
    /// Where `docker-compose.yml` is.
    pub(super) folder: PathBuf,
    /// The command is `docker-compose`, not `docker compose`.
    pub(super) is_standalone: bool,
    /// `DBROOT`: the database's root password as `mailcow.conf` has it.
    pub(super) root_password: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Compose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compose").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The service that has the database.
const MARIADB: &str = "mysql-mailcow";
/// MariaDB's client inside the container: the first password that root gets in with, and without any where none does. The first
/// line that it reads is the last of them; then come statements, of which the shell reads none.
const CLIENT: &str = r#"
client() { mysql --no-defaults --batch --skip-column-names --default-character-set=utf8mb4 --user=root "$@"; }
IFS= read -r conf
for MYSQL_PWD in "$MYSQL_ROOT_PASSWORD" "$MARIADB_ROOT_PASSWORD" "$conf"; do
    export MYSQL_PWD
    if [ -n "$MYSQL_PWD" ] && client -e 'SELECT 1' >/dev/null 2>&1 </dev/null; then client; exit; fi
done
MYSQL_PWD=$MYSQL_ROOT_PASSWORD
client
"#;

impl Compose {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.is_standalone {
            true => command::program("docker-compose"),
            false => {
                let mut command = command::program("docker");
                command.arg("compose");
                command
            }
        };
        command.current_dir(&self.folder).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        command::output(&mut self.command(arguments))
    }

    /// That all these run.
    pub(super) fn must_run(&self, services: &[&str]) -> Result<(), Failure> {
        let running = self.run(&["ps", "--services", "--status", "running"])?;
        let is_away = |service: &&&str| !running.lines().any(|line| line.trim() == **service);
        let away: Vec<&str> = services.iter().filter(is_away).copied().collect();
        if away.is_empty() {
            return Ok(());
        }
        Err(Failure::Data(format!(
            "{} does not run in {}: start mailcow first (`docker compose up -d`)",
            away.join(", "),
            self.folder.display()
        )))
    }

    /// That Docker Compose can read all its files.
    pub(super) fn must_read(&self) -> Result<(), Failure> {
        self.run(&["config", "--quiet"]).map(drop)
    }

    /// Makes containers of changed services again; those of others go on.
    pub(super) fn up(&self, services: &[&str]) -> Result<(), Failure> {
        self.run(&[&["up", "-d"], services].concat()).map(drop)
    }

    /// Starts a container again, which then reads its files again.
    pub(super) fn restart(&self, service: &str) -> Result<(), Failure> {
        self.run(&["restart", service]).map(drop)
    }

    /// Runs a program in a container.
    pub(super) fn inside(&self, service: &str, program: &[&str]) -> Result<String, Failure> {
        self.run(&[&["exec", "-T", service], program].concat())
    }

    /// Runs statements by MariaDB's client in its own container, as root. The container knows root's password; where that is
    /// not the right one, `DBROOT` of `mailcow.conf` is tried, which goes there on the way that the statements go.
    pub(in super::super) fn mariadb(&self, statements: &str) -> Result<String, Failure> {
        let of_conf = self.root_password.as_ref().map_or("", |password| password.as_str());
        let said = Zeroizing::new(format!("{of_conf}\n{statements}"));
        let mut client = self.command(&["exec", "-T", MARIADB, "sh", "-c", CLIENT]);
        command::output_of(&mut client, &said).map_err(|failure| {
            let text = failure.to_string();
            match text.contains("Access denied") {
                true => Failure::Data(format!(
                    "{text}\nMariaDB takes neither the root password of the container {MARIADB} nor DBROOT of {}: write the right \
                     one there",
                    self.folder.join("mailcow.conf").display()
                )),
                false => failure,
            }
        })
    }
}
