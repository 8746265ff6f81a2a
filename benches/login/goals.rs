//! Every number of the benchmark, with its goal, in the order in which the table shows them.

/// What a number must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Shown only.
    Open,
}

impl Goal {
    /// As `ratios.tsv` has it.
    pub fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!(">={least}"),
            Self::AtMost(most) => format!("<={most}"),
            Self::Open => "-".to_owned(),
        }
    }

    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Open => true,
        }
    }
}

/// One number.
pub struct Number {
    /// In `ratios.tsv`.
    pub name: &'static str,
    /// In the table.
    pub words: &'static str,
    /// Empty for a ratio.
    pub unit: &'static str,
    pub goal: Goal,
}

const fn number(name: &'static str, words: &'static str, unit: &'static str, goal: Goal) -> Number {
    Number { name, words, unit, goal }
}

use Goal::{AtLeast, AtMost, Open};

/// A number that nobody measured is shown as missing, and then the benchmark fails.
pub const NUMBERS: [Number; 41] = [
    number("hot_c32_d1_to_echo", "hot logins, 32 x 1, to the echo", "", Open),
    number(
        "hot_c32_d1_to_dovecot_cache",
        "hot logins, 32 x 1, to Dovecot's cache at its best",
        "",
        AtLeast(2.5),
    ),
    number(
        "hot_c32_d1_to_dovecot_as_mailcow",
        "hot logins, 32 x 1, to Dovecot's cache as mailcow ships it",
        "",
        AtLeast(6.0),
    ),
    number(
        "hot_c32_d1_to_dovecot_2_4",
        "hot logins, 32 x 1, to Dovecot 2.4, which looks nothing up (`passdb static`)",
        "",
        Open,
    ),
    number("hot_c256_d8_to_echo", "hot logins, 256 x 8, to the echo", "", AtLeast(0.33)),
    number(
        "hot_c256_d8_to_dovecot_cache",
        "hot logins, 256 x 8, to Dovecot's cache at its best",
        "",
        AtLeast(8.0),
    ),
    number(
        "hot_c256_d8_to_dovecot_as_mailcow",
        "hot logins, 256 x 8, to Dovecot's cache as mailcow ships it",
        "",
        Open,
    ),
    number(
        "hot_c256_d8_to_dovecot_2_4",
        "hot logins, 256 x 8, to Dovecot 2.4, which looks nothing up (`passdb static`)",
        "",
        Open,
    ),
    number("hot_cpu_us_d16", "server CPU of a hot login, 32 x 16", "µs", Open),
    number("hot_cpu_to_echo_d16", "server CPU of a hot login, 32 x 16, to the echo", "", AtMost(5.0)),
    number("hot_p99_c8_to_echo", "p99 of a hot login, 8 x 1, to the echo's", "", AtMost(2.0)),
    number("per_login_connection_to_echo", "hot logins, a connection each, 8 at once, to the echo", "", Open),
    number(
        "per_login_connection_to_dovecot_cache",
        "hot logins, a connection each, 8 at once, to Dovecot's cache",
        "",
        Open,
    ),
    number("cold_to_bcrypt_crate", "cold bcrypt logins, to the bcrypt crate on all cores", "", AtLeast(3.0)),
    number(
        "cold_c32_to_dovecot_passwd_file",
        "cold bcrypt logins, 32 x 1, to Dovecot's passwd-file",
        "",
        AtLeast(5.0),
    ),
    number("cold_latency_to_hash_and_search", "one cold login, to one hash and one search", "", AtMost(1.1)),
    number(
        "poisson_p95_to_hash",
        "14 cold logins a second and core at random, p95 to one hash",
        "",
        AtMost(1.6),
    ),
    number("keycloak_calls_first_login", "Keycloak calls: a first login, besides the token", "", AtMost(1.0)),
    number("keycloak_calls_next_thousand", "Keycloak calls: the next thousand logins", "", AtMost(0.0)),
    number(
        "keycloak_calls_200_parallel",
        "Keycloak calls: 200 first logins of one person at once",
        "",
        AtMost(1.0),
    ),
    number("keycloak_calls_wrong_guesses", "Keycloak calls: 1,000 wrong guesses in 5 s", "", AtMost(3.0)),
    number(
        "hot_p99_ms_beside_wrong",
        "p99 of a right login while 500 wrong ones a second run",
        "ms",
        AtMost(500.0),
    ),
    number("wrong_p50_ms", "p50 of a wrong login, which waits 2 s on purpose", "ms", Open),
    number(
        "sync_keycloak_share",
        "share of a sync over 20,000 people, pauses aside, that is Keycloak's",
        "",
        AtLeast(0.9),
    ),
    number(
        "sync_first_run_to_second",
        "a first run of the sync over 20,000 people, to a second one",
        "",
        AtMost(1.5),
    ),
    number("sync_second_run_writes", "mailboxes that a second sync of them changes", "", AtMost(0.0)),
    number("sync_memory_mib", "memory of a sync of 20,000 people at its most", "MiB", AtMost(64.0)),
    number(
        "sync_memory_more_than_of_a_tenth_mib",
        "how much more that is than for 2,000 people",
        "MiB",
        AtMost(20.0),
    ),
    number("sync_logins_p99_to_alone", "p99 of logins beside a sync, to without", "", AtMost(2.0)),
    number("memory_idle_mib", "memory, idle", "MiB", AtMost(20.0)),
    number(
        "memory_kib_per_person",
        "memory of a person with Keycloak record, mailbox and hash",
        "KiB",
        AtMost(0.9),
    ),
    number("memory_mib_1e2", "memory with 10^2 mailboxes", "MiB", Open),
    number("memory_mib_1e4", "memory with 10^4 mailboxes", "MiB", Open),
    number("memory_mib_1e6", "memory with 10^6 mailboxes", "MiB", AtMost(450.0)),
    number("restart_ready_s_1e6", "ready after a start with a record file of 10^6 people", "s", AtMost(2.0)),
    number("memory_kib_per_mailbox_1e6", "memory of each of 10^6 mailboxes", "KiB", AtMost(1.0)),
    number("cpu_us_1e2", "server CPU of a hot login with 10^2 people, 8 x 16", "µs", Open),
    number("cpu_us_1e4", "server CPU of a hot login with 10^4 people, 8 x 16", "µs", Open),
    number("cpu_us_1e6", "server CPU of a hot login with 10^6 people, 8 x 16", "µs", Open),
    number("cpu_1e4_to_1e2", "the same with 10^4 people, to 10^2", "", AtMost(1.5)),
    number("cpu_1e6_to_1e2", "the same with 10^6 people, to 10^2", "", AtMost(2.0)),
];
