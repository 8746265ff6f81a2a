//! The own bcrypt beside the `bcrypt` crate, which is the reference, alone and on lanes.

use proptest::prelude::*;

use super::*;
use crate::credential::scheme::{Effort, Usable, parse};

const SALT: [u8; 16] = *b"sixteen of salt.";

/// What the reference makes of a password, with the NUL that ends it in PHP and C.
fn reference(cost: u32, password: &[u8], salt: [u8; 16]) -> [u8; DIGEST] {
    let key: Vec<u8> = password.iter().copied().chain([0]).take(MAX_KEY).collect();
    ::bcrypt::bcrypt(cost, salt, &key)
}

/// The stored hash of a password, made by the reference.
fn stored(cost: u32, password: &[u8], salt: [u8; 16]) -> Usable {
    let digest = reference(cost, password, salt);
    let text = format!("{{BLF-CRYPT}}$2y${cost:02}${}{}", BASE64.encode(salt), BASE64.encode(&digest[..23]));
    parse(text.as_bytes()).unwrap().permit(&Policy::default()).unwrap()
}

fn password(number: usize) -> Vec<u8> {
    format!("password {number}").into_bytes()
}

/// Advances until all have ended; the tags and results in the order in which they ended.
fn finish<T>(lanes: &mut Lanes<T>) -> Vec<(T, bool)> {
    let mut ended = Vec::new();
    while !lanes.is_empty() {
        lanes.step(|tag, matched| ended.push((tag, matched)));
    }
    ended
}

#[test]
fn every_number_of_lanes_computes_what_the_reference_does() {
    for lanes in 1..=MAX_LANES {
        let mut side_by_side = Lanes::new();
        for lane in 0..lanes {
            let hash = stored(4, &password(lane), SALT);
            side_by_side.add(&hash, &password(lane), lane).unwrap();
        }
        assert_eq!(side_by_side.len(), lanes);
        let ended = finish(&mut side_by_side);
        assert_eq!(ended.len(), lanes);
        assert!(ended.iter().all(|(_, matched)| *matched), "{lanes} lanes: {ended:?}");
    }
}

#[test]
fn a_wrong_password_beside_right_ones_matches_in_no_lane() {
    for wrong in 0..MAX_LANES {
        let mut lanes = Lanes::new();
        for lane in 0..MAX_LANES {
            let typed = if lane == wrong { password(99) } else { password(lane) };
            lanes.add(&stored(4, &password(lane), SALT), &typed, lane).unwrap();
        }
        for (lane, matched) in finish(&mut lanes) {
            assert_eq!(matched, lane != wrong, "lane {lane}, wrong in {wrong}");
        }
    }
}

#[test]
fn cheap_and_dear_hashes_share_the_lanes_and_end_in_their_own_time() {
    let mut lanes = Lanes::new();
    for (number, cost) in [7, 4, 6, 5, 4, 6].into_iter().enumerate() {
        lanes.add(&stored(cost, &password(number), SALT), &password(number), cost).unwrap();
    }
    let ended = finish(&mut lanes);
    assert!(ended.iter().all(|(_, matched)| *matched), "{ended:?}");
    assert_eq!(ended.iter().map(|(cost, _)| *cost).collect::<Vec<_>>(), [4, 4, 5, 6, 6, 7]);
}

#[test]
fn lanes_that_are_refilled_and_dropped_on_the_way_disturb_nobody() {
    let hashes: Vec<Usable> =
        (0..40).map(|number| stored(4 + (number % 3), &password(number as usize), SALT)).collect();
    let mut lanes = Lanes::new();
    let mut ended = Vec::new();
    let mut waiting = 0..hashes.len();
    let mut steps = 0;
    while !lanes.is_empty() || !waiting.is_empty() {
        // At most one joins between two steps, and the number of lanes rises and falls.
        if lanes.len() < 1 + steps / 16 % MAX_LANES
            && let Some(number) = waiting.next()
        {
            lanes.add(&hashes[number], &password(number), number).unwrap();
        }
        // Every fifth is abandoned where it happens to be.
        if steps % 10 == 9 {
            lanes.retain(|number| number % 5 != 0);
        }
        lanes.step(|number, matched| ended.push((number, matched)));
        steps += 1;
    }
    ended.sort_unstable();
    assert_eq!(
        ended,
        (0..40).filter(|number| number % 5 != 0).map(|number| (number, true)).collect::<Vec<_>>()
    );
}

#[test]
fn a_lane_is_wiped_when_it_ends_and_when_it_is_dropped() {
    let mut lanes = Lanes::new();
    for number in 0..3 {
        lanes.add(&stored(4, &password(number), SALT), &password(number), number).unwrap();
    }
    assert!(lanes.states[..3].iter().all(|state| !state.is_blank()));
    lanes.retain(|number| *number != 0);
    assert!(lanes.states[2..].iter().all(Eksblowfish::is_blank));
    finish(&mut lanes);
    assert!(lanes.states.iter().all(Eksblowfish::is_blank));
}

#[test]
fn what_lanes_cannot_take_comes_back() {
    let hash = stored(4, b"a", SALT);
    let mut lanes = Lanes::new();
    for password in [&b""[..], b"a\0", b"a\0a"] {
        assert_eq!(lanes.add(&hash, password, 'n'), Err('n'));
        assert_eq!(hash.matches(password), Ok(false));
    }
    let other = parse(b"{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap().permit(&Policy::default()).unwrap();
    assert_eq!(other.effort(b"a"), Effort::Instant);
    assert_eq!(lanes.add(&other, b"a", 'o'), Err('o'));
    for _ in 0..MAX_LANES {
        assert_eq!(lanes.add(&hash, b"a", 'y'), Ok(()));
    }
    assert_eq!(lanes.add(&hash, b"a", 'f'), Err('f'));
    assert_eq!(finish(&mut lanes), [('y', true); MAX_LANES]);
}

#[test]
fn a_rehearsal_never_ends() {
    let mut lanes = Lanes::rehearsal(99);
    assert_eq!(lanes.len(), MAX_LANES);
    (0..64).for_each(|_| lanes.step(|(), _| panic!("it ended")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_password_and_salt_give_the_digest_of_the_reference(
        password in prop::collection::vec(1..=u8::MAX, 0..100),
        salt: [u8; 16],
    ) {
        prop_assert_eq!(*compute(4, &password, salt, false), reference(4, &password, salt));
    }

    #[test]
    fn any_passwords_match_side_by_side_as_they_do_alone(
        passwords in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..=MAX_LANES),
        salt: [u8; 16],
    ) {
        let mut lanes = Lanes::new();
        let mut alone = Vec::new();
        for (number, password) in passwords.iter().enumerate() {
            // The hash of the password before it, and so mostly another's.
            let hash = stored(4, &passwords[number / 2], salt);
            if lanes.add(&hash, password, number).is_ok() {
                alone.push((number, hash.matches(password).unwrap()));
            } else {
                prop_assert_eq!(hash.matches(password), Ok(false));
            }
        }
        let mut ended = finish(&mut lanes);
        ended.sort_unstable();
        prop_assert_eq!(ended, alone);
    }
}
