#![expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]

use super::*;

const ATTACKER: &str = "198.51.100.66";
const OFFICE: &str = "203.0.113.1";

struct Bench {
    throttle: Throttle,
    now: Instant,
}

impl Bench {
    fn new(settings: &str) -> Self {
        let now = Instant::now();
        let config: Config = toml::from_str(settings).unwrap();
        Self { throttle: Throttle::new(&config, now).unwrap(), now }
    }

    fn is_admitted(&self, name: &str, from: &str) -> bool {
        self.throttle.admit(&user(name), from.parse().ok(), self.now).is_ok()
    }

    /// A wrong password, if it is admitted.
    fn guess(&self, name: &str, password: &str, from: &str) {
        if self.is_admitted(name, from) {
            self.refuse(name, password, from, Denial::PasswordMismatch);
        }
    }

    fn refuse(&self, name: &str, password: &str, from: &str, denial: Denial) {
        let (user, password) = (user(name), Secret::from(password));
        let attempt = Attempt { user: &user, password: &password, remote: from.parse().ok(), now: self.now };
        self.throttle.note_refused(&attempt, denial);
    }

    fn accept(&self, name: &str, from: &str) {
        self.throttle.note_accepted(&user(name), from.parse().ok(), self.now);
    }

    fn guess_often(&self, name: &str, from: &str, times: usize) {
        (0..times).for_each(|number| self.guess(name, &format!("guess {number}"), from));
    }
}

fn user(name: &str) -> Username {
    Username::parse(format!("{name}@example.org").as_bytes()).unwrap()
}

#[test]
fn a_forgotten_phone_makes_no_office_wait() {
    let bench = Bench::new("");
    for _ in 0..10_000 {
        bench.guess("anna", "old password", OFFICE);
    }
    assert!(bench.is_admitted("anna", OFFICE) && bench.is_admitted("bert", OFFICE));
    assert_eq!(bench.throttle.counts().throttled, 0);
}

#[test]
fn a_guesser_waits_and_the_owner_does_not() {
    let bench = Bench::new("");
    bench.accept("anna", OFFICE);
    bench.guess_often("anna", ATTACKER, 60);
    bench.guess_often("anna", OFFICE, 60);
    assert!(!bench.is_admitted("anna", ATTACKER));
    assert!(bench.is_admitted("anna", OFFICE) && bench.is_admitted("anna", "192.0.2.1"));
    assert!(bench.is_admitted("bert", ATTACKER));
    let error = bench.throttle.admit(&user("anna"), ATTACKER.parse().ok(), bench.now).unwrap_err();
    assert_eq!(error.reason, TempFailReason::Throttled);
}

#[test]
fn a_wait_ends_and_the_right_password_ends_it_for_good() {
    let mut bench = Bench::new("");
    bench.guess_often("anna", ATTACKER, 10);
    assert!(!bench.is_admitted("anna", ATTACKER));
    bench.now += Duration::from_secs(11);
    assert!(bench.is_admitted("anna", ATTACKER));
    bench.accept("anna", ATTACKER);
    bench.guess_often("anna", ATTACKER, 60);
    assert!(bench.is_admitted("anna", ATTACKER));
}

#[test]
fn spraying_makes_strangers_wait_but_not_those_who_are_known_there() {
    let bench = Bench::new("");
    bench.accept("anna", OFFICE);
    (0..100).for_each(|number| bench.guess(&format!("p{number}"), "Winter2026", OFFICE));
    assert!(!bench.is_admitted("carl", OFFICE));
    assert!(bench.is_admitted("anna", OFFICE) && bench.is_admitted("carl", ATTACKER));
    // Known in the network is known enough for that.
    (0..100).for_each(|number| bench.guess(&format!("p{number}"), "Winter2026", "203.0.113.77"));
    assert!(bench.is_admitted("anna", "203.0.113.77"));
}

#[test]
fn names_that_nobody_has_count_as_spraying() {
    let bench = Bench::new("");
    for number in 0..20 {
        bench.refuse(&format!("x{number}"), "pw", ATTACKER, Denial::MailboxUnknown);
    }
    assert!(!bench.is_admitted("anna", ATTACKER));
}

#[test]
fn what_is_no_guess_is_no_strike() {
    let bench = Bench::new("");
    for number in 0..100 {
        for denial in Denial::ALL.into_iter().filter(|denial| !denial.is_guess()) {
            bench.refuse("anna", &number.to_string(), ATTACKER, denial);
        }
    }
    assert!(bench.is_admitted("anna", ATTACKER) && bench.throttle.list(bench.now).is_empty());
}

#[test]
fn trusted_networks_and_disabled_throttles_count_nothing() {
    for settings in ["trusted = ['198.51.100.0/24']", "enabled = false"] {
        let bench = Bench::new(settings);
        bench.guess_often("anna", ATTACKER, 60);
        (0..100).for_each(|number| bench.guess(&format!("p{number}"), "pw", ATTACKER));
        assert!(bench.is_admitted("anna", ATTACKER), "{settings}");
        assert!(bench.throttle.list(bench.now).is_empty(), "{settings}");
    }
}

#[test]
fn without_an_address_only_the_account_counts() {
    let bench = Bench::new("");
    (0..100).for_each(|number| bench.guess(&format!("p{number}"), "pw", "none"));
    assert!(bench.is_admitted("anna", "none"));
    bench.guess_often("anna", "none", 60);
    assert!(!bench.is_admitted("anna", "none") && bench.is_admitted("bert", "none"));
    assert!(bench.is_admitted("anna", OFFICE));
}

#[test]
fn a_gateway_is_not_throttled_as_a_whole_but_accounts_behind_it_are() {
    let bench = Bench::new("");
    (0..100).for_each(|number| bench.guess(&format!("p{number}"), "pw", "172.22.1.1"));
    assert!(bench.is_admitted("anna", "172.22.1.1"));
    bench.guess_often("anna", "172.22.1.1", 60);
    assert!(!bench.is_admitted("anna", "172.22.1.1") && bench.is_admitted("bert", "172.22.1.1"));
}

#[test]
fn many_guesses_at_once_do_not_get_past_the_limit() {
    let bench = Bench::new("");
    let anna = user("anna");
    let enter = |number: usize| {
        let password = Secret::from(&*format!("guess {number}"));
        let remote = ATTACKER.parse().ok();
        bench.throttle.enter(&Attempt { user: &anna, password: &password, remote, now: bench.now })
    };
    let inside: Vec<_> = (0..60).map(enter).collect();
    assert_eq!(inside.iter().filter(|end| end.is_ok()).count(), 10);
    assert!(enter(3).is_ok(), "the same password is the same guess");
    drop(inside);
    assert!(enter(99).is_ok());
    let Some(inner) = &bench.throttle.0 else { panic!("it is enabled") };
    assert!(inner.lock().pending.is_empty());
}

#[test]
fn clearing_lets_everybody_in_again() {
    for target in ["anna@example.org", ATTACKER, "198.51.0.0/16", "all"] {
        let bench = Bench::new("");
        bench.guess_often("anna", ATTACKER, 60);
        let cleared = bench.throttle.clear(&Target::parse(target).unwrap());
        assert!(cleared >= 2 && bench.is_admitted("anna", ATTACKER), "{target}");
    }
    assert_eq!(Target::parse("no such thing"), None);
}

/// What one node counts, another knows when it is told.
#[test]
fn nodes_that_are_told_count_alike() {
    let (one, other) = (Bench::new("shared = true"), Bench::new("shared = true"));
    let (Some(from), Some(to)) = (&one.throttle.0, &other.throttle.0) else { panic!("they are enabled") };
    one.accept("anna", OFFICE);
    one.guess_often("anna", ATTACKER, 60);
    (0..30).for_each(|number| one.guess(&format!("p{number}"), "pw", OFFICE));
    while let Some(event) = from.outbox.as_ref().and_then(sharing::Outbox::pop) {
        let wire = serde_json::to_string(&event).unwrap();
        assert!(!wire.contains("guess"), "{wire}");
        to.take_in(serde_json::from_str(&wire).unwrap(), other.now, other.now);
    }
    assert!(!other.is_admitted("anna", ATTACKER) && other.is_admitted("anna", OFFICE));
    assert!(!other.is_admitted("carl", OFFICE));
    assert!(to.outbox.as_ref().and_then(sharing::Outbox::pop).is_none(), "nothing is sent back");
}
