//! Secrets from the terminal with the echo off, or from standard input, one a line.

use std::io::{self, BufRead, IsTerminal, Read, StdinLock};

use super::{FAILED, USAGE};
use crate::auth::Secret;

/// Longest line that is read, in bytes; more than any hash or password that is ever used.
const MAX_LINE: u64 = 8192;

/// Where secrets come from.
pub(super) enum Input<R> {
    Terminal,
    Lines(R),
}

impl Input<StdinLock<'static>> {
    /// The terminal, unless standard input is something else.
    pub(super) fn standard() -> Self {
        let stdin = io::stdin();
        if stdin.is_terminal() { Self::Terminal } else { Self::Lines(stdin.lock()) }
    }
}

impl<R: BufRead> Input<R> {
    pub(super) fn ask(&mut self, what: &'static str) -> Result<Secret, Failure> {
        match self {
            Self::Terminal => {
                let typed = rpassword::prompt_password(format!("{what}: ")).map_err(Failure::Read)?;
                Ok(Secret::new(typed.into_bytes()))
            }
            Self::Lines(lines) => read_line(lines, what),
        }
    }

    /// Asks twice where nobody sees what is typed.
    pub(super) fn ask_new(&mut self) -> Result<Secret, Failure> {
        let password = self.ask("password")?;
        if matches!(self, Self::Terminal) && !self.ask("the same again")?.matches(password.expose()) {
            return Err(Failure::Different);
        }
        Ok(password)
    }
}

/// Cuts off the newline and nothing else: a space or a carriage return may be meant.
fn read_line(lines: &mut impl BufRead, what: &'static str) -> Result<Secret, Failure> {
    // All at once, so that no copy is left behind by growing.
    let mut line = Vec::with_capacity(MAX_LINE as usize);
    lines.take(MAX_LINE).read_until(b'\n', &mut line).map_err(Failure::Read)?;
    let full = line.len() as u64 == MAX_LINE;
    match line.pop() {
        None => Err(Failure::Missing(what)),
        Some(b'\n') => Ok(Secret::new(line)),
        Some(_) if full => Err(Failure::Long(what)),
        Some(last) => {
            line.push(last);
            Ok(Secret::new(line))
        }
    }
}

/// Why there is no secret. Never shows a part of one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot read from the terminal or standard input: {0}")]
    Read(#[source] io::Error),
    #[error("standard input ended before the line with the {0}")]
    Missing(&'static str),
    #[error("the line with the {0} has more than {MAX_LINE} bytes")]
    Long(&'static str),
    #[error("the two passwords are not the same")]
    Different,
}

impl Failure {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Missing(_) | Self::Long(_) | Self::Different => USAGE,
            Self::Read(_) => FAILED,
        }
    }
}
