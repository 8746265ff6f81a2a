//! The traps that such daemons have fallen into, by number, and where each has its test.

use std::fs;

use crate::ensure;
use crate::stage::{Result, attempt, source_tree};

/// Where a trap is tested.
enum Place {
    /// In this file, by a test whose name holds this.
    Test(&'static str, &'static str),
    /// Not yet, and why.
    Later(&'static str),
}

use Place::{Later, Test};

const CACHE: &str = "tests/services/mailcow_cases/traps/cache.rs";
const OUTAGE: &str = "tests/services/mailcow_cases/traps/outage.rs";
const SERVERS: &str = "tests/services/fault_matrix/mail_servers.rs";
const CHAIN: &str = "tests/services/http_login/chain.rs";
const CASES: &str = "tests/services/mailcow_cases/outages.rs";
const THROTTLING: &str = "keydove counts no failures yet: throttling is a part of its own";

/// Those of the cache, of temporary and permanent answers, and of lockouts; and the one about blocked threads.
const TRAPS: &[(u8, Place)] = &[
    (1, Test(SERVERS, "trap_t01_")),
    (1, Test(CHAIN, "trap_t01_")),
    (2, Test(SERVERS, "trap_t02_")),
    (3, Test(CACHE, "trap_t03_")),
    (4, Test(CACHE, "trap_t04_")),
    (5, Test(CACHE, "trap_t05_")),
    (6, Test(CACHE, "trap_t06_")),
    (7, Test(CACHE, "trap_t07_")),
    (8, Test("src/cache/verified.rs", "a_comparison_is_recalled_for_its_own_pair_only")),
    (9, Test(CACHE, "trap_t09_")),
    (10, Test(CACHE, "trap_t10_")),
    (11, Test(CACHE, "trap_t11_")),
    (12, Test(CACHE, "trap_t12_")),
    (13, Test(CACHE, "trap_t13_")),
    (13, Test("src/cache/verified.rs", "keys_differ_and_nothing_is_shown")),
    // Records live by the clock that never goes back; that nothing else is read is checked below.
    (14, Test("src/cache/records_tests.rs", "a_record_is_never_taken_as_it_is_beyond_its_time")),
    (15, Test(OUTAGE, "trap_t15_")),
    (16, Test(SERVERS, "trap_t16_")),
    (17, Test("tests/services/restart.rs", "restarts_under_load_cost_only_temporary_failures")),
    (17, Test("tests/services/stopping.rs", "sockets_belong_to_whom_the_configuration_says")),
    (18, Test(OUTAGE, "trap_t18_")),
    (19, Test(OUTAGE, "trap_t19_")),
    (20, Test("tests/services/mailcow_cases/identity_provider.rs", "mailcow_case_64_")),
    (20, Test(CASES, "mailcow_case_64_a_wrong_client_secret")),
    (21, Test(CASES, "mailcow_case_63_a_token_that_died_costs_one_more")),
    (21, Test("src/keycloak/faults.rs", "a_token_that_is_never_accepted_is_fetched_twice_and_no_more")),
    (22, Later(THROTTLING)),
    (23, Later(THROTTLING)),
    (24, Test(OUTAGE, "trap_t24_")),
    (24, Test(CHAIN, "http_login_in_mailcows_chain_with")),
    (25, Later(THROTTLING)),
    (26, Test("src/decision/webmail.rs", "only_the_trusted_address_is_trusted")),
    (26, Test(CASES, "mailcow_case_67_a_login_from_nowhere")),
    (27, Test(OUTAGE, "trap_t27_")),
    (40, Test("tests/services/mailcow_cases/traps/guessing.rs", "trap_t40_")),
];

/// Each has a test that is there, or a reason.
pub fn every_trap_has_its_place() -> Result<()> {
    for number in (1..=27).chain([40]) {
        ensure(TRAPS.iter().any(|(found, _)| *found == number), || format!("T{number} is in no row"))?;
    }
    for (number, place) in TRAPS {
        match place {
            Test(file, name) => {
                let text = read(file)?;
                ensure(text.contains(name), || format!("T{number}: {file} has no {name}"))?;
            }
            Later(reason) => ensure(!reason.is_empty(), || format!("T{number} waits for nothing"))?,
        }
    }
    no_wall_clock_in_caches()
}

fn no_wall_clock_in_caches() -> Result<()> {
    for file in ["bounded", "comparisons", "records", "verified"] {
        let text = read(&format!("src/cache/{file}.rs"))?;
        ensure(!text.contains("SystemTime"), || format!("src/cache/{file}.rs reads the wall clock"))?;
    }
    Ok(())
}

fn read(file: &str) -> Result<String> {
    let path = source_tree().join(file);
    attempt("read", &path, fs::read_to_string(&path))
}
