//! `keydove hash`: make a stored password, verify one, list the schemes.
//!
//! Secrets come from the terminal with the echo off, or from standard input, one a line. They are never arguments,
//! which every user of the machine could see. No configuration is read: the caps are the defaults, and weak
//! schemes are verified with a note.

use std::io::BufRead;
use std::process::ExitCode;

use super::input::{self, Input};
use super::output::{say, say_error};
use super::{DATA, FAILED, USAGE, fail};
use crate::credential::scheme;
use crate::credential::scheme::{CannotMake, Policy, Scheme, Unusable};

/// The password does not match.
const MISMATCH: u8 = 1;
/// The hash says nothing about any password.
const UNUSABLE: u8 = DATA;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The scheme of the new hash.
    #[arg(long, value_name = "NAME", default_value = "BLF-CRYPT", value_parser = parse_scheme)]
    scheme: Scheme,
    /// The cost of the new hash: logarithm of rounds (BLF-CRYPT), rounds (SHA512-CRYPT) or passes (ARGON2ID).
    #[arg(long, value_name = "N")]
    cost: Option<u32>,
    /// Verify: the first line is the stored password, the second line the password.
    #[arg(long, conflicts_with_all = ["scheme", "cost", "list"])]
    verify: bool,
    /// The mail address that the stored password belongs to: {DIGEST-MD5} depends on it.
    #[arg(long, value_name = "ADDRESS", requires = "verify")]
    user: Option<String>,
    /// List the schemes.
    #[arg(long, conflicts_with_all = ["scheme", "cost"])]
    list: bool,
}

pub(super) fn parse_scheme(name: &str) -> Result<Scheme, &'static str> {
    Scheme::parse(name).ok_or("no scheme has this name; `keydove hash --list` shows all")
}

/// Exit codes: 0 done or match, 1 no match, 64 wrong use, 65 unusable hash, 70 the system failed.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut input = Input::standard();
    let outcome = if arguments.list {
        Ok(Outcome { answer: list(), note: None, code: 0 })
    } else if arguments.verify {
        verify(arguments.user.as_deref().unwrap_or_default(), &mut input)
    } else {
        make(arguments.scheme, arguments.cost, &mut input)
    };
    match outcome {
        Ok(outcome) => {
            outcome.note.iter().for_each(|note| say_error(note));
            say(&outcome.answer);
            outcome.code.into()
        }
        Err(error) => fail(error.code(), &error),
    }
}

#[derive(Debug)]
struct Outcome {
    answer: String,
    note: Option<String>,
    code: u8,
}

fn make(scheme: Scheme, cost: Option<u32>, input: &mut Input<impl BufRead>) -> Result<Outcome, Failure> {
    if !scheme.is_made() {
        return Err(CannotMake::Scheme(scheme).into());
    }
    let password = input.ask_new()?;
    let mut salt = [0; scheme::SALT_BYTES];
    getrandom::fill(&mut salt)?;
    let answer = scheme::generate(scheme, cost, password.expose(), &salt)?;
    Ok(Outcome { answer, note: None, code: 0 })
}

fn verify(user: &str, input: &mut Input<impl BufRead>) -> Result<Outcome, Failure> {
    let stored = input.ask("stored password")?;
    let policy = Policy::default().with_every_weak_scheme();
    // A hash that is no use is told before anybody types a password.
    let usable = policy.parse(stored.expose())?.owned_by(user).permit(&policy)?;
    let scheme = usable.scheme();
    let note = scheme
        .is_weak()
        .then(|| format!("note: {{{scheme}}} is weak; logins use it only with allow_weak = [\"{scheme}\"]"));
    let password = input.ask("password")?;
    let (answer, code) = match usable.matches(password.expose())? {
        true => ("the password matches", 0),
        false => ("the password does not match", MISMATCH),
    };
    Ok(Outcome { answer: answer.to_owned(), note, code })
}

fn list() -> String {
    let mut lines = vec![row("scheme", "strength", "made", "also")];
    lines.extend(Scheme::ALL.into_iter().map(|scheme| {
        let strength = match scheme {
            Scheme::Crypt => "its hash's",
            _ if scheme.is_weak() => "weak",
            _ => "strong",
        };
        let made = if scheme.is_made() { "yes" } else { "no" };
        row(scheme.name(), strength, made, &scheme.aliases().join(", "))
    }));
    lines.join("\n")
}

fn row(scheme: &str, strength: &str, made: &str, aliases: &str) -> String {
    format!("{scheme:<14} {strength:<10} {made:<4} {aliases}").trim_end().to_owned()
}

/// Why nothing was made or verified. Never shows a part of a secret.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Input(#[from] input::Failure),
    #[error("cannot make a salt: {0}")]
    Salt(#[from] getrandom::Error),
    #[error(transparent)]
    CannotMake(#[from] CannotMake),
    #[error("{0}; {cure}", cure = .0.cure())]
    Unusable(#[from] Unusable),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Input(failure) => failure.code(),
            Self::CannotMake(CannotMake::OutOfMemory(_)) | Self::Unusable(Unusable::OutOfMemory(_)) => FAILED,
            Self::CannotMake(_) => USAGE,
            Self::Unusable(_) => UNUSABLE,
            Self::Salt(_) => FAILED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "{BLF-CRYPT}$2y$05$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";

    fn make_from(scheme: Scheme, cost: u32, text: &[u8]) -> Result<Outcome, Failure> {
        make(scheme, Some(cost), &mut Input::Lines(text))
    }

    fn verify_from(text: &str) -> Result<Outcome, Failure> {
        verify("", &mut Input::Lines(text.as_bytes()))
    }

    #[test]
    fn what_is_made_is_verified() {
        for text in ["secret\n", "secret", "secret\nmore\n"] {
            let made = make_from(Scheme::BlfCrypt, 4, text.as_bytes()).unwrap();
            assert!(made.answer.starts_with("{BLF-CRYPT}$2y$04$"), "{}", made.answer);
            assert_eq!(verify_from(&format!("{}\nsecret\n", made.answer)).unwrap().code, 0);
            assert_eq!(verify_from(&format!("{}\nsecret \n", made.answer)).unwrap().code, MISMATCH);
        }
    }

    #[test]
    fn the_salt_differs_every_time() {
        let make = || make_from(Scheme::BlfCrypt, 4, b"secret").unwrap().answer;
        assert_ne!(make(), make());
    }

    #[test]
    fn only_the_newline_is_cut_off() {
        let answer = make_from(Scheme::BlfCrypt, 4, b" secret \r\n").unwrap().answer;
        assert_eq!(verify_from(&format!("{answer}\n secret \r\n")).unwrap().code, 0);
        assert_eq!(verify_from(&format!("{answer}\n secret ")).unwrap().code, MISMATCH);
    }

    #[test]
    fn a_mismatch_is_not_an_unusable_hash() {
        assert_eq!(verify_from(&format!("{BCRYPT}\npassw0rd")).unwrap().code, 0);
        assert_eq!(verify_from(&format!("{BCRYPT}\npassword")).unwrap().code, MISMATCH);
        let expensive = BCRYPT.replace("$05$", "$31$");
        for stored in [&BCRYPT[..60], &BCRYPT[11..], "{SCRAM-SHA-1}x", "{NOVEL}x", &expensive, ""] {
            let failure = verify_from(&format!("{stored}\npassw0rd")).unwrap_err();
            assert_eq!(failure.code(), UNUSABLE, "{failure}");
        }
    }

    #[test]
    fn a_weak_scheme_is_verified_with_a_note() {
        let outcome = verify_from("{clear}passw0rd\npassw0rd\n").unwrap();
        assert_eq!(outcome.code, 0);
        let note = outcome.note.unwrap();
        assert!(note.contains("allow_weak = [\"PLAIN\"]") && !note.contains("passw0rd"), "{note}");
        assert_eq!(verify_from(&format!("{BCRYPT}\npassw0rd")).unwrap().note, None);
    }

    #[test]
    fn missing_or_impossible_input_is_wrong_use() {
        let long = vec![b'a'; 8192];
        let failures = [
            make_from(Scheme::BlfCrypt, 4, b"").unwrap_err(),
            make_from(Scheme::BlfCrypt, 4, b"\n").unwrap_err(),
            make_from(Scheme::BlfCrypt, 4, &long).unwrap_err(),
            make_from(Scheme::BlfCrypt, 3, b"secret").unwrap_err(),
            make_from(Scheme::Ssha512, 3, b"secret").unwrap_err(),
            make_from(Scheme::Plain, 3, b"secret").unwrap_err(),
            verify_from("").unwrap_err(),
            verify_from(BCRYPT).unwrap_err(),
        ];
        for failure in failures {
            assert_eq!(failure.code(), USAGE, "{failure}");
            assert!(!failure.to_string().contains("secret"), "{failure}");
        }
    }

    #[test]
    fn every_scheme_is_listed() {
        let text = list();
        let names: Vec<_> = text.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, Scheme::ALL.map(Scheme::name));
        assert!(text.contains("\nBLF-CRYPT      strong     yes\n"), "{text}");
        assert!(text.contains("\nSHA            weak       no   SHA1\n"), "{text}");
    }
}
