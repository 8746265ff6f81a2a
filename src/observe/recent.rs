//! The last attempts that were not accepted, so that an administrator need not search a log for them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::auth::{Service, Username, Verdict};

/// Attempts of everybody together: about 300 KB.
const MAX_ATTEMPTS: usize = 2048;

/// One attempt that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentAttempt {
    /// Who tried, in normal form.
    pub user: Username,
    /// When the request came.
    pub at: SystemTime,
    /// The service that was asked for.
    pub service: Service,
    /// The client's address, if the peer told it.
    pub remote: Option<IpAddr>,
    /// `refuse` or `cannot_tell`.
    pub verdict: &'static str,
    /// The reason code.
    pub reason: &'static str,
}

/// The last attempts that were not accepted, of everybody, the oldest first. Accepted ones are in the login history
/// (`sasl_log`) and cost nothing here.
#[derive(Debug, Default)]
pub struct RecentAttempts(Mutex<VecDeque<RecentAttempt>>);

impl RecentAttempts {
    /// Takes down an attempt, unless it was accepted.
    pub fn note(
        &self,
        user: &Username,
        service: &Service,
        remote: Option<IpAddr>,
        (verdict, at): (&Verdict, SystemTime),
    ) {
        if matches!(verdict, Verdict::Accept(_)) {
            return;
        }
        let (verdict, reason) = (verdict.reason().verdict(), verdict.reason().code());
        let attempt =
            RecentAttempt { user: user.clone(), at, service: service.clone(), remote, verdict, reason };
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() >= MAX_ATTEMPTS {
            attempts.pop_front();
        }
        attempts.push_back(attempt);
    }

    /// Those of one person, the last first, `limit` at the most.
    #[must_use]
    pub fn of(&self, user: &Username, limit: usize) -> Vec<RecentAttempt> {
        let attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.iter().rev().filter(|attempt| attempt.user == *user).take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Denial;

    fn user(name: &str) -> Username {
        Username::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn the_last_attempts_of_a_person_are_kept_and_those_of_everybody_are_bounded() {
        let recent = RecentAttempts::default();
        let note = |name: &str, denial: Denial| {
            recent.note(
                &user(name),
                &Service::Imap,
                None,
                (&Verdict::Refuse(denial), SystemTime::UNIX_EPOCH),
            );
        };
        note("alice@example.org", Denial::UserDisabled);
        note("bob@example.org", Denial::PasswordMismatch);
        note("alice@example.org", Denial::PasswordMismatch);
        let reasons =
            |name| recent.of(&user(name), 8).iter().map(|attempt| attempt.reason).collect::<Vec<_>>();
        assert_eq!(reasons("alice@example.org"), ["password_mismatch", "user_disabled"]);
        assert_eq!(recent.of(&user("alice@example.org"), 1).len(), 1);
        (0..MAX_ATTEMPTS).for_each(|_| note("bob@example.org", Denial::PasswordMismatch));
        assert_eq!(recent.of(&user("bob@example.org"), usize::MAX).len(), MAX_ATTEMPTS);
        assert!(reasons("alice@example.org").is_empty());
    }
}
