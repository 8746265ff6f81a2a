//! Whether a backend is up, as the last checks saw it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// So many failures in a row make a backend down. One is a restart, or a packet that was lost.
const FAILURES: u32 = 3;
/// So many successes in a row make it up again. One may be a server that comes up and falls.
const SUCCESSES: u32 = 2;

/// What keydove takes a backend for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailHostState {
    /// It is this machine, which is not checked.
    This,
    /// It answers, or has not been checked yet.
    Up,
    /// It does not, for this reason.
    Down(String),
}

/// The checks of one backend.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// In a row: of what is against the present state.
    against: u32,
    /// Why it is down; `None` while it is up.
    down: Option<String>,
    /// Where it was found last, where it has a host name.
    pub(super) address: Option<IpAddr>,
}

impl Checks {
    /// Why it is down.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.down.as_deref()
    }

    /// Takes a check down; says whether that changes the state.
    pub(super) fn note(&mut self, end: Result<IpAddr, String>) -> bool {
        let is_up = self.down.is_none();
        if let Ok(address) = end {
            self.address = Some(address);
        }
        if is_up == end.is_ok() {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let limit = if is_up { FAILURES } else { SUCCESSES };
        if self.against < limit {
            return false;
        }
        self.against = 0;
        self.down = end.err();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(checks: &mut Checks, ends: &str) -> String {
        let mut seen = String::new();
        for end in ends.chars() {
            let address = || IpAddr::from([192, 0, 2, 1]);
            checks.note(if end == '+' { Ok(address()) } else { Err("refused".to_owned()) });
            seen.push(if checks.trouble().is_none() { '+' } else { '-' });
        }
        seen
    }

    #[test]
    fn one_failure_is_no_outage_and_one_success_no_recovery() {
        let mut checks = Checks::default();
        assert_eq!(note(&mut checks, "--+--+---"), "++++++++-");
        assert_eq!(note(&mut checks, "+-+-++--"), "-----+++");
        assert_eq!(note(&mut checks, "-"), "-", "the two failures before count");
        assert_eq!(checks.trouble(), Some("refused"));
    }
}
