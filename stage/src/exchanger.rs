//! A second Postfix, whose lookup tables and policy are keydove's: the shipped `postfix/maps.cf`, `postfix/policy.cf` and
//! `postfix/submission.cf`, with a keydove of its own beside the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keydove::Keydove;
use crate::postfix::{MASTER, main_cf, postconf};
use crate::process::{Group, Program, accepts, run};
use crate::system::System;
use crate::{Result, attempt, free_port, give, source_tree};

/// A database that is down.
const NOWHERE: &str =
    "[storage.mariadb]\nsocket = \"/nonexistent/mysqld.sock\"\nuser = \"keydove\"\ndatabase = \"mailcow\"\n";

/// How a Postfix reaches keydove.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Of its folder and of keydove's log: short, because sockets lie below.
    pub name: &'static str,
    /// Whether its processes are locked into the queue directory.
    pub chrooted: bool,
    /// Whether tables are asked through proxymap, at a socket outside the queue directory.
    pub proxied: bool,
    /// Whether tables and policy are answered by a keydove whose database is down.
    pub database_is_down: bool,
}

/// Its ports and the keydove behind it.
pub struct Exchanger {
    /// Takes mail from anybody for the domains that are here.
    pub smtp: u16,
    /// The shipped submission service, without TLS, with the shipped policy.
    pub submission: u16,
    /// The same for another service, `eas`.
    pub eas: u16,
    /// As `smtp`, with a sender table that keydove does not have.
    pub odd: u16,
    /// Where policy is asked.
    pub policy: PathBuf,
    /// Where tables are asked.
    pub maps: PathBuf,
    /// Answers.
    pub keydove: Keydove,
    config: PathBuf,
    log: PathBuf,
    _program: Program,
    _down: Option<Keydove>,
}

impl Exchanger {
    /// Starts keydove, then Postfix.
    pub fn start(system: &System, shape: Shape) -> Result<Self> {
        Self::start_with(system, shape, |text| text)
    }

    /// The same with a keydove whose configuration is changed so.
    pub fn start_with(system: &System, shape: Shape, change: impl Fn(String) -> String) -> Result<Self> {
        let stage = system.stage();
        // Takes the mail.
        system.dovecot.start();
        let name = shape.name;
        let (config, queue) =
            (stage.folder(&format!("{name}/etc"))?, stage.folder(&format!("{name}/queue"))?);
        give(&stage.folder(&format!("{name}/data"))?, "postfix", "postfix", 0o755)?;
        give(&stage.folder(&format!("{name}/queue/private"))?, "postfix", "root", 0o700)?;
        stage.folder(&format!("{name}/log"))?;
        let sasl = listener("auth-client", &queue.join("private/keydove"));
        let policy = queue.join("private/keydove-policy");
        let maps = match shape.proxied {
            true => stage.path(&format!("{name}/maps")),
            false => queue.join("private/keydove-maps"),
        };
        let doors = listener("policy", &policy) + &listener("socketmap", &maps);
        let (keydove, down) = match shape.database_is_down {
            false => (system.keydove.beside(name, |text| format!("{}\n{sasl}{doors}", change(text)))?, None),
            true => {
                let broken = |text: String| format!("{}\n{doors}", without_database(&text));
                let down = system.keydove.beside("down", broken)?;
                (system.keydove.beside(name, |text| format!("{}\n{sasl}", change(text)))?, Some(down))
            }
        };
        let lmtp = stage.path("postfix/queue/private/dovecot-lmtp");
        let main = main_of(&stage.path(name), &maps, &lmtp, shape.proxied)?;
        stage.write(&format!("{name}/etc/main.cf"), &main)?;
        let ports = write_master(&config, shape.chrooted)?;
        run(Command::new("/usr/sbin/postfix").arg("-c").arg(&config).arg("check"))?;
        let programs = postconf(&config, &["-h", "daemon_directory"])?;
        let mut command = Command::new(Path::new(programs.trim()).join("master"));
        command.arg("-c").arg(&config).arg("-s");
        let mut program = Program::start(stage, name, command, Group::LeftToProgram)?;
        program.wait_until(|| ports.into_iter().all(accepts))?;
        let [smtp, submission, eas, odd] = ports;
        let log = stage.path(&format!("{name}/log/mail.log"));
        let (_program, _down) = (program, down);
        Ok(Self { smtp, submission, eas, odd, policy, maps, keydove, config, log, _program, _down })
    }

    /// What Postfix's own tool finds in a table, as docs/postfix.md has an administrator check it.
    pub fn postmap(&self, key: &str, table: &str) -> Result<String> {
        let table = format!("socketmap:unix:{}:{table}", self.maps.display());
        run(Command::new("/usr/sbin/postmap").arg("-c").arg(&self.config).args(["-q", key, &table]))
    }

    /// Everything this Postfix has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// The shipped files behind what an installation decides for itself.
fn main_of(folder: &Path, maps: &Path, lmtp: &Path, proxied: bool) -> Result<String> {
    let own = main_cf(folder);
    let own = own.lines().filter(|line| !line.starts_with("virtual_")).collect::<Vec<_>>().join("\n");
    let (tables, policy) = (shipped("maps.cf")?, shipped("policy.cf")?);
    let tables = match proxied {
        false => tables,
        true => {
            let there = format!("proxy:socketmap:unix:{}:", maps.display());
            tables.replace("socketmap:unix:private/keydove-maps:", &there)
        }
    };
    // `postconf -P` takes no value with spaces, so each service's restrictions have a name.
    let of_eas = policy.replace("keydove_sender", "eas_sender").replace("context=submission", "context=eas");
    Ok(format!("{own}\nvirtual_transport = lmtp:unix:{}\n{tables}{policy}{of_eas}", lmtp.display()))
}

/// Four services on free ports: mail from anybody, submission, submission for another service, and one with a mistake.
fn write_master(config: &Path, chrooted: bool) -> Result<[u16; 4]> {
    let ports = [free_port()?, free_port()?, free_port()?, free_port()?];
    let [smtp, submission, eas, odd] = ports;
    // Dovecot's socket lies in another queue directory.
    let master = MASTER.replace("lmtp      unix  -       -       y", "lmtp      unix  -       -       n");
    let entry = shipped("submission.cf")?;
    let other = entry.replace("submission inet", &format!("127.0.0.1:{eas} inet"));
    let open = "  -o smtpd_relay_restrictions=reject_unauth_destination\n";
    let text = format!(
        "{master}{entry}{}
127.0.0.1:{smtp} inet n - y - - smtpd\n{open}
127.0.0.1:{odd} inet n - y - - smtpd\n{open}",
        other.replace("sasl_service=submission", "sasl_service=eas"),
    );
    let text = if chrooted { text } else { text.replace(" y  ", " n  ").replace("n - y -", "n - n -") };
    let path = config.join("master.cf");
    attempt("write", &path, fs::write(&path, text))?;
    let moved = format!("127.0.0.1:{submission}");
    postconf(config, &["-F", &format!("submission/inet/service={moved}")])?;
    for port in [submission, eas] {
        postconf(config, &["-P", &format!("127.0.0.1:{port}/inet/smtpd_tls_security_level=none")])?;
    }
    // As docs/postfix.md says it.
    let policy = "smtpd_sender_restrictions=$keydove_sender_restrictions";
    postconf(config, &["-P", &format!("{moved}/inet/{policy}")])?;
    for (port, setting) in [
        (eas, "smtpd_sender_restrictions=$eas_sender_restrictions"),
        // Senders are compared only where logins are taken.
        (odd, "smtpd_sasl_auth_enable=yes"),
        (odd, "smtpd_sasl_type=dovecot"),
        (odd, "smtpd_sasl_path=private/keydove"),
        (odd, "smtpd_sender_restrictions=reject_sender_login_mismatch"),
        (odd, "smtpd_sender_login_maps=socketmap:unix:private/keydove-maps:nothing"),
    ] {
        postconf(config, &["-P", &format!("127.0.0.1:{port}/inet/{setting}")])?;
    }
    Ok(ports)
}

fn shipped(name: &str) -> Result<String> {
    let path = source_tree().join("postfix").join(name);
    attempt("read", &path, fs::read_to_string(&path))
}

fn listener(door: &str, path: &Path) -> String {
    let role = if door == "auth-client" { "role = \"postfix\"\n" } else { "" };
    format!(
        "[[listener]]\ndoor = \"{door}\"\n{role}path = \"{}\"\nmode = \"0660\"\nowner = \"postfix\"\n\
         group = \"postfix\"\n\n",
        path.display()
    )
}

fn without_database(text: &str) -> String {
    let (before, rest) = text.split_once("[storage.").unwrap_or((text, ""));
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    format!("{before}{NOWHERE}\n{after}")
}
