//! Machines on one wire: network namespaces behind a bridge, whose links can be cut.
//!
//! Whatever a thread starts while it is [inside](Network::inside) one, programs and sockets, is that machine's. The names hold
//! the process that made them, and when that process began, so that the next run removes what a killed one has left. The
//! bridge has a namespace too: the system's own network sees nothing of all this.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::run;
use crate::{Failure, Result, attempt};

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";
/// What all names begin with.
const PREFIX: &str = "keydove-";
/// Where the cables come together.
const HUB: &str = "hub";
/// The table of the filter that loses packets.
const TABLE: &str = "keydove_cut";

/// Namespaces that are gone with this.
pub struct Network {
    prefix: String,
    machines: Vec<String>,
}

impl Network {
    /// Makes a bridge, and one namespace with an address for each name. Removes what killed runs have left.
    ///
    /// # Errors
    /// The system lets nobody make namespaces, or a program is missing.
    pub fn start(machines: &[&str]) -> Result<Self> {
        remove_leftovers();
        let own = std::process::id();
        let prefix = format!("{PREFIX}{own}-{}-", began(own).unwrap_or_default());
        let machines: Vec<String> = machines.iter().map(|&name| name.to_owned()).collect();
        let network = Self { prefix, machines };
        network.make()?;
        Ok(network)
    }

    fn make(&self) -> Result<()> {
        let hub = self.name(HUB);
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "bridge", "up"])?;
        for machine in &self.machines {
            let name = self.name(machine);
            let address = format!("{}/24", self.address(machine));
            ip(&["netns", "add", &name])?;
            ip(&[
                "-n", &hub, "link", "add", machine, "type", "veth", "peer", "name", "wire", "netns", &name,
            ])?;
            ip(&["-n", &hub, "link", "set", machine, "master", "bridge", "up"])?;
            ip(&["-n", &name, "addr", "add", &address, "dev", "wire"])?;
            ip(&["-n", &name, "link", "set", "wire", "up"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// A machine's address.
    ///
    /// # Panics
    /// If there is no such machine.
    #[must_use]
    pub fn address(&self, machine: &str) -> Ipv4Addr {
        let place = self.machines.iter().position(|name| name == machine);
        let place = place.and_then(|place| u8::try_from(place + 1).ok());
        crate::lazy::must(machine, place.map(|place| Ipv4Addr::new(10, 77, 0, place)).ok_or_else(missing))
    }

    /// Does something on a machine, on a thread of its own. Programs and threads that are started there stay there.
    ///
    /// # Errors
    /// There is no such machine.
    pub fn inside<T: Send>(&self, machine: &str, act: impl FnOnce() -> T + Send) -> Result<T> {
        let path = Path::new(NAMES).join(self.name(machine));
        let namespace = attempt("open", &path, File::open(&path))?;
        let enter = || attempt("enter", &path, setns(&namespace, CloneFlags::CLONE_NEWNET));
        thread::scope(|scope| match scope.spawn(|| enter().map(|()| act())).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Loses each packet that comes to `to` from `from`; the other way stays open.
    ///
    /// # Errors
    /// The kernel has no filter.
    pub fn lose(&self, from: &str, to: &str) -> Result<()> {
        let rules = format!(
            "add table ip {TABLE}\nadd chain ip {TABLE} in {{ type filter hook input priority 0; }}\n\
             add rule ip {TABLE} in ip saddr {} drop\n",
            self.address(from)
        );
        self.inside(to, || filter(&rules))?
    }

    /// Takes a machine's cable out.
    ///
    /// # Errors
    /// `ip` fails.
    pub fn unplug(&self, machine: &str) -> Result<()> {
        ip(&["-n", &self.name(HUB), "link", "set", machine, "down"])
    }

    /// Undoes all that was done to the machine's links.
    ///
    /// # Errors
    /// A program fails.
    pub fn heal(&self, machine: &str) -> Result<()> {
        ip(&["-n", &self.name(HUB), "link", "set", machine, "up"])?;
        // There may be no table: adding it first lets the removal always find one.
        self.inside(machine, || filter(&format!("add table ip {TABLE}\ndelete table ip {TABLE}\n")))?
    }

    fn name(&self, machine: &str) -> String {
        format!("{}{machine}", self.prefix)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in self.machines.iter().map(String::as_str).chain([HUB]) {
            // What was never made cannot be removed.
            let _ = ip(&["netns", "delete", &self.name(name)]);
        }
    }
}

fn missing() -> Failure {
    Failure("there is no such machine in the network".to_owned())
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("/usr/sbin/ip").args(arguments)).map(drop)
}

fn filter(rules: &str) -> Result<()> {
    let program = Path::new("/usr/sbin/nft");
    let mut command = Command::new(program);
    let mut child = attempt("start", program, command.args(["-f", "-"]).stdin(Stdio::piped()).spawn())?;
    if let Some(mut pipe) = child.stdin.take() {
        attempt("write to", program, pipe.write_all(rules.as_bytes()))?;
    }
    let status = attempt("wait for", program, child.wait())?;
    if status.success() { Ok(()) } else { Err(Failure(format!("nft took no rules ({status}):\n{rules}"))) }
}

/// When a process began, in ticks since the machine did. An id alone is used again.
fn began(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // proc(5): the 22nd field; the name, which is the second one, is in brackets and may hold spaces.
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Whether the run that made this name is over.
fn is_left_over(name: &str) -> bool {
    let parts = name.strip_prefix(PREFIX).map(|rest| rest.splitn(3, '-').collect::<Vec<_>>());
    let Some([process, start, _]) = parts.as_deref() else { return false };
    match (process.parse(), start.parse::<u64>()) {
        (Ok(process), Ok(start)) => began(process) != Some(start),
        _ => false,
    }
}

/// Ends what runs in namespaces of dead runs, and removes these. Nothing else is in them.
fn remove_leftovers() {
    let entries = fs::read_dir(NAMES).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    for name in names.filter(|name| is_left_over(name)) {
        let found = run(Command::new("/usr/sbin/ip").args(["netns", "pids", &name])).unwrap_or_default();
        for process in found.lines().filter_map(|line| line.trim().parse().ok()) {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        let _ = ip(&["netns", "delete", &name]);
    }
}

/// Says why no network can be made here, where the kernel or its administrator forbids it.
#[must_use]
pub fn is_forbidden() -> Option<String> {
    let programs = ["/usr/sbin/ip", "/usr/sbin/nft"].map(PathBuf::from);
    if let Some(missing) = programs.iter().find(|program| !program.exists()) {
        return Some(format!("{} is missing: run tests/setup", missing.display()));
    }
    let tried = Network::start(&["one", "two"]).and_then(|network| network.lose("one", "two"));
    tried.err().map(|failure| failure.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_dead_runs_are_left_over() {
        let own = std::process::id();
        let start = began(own).unwrap();
        assert!(!is_left_over(&format!("{PREFIX}{own}-{start}-hub")));
        assert!(is_left_over(&format!("{PREFIX}{own}-{}-hub", start + 1)));
        assert!(is_left_over(&format!("{PREFIX}4194305-7-n1")));
        for other in ["hub", "keydove-machine", "keydove-1-hub", "cni-17-4-x"] {
            assert!(!is_left_over(other), "{other}");
        }
    }
}
