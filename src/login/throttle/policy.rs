//! Dovecot's questions to an auth policy server, answered from the same counters.
//!
//! It is for a Dovecot whose passwords are not keydove's, or not yet: it can veto or delay, and has no word for "cannot
//! tell".

use std::net::IpAddr;
use std::time::Instant;

use serde::{Deserialize, Deserializer, Serialize};

use super::Throttle;
use super::client_network::ClientNetwork;
use super::digest::Kind;
use crate::auth::{DefaultDomain, Username};

/// A wait of so few seconds Dovecot waits itself, and then goes on.
const LONGEST_DELAY: u64 = 5;

/// What Dovecot sends; other members do not matter here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PolicyRequest {
    #[serde(deserialize_with = "or_nothing")]
    login: String,
    /// Empty where there is none.
    #[serde(deserialize_with = "or_nothing")]
    remote: String,
    /// 12 bits of a digest of name and password under Dovecot's own nonce.
    #[serde(deserialize_with = "or_nothing")]
    pwhash: String,
    #[serde(deserialize_with = "or_nothing")]
    success: bool,
    /// An earlier answer of ours ended it.
    #[serde(deserialize_with = "or_nothing")]
    policy_reject: bool,
    /// Dovecot 2.4: why it was no success.
    fail_type: Option<String>,
}

/// `null` says as little as a member that is missing.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// What Dovecot is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyAnswer {
    /// -1: no. 0: go on. More: wait so many seconds, then go on.
    pub status: i64,
    /// For the log.
    pub msg: &'static str,
}

impl PolicyAnswer {
    /// Go on.
    pub const GO_ON: Self = Self { status: 0, msg: "" };
}

impl PolicyRequest {
    /// The same of a whole name, where a domain goes without saying.
    #[must_use]
    pub fn with_domain(mut self, default_domain: &DefaultDomain) -> Self {
        // No name that is not UTF-8 comes in JSON.
        self.login = String::from_utf8_lossy(&default_domain.complete(self.login.as_bytes())).into_owned();
        self
    }

    /// Whom and whence; none where nobody could have this name.
    fn subject(&self) -> Option<(Username, Option<IpAddr>)> {
        Some((Username::parse(self.login.as_bytes()).ok()?, self.remote.parse().ok()))
    }

    /// Whether it was a guess: a password that did not fit, or a name that nobody has. Without a `fail_type` (Dovecot 2.3)
    /// nothing says otherwise.
    fn is_wrong(&self) -> bool {
        let faults = ["credentials", "account"];
        let is_fault = |kind: &String| faults.contains(&kind.as_str());
        !self.success && !self.policy_reject && self.fail_type.as_ref().is_none_or(is_fault)
    }
}

impl Throttle {
    /// `command=allow`: may this be tried?
    #[must_use]
    pub fn policy_allow(&self, request: &PolicyRequest, now: Instant) -> PolicyAnswer {
        let (Some(inner), Some((user, remote))) = (&self.0, request.subject()) else {
            return PolicyAnswer::GO_ON;
        };
        match inner.wait(&user, ClientNetwork::narrow(remote), now).map(|wait| wait.as_secs() + 1) {
            None => PolicyAnswer::GO_ON,
            Some(seconds) if seconds <= LONGEST_DELAY => {
                PolicyAnswer { status: i64::try_from(seconds).unwrap_or(0), msg: "throttled" }
            }
            Some(_) => PolicyAnswer { status: -1, msg: "throttled: try again later" },
        }
    }

    /// `command=report`: how it ended.
    pub fn policy_report(&self, request: &PolicyRequest, now: Instant) {
        let (Some(inner), Some((user, remote))) = (&self.0, request.subject()) else { return };
        if request.success {
            inner.welcome(&user, ClientNetwork::narrow(remote), now, true);
        } else if request.is_wrong() {
            let digest = inner.digester.digest(Kind::PolicyHash, &user, request.pwhash.as_bytes());
            inner.strike(&user, remote, digest, now);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
mod tests {
    use super::*;
    use crate::login::throttle::Config;

    fn request(text: &str) -> PolicyRequest {
        serde_json::from_str(text).unwrap()
    }

    /// As Dovecot 2.3.19 writes it.
    fn report(pwhash: u32, success: bool) -> PolicyRequest {
        request(&format!(
            r#"{{"device_id":"","login":"alice@e.org","protocol":"imap","pwhash":"{pwhash:04x}","remote":"198.51.100.9","session_id":"s","success":{success},"policy_reject":false,"tls":true}}"#
        ))
    }

    #[test]
    fn reports_make_waits_that_allow_tells_of() {
        let now = Instant::now();
        let throttle = Throttle::new(&Config::default(), now).unwrap();
        let allow = |throttle: &Throttle| throttle.policy_allow(&report(1, false), now);
        for _ in 0..500 {
            throttle.policy_report(&report(7, false), now);
        }
        assert_eq!(allow(&throttle), PolicyAnswer::GO_ON);
        (0..20).for_each(|pwhash| throttle.policy_report(&report(pwhash, false), now));
        assert_eq!(allow(&throttle).status, -1);
        let elsewhere = request(r#"{"login":"alice@e.org","remote":"203.0.113.9","pwhash":"0001"}"#);
        assert_eq!(throttle.policy_allow(&elsewhere, now), PolicyAnswer::GO_ON);
        throttle.policy_report(&report(1, true), now);
        assert_eq!(allow(&throttle), PolicyAnswer::GO_ON);
    }

    #[test]
    fn a_short_wait_is_a_delay_and_no_outage_counts() {
        let now = Instant::now();
        let config: Config = toml::from_str("first_wait = '2s'").unwrap();
        let throttle = Throttle::new(&config, now).unwrap();
        for pwhash in 0..30 {
            for (text, is_wrong) in [
                ("internal", false),
                ("disabled", false),
                ("expired", false),
                ("", false),
                ("credentials", true),
            ] {
                let mut report = report(pwhash, false);
                report.fail_type = Some(text.to_owned());
                assert_eq!(report.is_wrong(), is_wrong, "{text}");
                if !is_wrong {
                    throttle.policy_report(&report, now);
                }
            }
        }
        assert_eq!(throttle.policy_allow(&report(0, false), now), PolicyAnswer::GO_ON);
        (0..10).for_each(|pwhash| throttle.policy_report(&report(pwhash, false), now));
        let later = now + std::time::Duration::from_millis(500);
        assert_eq!(throttle.policy_allow(&report(0, false), later).status, 2);
    }
}
