//! Logins by service, verdict and reason, and how long they took.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{Histogram, HistogramSnapshot};
use crate::auth::{Reason, Service, Verdict};

/// Names of services, in the order of [`service_index`]. What a peer makes up is `other`: labels must be few.
const SERVICES: [&str; 10] =
    ["imap", "pop3", "smtp", "sieve", "dav", "eas", "lmtp", "doveadm", "portal", "other"];
const REPEATED: [&str; 2] = ["no", "yes"];
const PATHS: [&str; 3] = ["hit", "cold", "stale"];

/// Whom a login asked, in this order of effort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoginPath {
    /// Nobody: all was known.
    Hit,
    /// Keycloak, the database, or a hashing thread.
    Cold,
    /// A backend could not tell, and something of this age served.
    Stale(Duration),
}

impl LoginPath {
    /// The name that metrics use.
    #[must_use]
    pub fn name(self) -> &'static str {
        PATHS[self.index()]
    }

    fn index(self) -> usize {
        match self {
            Self::Hit => 0,
            Self::Cold => 1,
            Self::Stale(_) => 2,
        }
    }
}

/// Counts logins. Never knows who they were.
#[derive(Debug)]
pub struct LoginMetrics {
    /// Each service with each reason.
    counts: Box<[AtomicU64]>,
    seconds: [Histogram; 3],
    ages: Histogram,
    /// Refused guesses: the first of its kind, and repetitions.
    guesses: [AtomicU64; 2],
    began: Instant,
    /// When a stale answer was given last, in milliseconds after `began` and one more; 0 is never.
    last_stale: AtomicU64,
}

/// One line of [`LoginsSnapshot::counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginCount {
    /// One of a closed set.
    pub service: &'static str,
    /// `accept`, `refuse`, `cannot_tell`.
    pub verdict: &'static str,
    /// The reason code.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// What was counted so far.
#[derive(Clone, Debug, Default)]
pub struct LoginsSnapshot {
    /// Without those that never happened.
    pub counts: Vec<LoginCount>,
    /// How long logins took, by the name of their path. The failure delay is not in it.
    pub seconds: Vec<(&'static str, HistogramSnapshot)>,
    /// How old the answers were that served although a backend could not tell.
    pub ages: HistogramSnapshot,
    /// Refused guesses, by whether the same one from the same place was told before.
    pub guesses: Vec<(&'static str, u64)>,
}

impl LoginMetrics {
    /// Counts from now on.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            counts: (0..SERVICES.len() * Reason::all().count()).map(|_| AtomicU64::new(0)).collect(),
            seconds: [Histogram::of_answers(), Histogram::of_answers(), Histogram::of_answers()],
            ages: Histogram::of_ages(),
            guesses: Default::default(),
            began: now,
            last_stale: AtomicU64::new(0),
        }
    }

    /// Counts one that ended at `now`. For each there is one log line.
    pub fn count(
        &self,
        service: &Service,
        verdict: &Verdict,
        path: LoginPath,
        (took, now): (Duration, Instant),
    ) {
        let reasons = self.counts.len() / SERVICES.len();
        let place = service_index(service) * reasons + verdict.reason().index();
        self.counts[place].fetch_add(1, Relaxed);
        self.seconds[path.index()].observe(took);
        if let LoginPath::Stale(age) = path {
            self.ages.observe(age);
            self.last_stale.store(1 + self.millis_at(now), Relaxed);
        }
    }

    /// Counts a refused guess beside its login.
    pub fn count_guess(&self, is_repeated: bool) {
        self.guesses[usize::from(is_repeated)].fetch_add(1, Relaxed);
    }

    /// How long it has counted, in milliseconds.
    #[must_use]
    pub fn uptime_ms(&self, now: Instant) -> u64 {
        self.millis_at(now)
    }

    /// Whether a stale answer was given in this time before `now`.
    #[must_use]
    pub fn was_stale_within(&self, limit: Duration, now: Instant) -> bool {
        let Some(last) = self.last_stale.load(Relaxed).checked_sub(1) else { return false };
        Duration::from_millis(self.millis_at(now).saturating_sub(last)) < limit
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> LoginsSnapshot {
        let reasons: Vec<_> = Reason::all().collect();
        let places =
            SERVICES.iter().flat_map(|service| reasons.iter().map(move |reason| (*service, *reason)));
        let counts = places.zip(&*self.counts).filter_map(|((service, reason), count)| {
            let (verdict, reason, count) = (reason.verdict(), reason.code(), count.load(Relaxed));
            (count > 0).then_some(LoginCount { service, verdict, reason, count })
        });
        LoginsSnapshot {
            counts: counts.collect(),
            seconds: PATHS.into_iter().zip(self.seconds.iter().map(Histogram::snapshot)).collect(),
            ages: self.ages.snapshot(),
            guesses: REPEATED.into_iter().zip(self.guesses.iter().map(|count| count.load(Relaxed))).collect(),
        }
    }

    fn millis_at(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX - 1)
    }
}

fn service_index(service: &Service) -> usize {
    match service {
        Service::Imap => 0,
        Service::Pop3 => 1,
        Service::Smtp => 2,
        Service::Sieve => 3,
        Service::Dav => 4,
        Service::Eas => 5,
        Service::Lmtp => 6,
        Service::Doveadm => 7,
        Service::Portal => 8,
        Service::Unnamed | Service::Other(_) => 9,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a clock may start anywhere")]
mod tests {
    use super::*;
    use crate::auth::{Denial, ProvisionRefusal, TempFail, TempFailReason};

    const TOOK: Duration = Duration::from_millis(3);

    fn trouble(reason: TempFailReason) -> Verdict {
        Verdict::CannotTell(TempFail::new(reason, "alice@example.org has a story"))
    }

    #[test]
    fn logins_are_told_apart_by_service_verdict_and_reason() {
        let now = Instant::now();
        let metrics = LoginMetrics::new(now);
        let provisioning = TempFailReason::Provisioning(ProvisionRefusal::QuarantineCategoryInvalid);
        for (service, verdict) in [
            (Service::Imap, Verdict::Refuse(Denial::MechanismUnknown)),
            (Service::Imap, Verdict::Refuse(Denial::MechanismUnknown)),
            (Service::Other("a".into()), Verdict::Refuse(Denial::AppPasswordExpired)),
            (Service::Other("b".into()), Verdict::Refuse(Denial::AppPasswordExpired)),
            (Service::Smtp, trouble(TempFailReason::KeycloakDns)),
            (Service::Doveadm, trouble(provisioning)),
        ] {
            metrics.count(&service, &verdict, LoginPath::Cold, (TOOK, now));
        }
        let found: Vec<_> = metrics
            .snapshot()
            .counts
            .into_iter()
            .map(|LoginCount { service, verdict, reason, count }| (service, verdict, reason, count))
            .collect();
        let expected = [
            ("imap", "refuse", "mechanism_unknown", 2),
            ("smtp", "cannot_tell", "keycloak_dns", 1),
            ("doveadm", "cannot_tell", "provision_quarantine_category_invalid", 1),
            ("other", "refuse", "app_password_expired", 2),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_service_has_its_own_name() {
        for name in SERVICES {
            let service = if name == "portal" { Service::Portal } else { Service::parse(name) };
            assert_eq!(SERVICES[service_index(&service)], name);
        }
        assert_eq!(Service::parse("other"), Service::Other("other".into()));
    }

    #[test]
    fn stale_answers_are_known_for_a_while() {
        let now = Instant::now();
        let metrics = LoginMetrics::new(now);
        let minute = Duration::from_secs(60);
        let refused = Verdict::Refuse(Denial::PasswordMismatch);
        metrics.count(&Service::Imap, &refused, LoginPath::Hit, (TOOK, now));
        assert!(!metrics.was_stale_within(minute, now));
        metrics.count(&Service::Imap, &refused, LoginPath::Stale(5 * minute), (TOOK, now));
        assert!(metrics.was_stale_within(minute, now + Duration::from_secs(59)));
        assert!(!metrics.was_stale_within(minute, now + minute));
        let LoginsSnapshot { seconds, ages, .. } = metrics.snapshot();
        let counts: Vec<_> = seconds.iter().map(|(path, seconds)| (*path, seconds.count)).collect();
        assert_eq!(counts, [("hit", 1), ("cold", 0), ("stale", 1)]);
        assert_eq!((ages.count, ages.sum), (1, 300.0));
    }
}
