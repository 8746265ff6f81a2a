//! The section `[login]`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::auth::{DefaultDomain, ServiceNames};
use crate::settings::{Period, Section, SettingFault};

/// Postfix hangs up after 10 s and takes that for an outage.
const MAX_DEADLINE_SECS: u64 = 9;

/// Names, and how long logins and refusals take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long after its request a refusal leaves at the earliest, in every protocol; less than 10 s. So unknown,
    /// disabled and wrong look alike, and guessing is slow. Default `"2s"`.
    pub failure_delay: Period,
    /// How long a login may take; then the answer is a temporary failure. More than 0, less than 10 s, because
    /// Postfix waits 10 s. Default `"5s"`.
    pub deadline: Period,
    /// Further service names that programs send, each with the service whose switches count: `xmpp = "imap"`,
    /// `radicale = "dav"`. Letter case does not matter. The log shows the name that was sent (`service=xmpp …
    /// counts_as=imap`), metrics the service that counts. keydove refuses all other unknown names
    /// (`service_unknown`).
    pub services: BTreeMap<String, String>,
    /// The domain of names without an `@`, at logins, user lookups and in `explain`; in `user*master` the mailbox
    /// gets it. Default: keydove refuses such names (`name_invalid`).
    pub default_domain: Option<String>,
    /// Whether a name in an active alias domain opens the mailbox of the same name in the domain that it stands
    /// for: docs/mailboxes.md. Default `false`.
    pub alias_domains: bool,
    /// Whether an active alias that leads to exactly one mailbox here opens it; never a catch-all, a list or an
    /// address with `+tag`. Default `false`.
    pub aliases: bool,
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let (deadline, delay) = (self.deadline.get(), self.failure_delay.get());
        if deadline.is_zero() || deadline.as_secs() > MAX_DEADLINE_SECS {
            faults.push(SettingFault::new(
                "deadline",
                "the deadline must be more than 0 and less than 10s",
                "Postfix hangs up after 10s and tells its users of an outage; 5s is a good value",
            ));
        }
        if delay.as_secs() > MAX_DEADLINE_SECS {
            faults.push(SettingFault::new(
                "failure_delay",
                "the failure delay must be less than 10s",
                "Postfix hangs up after 10s, so a wrong password would look like an outage; 2s is a good value",
            ));
        }
        let mut names = ServiceNames::default();
        for (name, target) in &self.services {
            let Err(why) = names.allow(name, target) else { continue };
            faults.push(SettingFault::at(&["services", name], why.to_string(), why.advice()));
        }
        if DefaultDomain::new(self.default_domain.as_deref()).is_err() {
            faults.push(SettingFault::no_domain("default_domain"));
        }
        faults
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failure_delay: Period::from_secs(2),
            deadline: Period::from_secs(5),
            services: BTreeMap::new(),
            default_domain: None,
            alias_domains: false,
            aliases: false,
        }
    }
}
