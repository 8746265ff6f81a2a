//! `docker compose`: every command that setup gives to mailcow's containers.

use std::path::PathBuf;
use std::process::Command;

use super::super::super::storage::Failure;
use super::super::command;

/// mailcow's containers.
#[derive(Clone, Debug)]
pub(in super::super) struct Compose {
    /// Where `docker-compose.yml` is.
    pub(super) folder: PathBuf,
    /// The command is `docker-compose`, not `docker compose`.
    pub(super) is_standalone: bool,
}

/// The service that has the database.
const MARIADB: &str = "mysql-mailcow";

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

    /// MariaDB's client in its own container, as root; it reads statements. The container knows root's password.
    pub(in super::super) fn mariadb(&self) -> Command {
        let client = "MYSQL_PWD=\"$MYSQL_ROOT_PASSWORD\" exec mysql --no-defaults --batch --skip-column-names \
                      --default-character-set=utf8mb4 --user=root";
        self.command(&["exec", "-T", MARIADB, "sh", "-c", client])
    }
}
