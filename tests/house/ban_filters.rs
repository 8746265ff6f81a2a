//! The filters for ban tools go by the table of reason codes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use keydove::auth::Reason;

#[test]
fn the_filters_of_the_manual_list_the_guesses_and_nothing_else() {
    let guesses: BTreeSet<_> = Reason::all().filter(|reason| reason.is_guess()).map(Reason::code).collect();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logging.md")).unwrap();
    // fail2ban's and CrowdSec's.
    for begin in ["failregex = ", "pattern: '"] {
        let line = page.lines().find_map(|line| line.trim_start().strip_prefix(begin)).unwrap();
        let (_, after) = line.split_once("verdict=refuse reason=(?:").unwrap();
        let (reasons, after) = after.split_once(')').unwrap();
        assert_eq!(reasons.split('|').collect::<BTreeSet<_>>(), guesses, "{begin}");
        // A repetition says so between the reason and the name.
        assert!(after.starts_with(" user="), "{begin} takes repetitions");
    }
}
