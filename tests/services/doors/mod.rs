//! What knocks at the doors besides the servers that keydove was made for: names that need a word of the administrator,
//! mailcow's scripts in an outage, programs that never fetch a login.

mod aliases;
mod exim;
mod http;
mod names;
mod stop;

use std::process::Command;

use super::mailcow::WorldCase;
use super::mailcow::world::{World, prompt};
use super::run::On;
use super::stage::keydove::Keydove;
use super::stage::process::run;
use super::stage::{Result, free_port};
use super::{Case, Group, ensure};

pub const CASES: &[Case] = stop::CASES;
pub const GROUPS: &[Group<WorldCase>] = &[
    ("doors", On::Sqlite, http::CASES),
    ("doors", On::Sqlite, names::CASES),
    ("doors", On::BothDatabases, aliases::CASES),
    ("doors", On::Sqlite, exim::CASES),
];

/// A keydove with a control socket and a port for its numbers, these lines in `[login]`, and more tables behind.
struct Named {
    keydove: Keydove,
    metrics: u16,
}

impl Named {
    fn start(world: &World<'_>, name: &'static str, login: &str, more: &str) -> Result<Self> {
        let metrics = free_port()?;
        let control = world.system.stage().path(&format!("keydove/{name}.control"));
        let control = format!("[[listener]]\ndoor = \"control\"\npath = \"{}\"\n\n", control.display());
        let keydove = world.system.keydove.beside(name, |text| {
            let text = prompt(&text);
            let line = "failure_delay = \"0\"";
            let text = text.replace(line, &format!("{line}\n{login}"));
            format!("{control}{text}\n[http]\nlisten = \"127.0.0.1:{metrics}\"\n{more}")
        })?;
        Ok(Self { keydove, metrics })
    }

    /// What `keydove explain` says about a login, without a password.
    fn explain(&self, user: &str, service: &str) -> Result<String> {
        let mut command = self.keydove.command("explain");
        run(command.args([user, "--service", service, "--json"]))
    }

    fn explains(&self, user: &str, service: &str, words: &[&str]) -> Result<()> {
        let said = self.explain(user, service)?;
        ensure(words.iter().all(|word| said.contains(word)), || format!("{words:?} is not all in {said}"))
    }

    /// The lines of `/metrics` that begin so.
    fn numbers(&self, beginning: &str) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics);
        let text = run(Command::new("curl").args(["-s", &url]))?;
        Ok(text.lines().filter(|line| line.starts_with(beginning)).collect::<Vec<_>>().join("\n"))
    }
}
