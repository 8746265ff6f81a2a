//! Two Dovecots with a keydove each, on which mailboxes live, for a proxy before them.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use super::super::stage::keydove::{Keydove, MAIL_ID};
use super::super::stage::process::{Group, Program, accepts};
use super::super::stage::system::System;
use super::super::stage::{Failure, Result, Stage, attempt, free_port, give, source_tree};

/// Their names.
pub const NAMES: [&str; 2] = ["b1", "b2"];

/// One of them.
pub struct Backend {
    pub name: &'static str,
    pub imap: u16,
    pub lmtp: u16,
    stage: Arc<Stage>,
    config: PathBuf,
    program: Option<Program>,
    keydove: Option<Keydove>,
}

/// Both.
pub struct Backends {
    pub all: [Backend; 2],
    /// Their tables.
    pub tables: String,
}

impl Backends {
    /// Starts both, each with the configuration of the system's keydove and the tables of both.
    pub fn start(system: &System, more: &str) -> Result<Self> {
        let mut all = [Backend::prepare(system, NAMES[0])?, Backend::prepare(system, NAMES[1])?];
        let mut tables = String::new();
        for Backend { name, imap, lmtp, .. } in &all {
            // One by its address, one by a name that is looked up.
            let host = if *name == NAMES[0] { "127.0.0.1" } else { "localhost" };
            tables.push_str(&format!(
                "\n[[backend]]\nname = \"{name}\"\nhost = \"{host}\"\nimap = {imap}\nlmtp = {lmtp}\n{more}"
            ));
        }
        for backend in &mut all {
            backend.start(system, &tables)?;
        }
        Ok(Self { all, tables })
    }

    /// What a keydove of the proxy has beside its own settings.
    pub fn of_proxy(&self) -> String {
        format!("{}\n[backends]\ncheck_interval = \"100ms\"\n", self.tables)
    }

    pub fn of(&self, name: &str) -> Result<&Backend> {
        self.all
            .iter()
            .find(|backend| backend.name == name)
            .ok_or_else(|| Failure(format!("no backend {name}")))
    }

    pub fn of_mut(&mut self, name: &str) -> Result<&mut Backend> {
        let found = self.all.iter_mut().find(|backend| backend.name == name);
        found.ok_or_else(|| Failure(format!("no backend {name}")))
    }

    /// The other one of the two.
    pub fn other(name: &str) -> &'static str {
        if name == NAMES[0] { NAMES[1] } else { NAMES[0] }
    }

    /// A program that ends the sessions of a mailbox on both, for `[kick]`.
    pub fn kick_command(&self, stage: &Stage) -> Result<String> {
        let lines = self.all.iter().map(|backend| {
            format!("/usr/bin/doveadm -c {} kick \"$1\" >/dev/null 2>&1\n", backend.config.display())
        });
        let text = format!("#!/bin/sh\n{}exit 0\n", lines.collect::<String>());
        let path = stage.write("kick-both", &text)?;
        give(&path, "root", "root", 0o755)?;
        Ok(format!("\n[kick]\ncommand = [\"{}\", \"{{user}}\"]\n", path.display()))
    }
}

impl Backend {
    fn prepare(system: &System, name: &'static str) -> Result<Self> {
        let stage = system.stage();
        let base = stage.folder(&format!("{name}/run"))?;
        let folder = stage.folder(&format!("{name}/run/login/ext"))?;
        give(&base.join("login"), "root", "dovenull", 0o750)?;
        give(&folder, "root", "dovenull", 0o750)?;
        let mail = stage.folder(&format!("{name}/mail"))?;
        attempt("change owner of", &mail, chown(&mail, Some(MAIL_ID), Some(MAIL_ID)))?;
        let (imap, lmtp) = (free_port()?, free_port()?);
        let takeover = source_tree().join("dovecot/takeover-2.3.conf");
        let takeover = attempt("read", &takeover, fs::read_to_string(&takeover))?;
        let takeover = takeover.replace("/run/keydove", &base.display().to_string());
        stage.write(&format!("{name}/takeover.conf"), &takeover)?;
        let text = configuration(&base.display().to_string(), name, (imap, lmtp));
        let config = stage.write(&format!("{name}/dovecot.conf"), &text)?;
        let stage = Arc::clone(stage);
        Ok(Self { name, imap, lmtp, stage, config, program: None, keydove: None })
    }

    fn start(&mut self, system: &System, tables: &str) -> Result<()> {
        let (name, stage) = (self.name, Arc::clone(&self.stage));
        let edit = |text: String| {
            let lines = text.lines().map(|line| match line.split_once(" = ") {
                Some(("home", _)) => {
                    format!("home = \"{}/%d/%n\"\n", stage.path(&format!("{name}/mail")).display())
                }
                _ => format!("{line}\n"),
            });
            format!("{}{tables}\n[backends]\nthis = \"{name}\"\n", lines.collect::<String>())
        };
        let base = stage.path(&format!("{name}/run"));
        self.keydove = Some(system.keydove.beside_as_auth_server(name, &base, edit)?);
        self.start_dovecot()
    }

    /// Its Dovecot, on the same ports as before.
    pub fn start_dovecot(&mut self) -> Result<()> {
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(&self.config);
        let log = if self.name == NAMES[0] { "dovecot-b1" } else { "dovecot-b2" };
        let mut program = Program::start(&self.stage, log, command, Group::Own)?;
        let ports = [self.imap, self.lmtp];
        program.wait_until(|| ports.into_iter().all(accepts))?;
        self.program = Some(program);
        Ok(())
    }

    /// Ends its Dovecot.
    pub fn stop_dovecot(&mut self) -> Result<()> {
        match self.program.take() {
            Some(mut program) => program.stop().map(drop),
            None => Ok(()),
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }

    /// What its keydove has logged.
    pub fn keydove_log(&self) -> String {
        self.keydove.as_ref().map(Keydove::log).unwrap_or_default()
    }

    /// How many messages lie here for somebody; `None` where there is no mailbox at all.
    pub fn count_mail(&self, address: &str) -> Option<usize> {
        let (local_part, domain) = address.split_once('@')?;
        let maildir = self.stage.path(&format!("{}/mail/{domain}/{local_part}/Maildir", self.name));
        let count = |folder: &str| fs::read_dir(maildir.join(folder)).map_or(0, Iterator::count);
        maildir.exists().then(|| count("new") + count("cur"))
    }

    /// `doveadm` here.
    pub fn doveadm(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("/usr/bin/doveadm");
        super::super::stage::process::run(command.arg("-c").arg(&self.config).args(arguments))
    }
}

fn configuration(base: &str, name: &str, (imap, lmtp): (u16, u16)) -> String {
    let mut text = format!(
        "base_dir = {base}\nstate_dir = {base}/state\ninstance_name = keydove-{name}\nlog_path = /dev/stderr\n\
         protocols = imap lmtp\nlisten = 127.0.0.1\nssl = no\n\
         # The proxy tells where its clients come from.\nlogin_trusted_networks = 127.0.0.0/8\n\
         service imap-login {{\n  inet_listener imap {{\n    port = {imap}\n  }}\n  inet_listener imaps {{\n    \
         port = 0\n  }}\n}}\n\
         service lmtp {{\n  inet_listener lmtp {{\n    port = {lmtp}\n  }}\n}}\nservice auth {{\n"
    );
    for own in
        ["auth-master", "auth-userdb", "auth-client", "auth-login", "login/login", "token-login/tokenlogin"]
    {
        text.push_str(&format!("  unix_listener {own} {{\n    mode = 0\n  }}\n"));
    }
    text.push_str("}\n!include takeover.conf\n");
    text
}
