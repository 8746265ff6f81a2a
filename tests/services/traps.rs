//! The traps that such daemons have fallen into, by number, and where each has its test.

use std::fs;

use crate::ensure;
use crate::stage::{Result, attempt, source_tree};

/// Where a trap is tested: in this file, by a test whose name holds this.
struct Test(&'static str, &'static str);

const CACHE: &str = "tests/services/mailcow_cases/traps/cache.rs";
const OUTAGE: &str = "tests/services/mailcow_cases/traps/outage.rs";
const SERVERS: &str = "tests/services/fault_matrix/mail_servers.rs";
const CHAIN: &str = "tests/services/http_login/chain.rs";
const CASES: &str = "tests/services/mailcow_cases/outages.rs";
const THROTTLING: &str = "tests/services/throttling.rs";

/// Those of the cache, of temporary and permanent answers, and of lockouts; and the one about blocked threads.
const TRAPS: &[(u8, Test)] = &[
    (1, Test(SERVERS, "trap_t01_")),
    (1, Test(CHAIN, "trap_t01_")),
    (2, Test(SERVERS, "trap_t02_")),
    (3, Test(CACHE, "trap_t03_")),
    (4, Test(CACHE, "trap_t04_")),
    (5, Test(CACHE, "trap_t05_")),
    (6, Test(CACHE, "trap_t06_")),
    (7, Test(CACHE, "trap_t07_")),
    (8, Test("src/cache/verified.rs", "trap_t08_")),
    (8, Test("src/cache/verified.rs", "a_comparison_is_recalled_for_its_own_pair_only")),
    (9, Test(CACHE, "trap_t09_")),
    (10, Test(CACHE, "trap_t10_")),
    (11, Test(CACHE, "trap_t11_")),
    (12, Test(CACHE, "trap_t12_")),
    (13, Test(CACHE, "trap_t13_")),
    (13, Test("src/cache/verified.rs", "keys_differ_and_nothing_is_shown")),
    // Records live by the clock that never goes back; that nothing else is read is checked below.
    (14, Test("src/cache/records_tests.rs", "trap_t14_a_record_is_never_taken_as_it_is_beyond_its_time")),
    (15, Test(OUTAGE, "trap_t15_")),
    (16, Test(SERVERS, "trap_t16_")),
    (17, Test("tests/services/restart.rs", "trap_t17_restarts_under_load_cost_only_temporary_failures")),
    (17, Test("tests/services/stopping.rs", "sockets_belong_to_whom_the_configuration_says")),
    (18, Test(OUTAGE, "trap_t18_")),
    (19, Test(OUTAGE, "trap_t19_")),
    (20, Test("tests/services/mailcow_cases/identity_provider.rs", "mailcow_case_64_")),
    (20, Test(CASES, "mailcow_case_64_and_trap_t20_a_wrong_client_secret")),
    (21, Test(CASES, "mailcow_case_63_and_trap_t21_a_token_that_died_costs_one_more")),
    (
        21,
        Test(
            "src/keycloak/faults.rs",
            "trap_t21_a_token_that_is_never_accepted_is_fetched_twice_and_no_more",
        ),
    ),
    (22, Test(THROTTLING, "trap_t22_")),
    (23, Test(THROTTLING, "trap_t23_")),
    (24, Test(OUTAGE, "trap_t24_")),
    (24, Test(CHAIN, "http_login_in_mailcows_chain_with")),
    (25, Test(THROTTLING, "want_32_and_trap_t25_")),
    (26, Test("src/decision/webmail.rs", "trap_t26_only_the_trusted_address_is_trusted")),
    (26, Test(CASES, "mailcow_case_67_a_login_from_nowhere")),
    (27, Test(OUTAGE, "trap_t27_")),
    (40, Test("tests/services/mailcow_cases/traps/guessing.rs", "trap_t40_")),
    (45, Test("src/sync/walk_tests.rs", "trap_t45_")),
    (46, Test("src/sync/walk_tests.rs", "trap_t46_")),
    (46, Test("tests/services/sync/leavers.rs", "trap_t46_")),
    (47, Test("tests/services/sync/leavers.rs", "trap_t47_")),
    (50, Test("src/sync/config.rs", "trap_t50_")),
    (50, Test("tests/services/mailcow_cases/provisioning.rs", "trap_t50_")),
    (50, Test("tests/services/mailcow_cases/traps/settings.rs", "trap_t50_")),
    (51, Test("tests/services/mailcow_cases/provisioning.rs", "trap_t51_")),
    (51, Test("tests/services/sync/mod.rs", "domain_unknown")),
    (52, Test("tests/services/mailcow_cases/template_updates.rs", "trap_t52_")),
    (52, Test("tests/services/sync/mod.rs", "want_22_")),
    (53, Test("tests/services/sync/many.rs", "trap_t53_")),
];

/// Each has a test that is there.
pub fn every_trap_has_its_place() -> Result<()> {
    for number in (1..=27).chain([40]).chain(45..=47).chain(50..=53) {
        let mut tests = TRAPS.iter().filter(|(found, _)| *found == number).map(|(_, Test(_, name))| name);
        let is_named = tests.any(|name| name.contains(&format!("trap_t{number:02}_")));
        ensure(is_named, || format!("no test has the number of T{number} in its name"))?;
    }
    for (number, Test(file, name)) in TRAPS {
        let text = read(file)?;
        ensure(text.contains(name), || format!("T{number}: {file} has no {name}"))?;
    }
    no_wall_clock_in_caches()?;
    no_mailbox_is_deleted()
}

/// Trap 47.
fn no_mailbox_is_deleted() -> Result<()> {
    let mut folders = vec![source_tree().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in attempt("list", &folder, fs::read_dir(&folder))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = attempt("read", &path, fs::read_to_string(&path))?.to_ascii_uppercase();
            let deletes = ["DELETE FROM MAILBOX", "TRUNCATE TABLE", "DROP TABLE MAILBOX"];
            let found = deletes.iter().any(|words| text.contains(words));
            ensure(!found, || format!("{} deletes mailboxes", path.display()))?;
        }
    }
    Ok(())
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
