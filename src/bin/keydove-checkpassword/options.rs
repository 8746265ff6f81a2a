//! The command line and the environment.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOCKET: &str = "/run/keydove/hook";
/// The end of the name of the program that Dovecot puts last.
const DOVECOT_REPLY: &str = "checkpassword-reply";

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// Say how it is used.
    Help,
    /// Answer.
    Check(Options),
}

/// How to answer.
#[derive(Debug)]
pub struct Options {
    /// keydove's listener.
    pub socket: PathBuf,
    /// What the person wants to use.
    pub service: Vec<u8>,
    /// The mail client's address, if it is told.
    pub remote: Option<Vec<u8>>,
    /// The mail server's session id.
    pub session: Option<Vec<u8>>,
    /// TLS, or a link that the mail server trusts.
    pub secured: bool,
    /// Dovecot asks where somebody's mail lives, without a password.
    pub is_lookup: bool,
    /// It asks as its passdb: also on which machine the mailbox is.
    pub is_passdb_lookup: bool,
    /// How long a refusal waits.
    pub failure_delay: Duration,
    /// What follows a yes.
    pub program: Vec<OsString>,
    /// The program is Dovecot's, so we answer in its place.
    pub is_dovecot: bool,
}

impl Command {
    /// Reads what we were called with. `variable` reads the environment.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn read(
        arguments: impl Iterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        let (mut socket, mut service, mut delay) = (None, None, None);
        while let Some(option) = arguments.next_if(|argument| argument.as_bytes().starts_with(b"--")) {
            let option = option.to_string_lossy().into_owned();
            let mut value = || arguments.next().ok_or_else(|| format!("{option} needs a value; see --help"));
            match option.as_str() {
                "--help" => return Ok(Self::Help),
                "--" => break,
                "--socket" => socket = Some(PathBuf::from(value()?)),
                "--service" => service = Some(value()?.into_vec()),
                "--failure-delay" => delay = Some(read_delay(&value()?)?),
                _ => return Err(format!("there is no option {option}; see --help")),
            }
        }
        let program: Vec<OsString> = arguments.collect();
        let Some(first) = program.first() else {
            return Err("there is no program to run after a yes; see --help".to_owned());
        };
        let is_dovecot = program.len() == 1 && is_dovecot_reply(first);
        let text = |name: &str| variable(name).map(OsString::into_vec).filter(|value| !value.is_empty());
        let service = service
            .or_else(|| text("SERVICE"))
            .ok_or("the mail server does not say for which service: add --service smtp, pop3 or imap")?;
        Ok(Self::Check(Options {
            socket: socket.unwrap_or_else(|| SOCKET.into()),
            service,
            remote: text("TCPREMOTEIP"),
            session: text("AUTH_SESSION"),
            secured: text("AUTH_SECURED").is_some(),
            is_lookup: is_dovecot && text("AUTHORIZED").is_some(),
            is_passdb_lookup: text("CREDENTIALS_LOOKUP").is_some(),
            failure_delay: delay.unwrap_or_default(),
            is_dovecot,
            program,
        }))
    }
}

fn is_dovecot_reply(program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|name| name.as_bytes().ends_with(DOVECOT_REPLY.as_bytes()))
}

fn read_delay(value: &OsStr) -> Result<Duration, String> {
    let seconds = value.to_str().and_then(|text| text.parse().ok()).filter(|&seconds| seconds <= 60);
    seconds.map(Duration::from_secs).ok_or_else(|| "--failure-delay takes seconds, 0 to 60".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command, String> {
        let find = |wanted: &str| {
            environment.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        };
        Command::read(arguments.iter().map(OsString::from), find)
    }

    fn options(arguments: &[&str], environment: &[(&str, &str)]) -> Options {
        match read(arguments, environment) {
            Ok(Command::Check(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn dovecot_is_known_by_the_program_that_it_puts_last() {
        let environment = [("SERVICE", "imap"), ("AUTHORIZED", "1"), ("TCPREMOTEIP", "192.0.2.7")];
        let found = options(&["/usr/lib/dovecot/checkpassword-reply"], &environment);
        assert!(found.is_dovecot && found.is_lookup && found.failure_delay.is_zero());
        assert_eq!((&*found.service, found.remote.as_deref()), (&b"imap"[..], Some(&b"192.0.2.7"[..])));
        assert_eq!(found.socket, Path::new(SOCKET));
    }

    #[test]
    fn nobody_else_makes_a_lookup_of_a_login() {
        let found = options(&["--service", "smtp", "/bin/true", "x"], &[("AUTHORIZED", "1")]);
        assert!(!found.is_lookup && !found.is_dovecot);
        assert_eq!(found.failure_delay, Duration::ZERO, "keydove itself holds refusals back");
        let program = options(&["--", "/bin/echo", "--socket"], &[("SERVICE", "pop3")]).program;
        assert_eq!(program, ["/bin/echo", "--socket"]);
    }

    #[test]
    fn mistakes_are_told() {
        for (arguments, part) in [
            (&["--sockets", "x", "/bin/true"][..], "no option --sockets"),
            (&["--socket"], "needs a value"),
            (&["--failure-delay", "-1", "/bin/true"], "0 to 60"),
            (&["--service", "smtp"], "no program"),
            (&["/bin/true"], "--service"),
        ] {
            match read(arguments, &[]) {
                Err(mistake) => assert!(mistake.contains(part), "{mistake}"),
                Ok(other) => panic!("{other:?}"),
            }
        }
        assert!(matches!(read(&["--help"], &[]), Ok(Command::Help)));
    }
}
