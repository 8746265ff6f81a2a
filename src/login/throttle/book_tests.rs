#![expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]

use proptest::prelude::*;

use super::*;

fn user(number: u16) -> Username {
    Username::parse(format!("p{number}@example.org").as_bytes()).unwrap()
}

fn host(network: u8, last: u8) -> ClientNetwork {
    ClientNetwork::Host4([198, 51, network, last])
}

fn wrong(person: u16, place: ClientNetwork, digest: u64) -> Wrong {
    Wrong { user: user(person), place, digest, reach: Reach::Everything }
}

fn nobody(_: ClientNetwork) -> bool {
    false
}

#[test]
fn sixty_passwords_from_one_network_make_it_wait_and_nobody_elsewhere() {
    let (now, mut book) = (Instant::now(), Book::new(&Config::default()));
    for digest in 0..60 {
        book.add(&wrong(1, host(1, u8::try_from(digest % 30).unwrap()), digest), now);
    }
    assert!(book.wait(&user(1), host(1, 200), now, nobody).is_some());
    assert_eq!(book.wait(&user(1), host(2, 1), now, nobody), None);
    assert_eq!(book.wait(&user(2), host(1, 1), now, nobody), None);
    assert_eq!(book.wait(&user(1), host(1, 200), now, |place| place.is_wide()), None);
}

#[test]
fn one_password_for_a_hundred_accounts_makes_the_place_wait() {
    let (now, mut book) = (Instant::now(), Book::new(&Config::default()));
    let mut began = Vec::new();
    for person in 0..100 {
        began.extend(book.add(&wrong(person, host(1, 1), 7), now).0);
    }
    let places: Vec<_> = began.iter().map(|subject| (subject.user.is_none(), subject.place)).collect();
    assert_eq!(places, [(true, host(1, 1)), (true, host(1, 1).wide())]);
    assert!(book.wait(&user(500), host(1, 1), now, nobody).is_some());
    assert_eq!(book.wait(&user(500), host(1, 1), now, |place| !place.is_wide()), None);
    assert_eq!(book.wait(&user(500), host(2, 1), now, nobody), None);
}

#[test]
fn whoever_succeeds_is_no_longer_counted_against_the_place() {
    let (now, mut book) = (Instant::now(), Book::new(&Config::default()));
    for person in 0..500 {
        book.add(&wrong(person, host(1, 1), 7), now);
        book.forgive(&user(person), host(1, 1));
    }
    assert_eq!(book.wait(&user(1000), host(1, 1), now, nobody), None);
}

#[test]
fn a_wait_is_told_of_once_and_ends_once() {
    let (now, mut book) = (Instant::now(), Book::new(&Config::default()));
    let began: usize = (0..15).map(|digest| book.add(&wrong(1, host(1, 1), digest), now).0.len()).sum();
    assert_eq!((began, book.waiting()), (1, 1));
    assert!(book.sweep(now + Duration::from_secs(10)).is_empty());
    assert_eq!(book.sweep(now + Duration::from_secs(400 + 60)).len(), 1);
    assert!(book.sweep(now + Duration::from_secs(9999)).is_empty());
}

#[test]
fn the_log_is_told_of_so_many_waits_at_once_and_no_more() {
    let (now, mut book) =
        (Instant::now(), Book::new(&Config { guesses: 1, accounts: 1, ..Config::default() }));
    for person in 0..40_000_u16 {
        let [high, low] = person.to_be_bytes();
        book.add(&wrong(person, ClientNetwork::Host4([198, high, low, 1]), 7), now);
    }
    assert_eq!(book.waiting(), MOST_TOLD);
}

#[test]
fn the_list_begins_with_whoever_waits_and_can_be_cleared() {
    let (now, mut book) = (Instant::now(), Book::new(&Config::default()));
    book.add(&wrong(2, host(2, 1), 1), now);
    (0..12).for_each(|digest| {
        book.add(&wrong(1, host(1, 1), digest), now);
    });
    let listed = book.list(now);
    assert_eq!(listed[0].user.as_deref(), Some("p1@example.org"));
    assert_eq!((listed[0].strikes, listed[0].limit, listed[0].wait_seconds), (12, 10, 41));
    assert_eq!(listed.len(), 8);
    assert_eq!(book.clear(|user, _| user.is_some_and(|user| user.as_str() == "p1@example.org")), 2);
    assert_eq!(book.wait(&user(1), host(1, 1), now, nobody), None);
    assert_eq!(book.clear(|_, place| place == host(1, 1) || place == host(1, 1).wide()), 2);
    assert_eq!(book.list(now).len(), 4);
    assert!(book.list(now + Duration::from_secs(7 * 3600)).is_empty());
}

proptest! {
    /// Whatever strangers do, whoever was right at an address is never made to wait there.
    #[test]
    fn whoever_is_known_at_an_address_never_waits_there(
        guesses in proptest::collection::vec((0_u16..30, 0_u8..3, 0_u8..4, any::<u64>(), 0_u64..60), 0..300),
    ) {
        let (mut now, mut book) = (Instant::now(), Book::new(&Config::default()));
        let home = host(1, 1);
        for (person, network, last, digest, seconds) in guesses {
            now += Duration::from_secs(seconds);
            book.add(&wrong(person, host(network, last), digest), now);
            let wait = book.wait(&user(3), home, now, |place| place == home || place == home.wide());
            prop_assert_eq!(wait, None);
            // And the waits of all others are bounded.
            let wait = book.wait(&user(person), host(network, last), now, nobody);
            prop_assert!(wait.unwrap_or_default() <= Config::default().longest_wait.get());
        }
    }

    /// An account that was never wrong in a network, which few accounts were tried from, does not wait there.
    #[test]
    fn guesses_in_one_network_make_nobody_wait_in_another(
        guesses in proptest::collection::vec((0_u16..200, 0_u8..255, any::<u64>()), 0..300),
    ) {
        let (now, mut book) = (Instant::now(), Book::new(&Config::default()));
        for (person, last, digest) in guesses {
            book.add(&wrong(person, host(1, last), digest), now);
            prop_assert_eq!(book.wait(&user(person), host(2, last), now, nobody), None);
        }
    }

    /// A flood of names and places takes no more memory than there may be.
    #[test]
    fn memory_is_bounded(seed in any::<u64>()) {
        let config: Config = toml::from_str("memory_mib = 1").unwrap();
        let (now, mut book) = (Instant::now(), Book::new(&config));
        for number in 0..3000_u64 {
            let mixed = seed.wrapping_add(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let place = {
                let [_, octets @ ..] = mixed.to_be_bytes();
                ClientNetwork::Host6(octets)
            };
            book.add(&wrong(u16::try_from(number).unwrap(), place, mixed), now);
            prop_assert!(book.size().1 <= 1 << 20);
        }
        prop_assert!(book.size().0 > 1000);
    }
}
