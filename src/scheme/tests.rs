//! The vectors of `tests/vectors/schemes.tsv`, and what holds for every scheme.

use proptest::prelude::*;
use sha2::Digest;

use super::{Policy, Scheme, Unusable, parse, verify};

const VECTORS: &str = include_str!("../../tests/vectors/schemes.tsv");

/// A good bcrypt hash of `passw0rd`, without its label.
const BCRYPT: &str = "$2y$05$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";

const ARGON2: &str = "$DY4pBzxfEkRkQ3IKQFFLEw$nICKAV60PO3xT1/hxj2ia556DRU0nzMhDyFR2zT2WUQ";

struct Vector {
    scheme: Scheme,
    password: Vec<u8>,
    stored: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [scheme, password, stored] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let scheme = Scheme::parse(scheme).unwrap();
            Vector { scheme, password: unescape(password), stored: unescape(stored) }
        })
        .collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(hex) = after.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&hex[..2], 16).unwrap());
            rest = &hex[2..];
        } else {
            bytes.push(b'\\');
            rest = after.strip_prefix('\\').unwrap();
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn all_allowed() -> Policy {
    Policy::default().with_every_weak_scheme()
}

/// Caps that let no vector be costly.
fn thrifty() -> Policy {
    Policy {
        max_bcrypt_cost: 4,
        max_argon2_memory_mib: 0,
        max_sha_crypt_rounds: 1000,
        max_pbkdf2_rounds: 1000,
        ..all_allowed()
    }
}

fn unusable(stored: &str) -> Unusable {
    verify(stored.as_bytes(), b"passw0rd", &Policy::default()).unwrap_err()
}

#[test]
fn every_vector_matches_its_password_and_no_other() {
    let policy = all_allowed();
    let vectors = vectors();
    assert!(vectors.len() > 70, "{} vectors", vectors.len());
    for Vector { scheme, mut password, stored } in vectors {
        let shown = stored.escape_ascii();
        let usable = parse(&stored).and_then(|stored| stored.permit(&policy)).unwrap();
        assert_eq!(usable.scheme(), scheme, "{shown}");
        assert_eq!(usable.matches(&password), Ok(true), "{shown}");
        password[0] ^= 1;
        assert_eq!(usable.matches(&password), Ok(false), "{shown}");
    }
}

#[test]
fn every_scheme_with_a_form_of_its_own_has_a_vector() {
    let covered: Vec<_> = vectors().into_iter().map(|vector| vector.scheme).collect();
    for scheme in Scheme::ALL.into_iter().filter(|scheme| *scheme != Scheme::Crypt) {
        assert!(covered.contains(&scheme), "{scheme}");
    }
}

#[test]
fn bcrypt_uses_72_bytes_and_not_71() {
    let password = [b'a'; 80];
    let hash = bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap();
    let stored = format!("{{BLF-CRYPT}}{hash}");
    let matches = |password: &[u8]| verify(stored.as_bytes(), password, &Policy::default());
    assert_eq!(matches(&password[..72]), Ok(true));
    assert_eq!(matches(&password[..71]), Ok(false));
}

#[test]
fn a_password_with_a_nul_is_no_repetition_of_another() {
    let hash = bcrypt::hash_with_salt(b"a", 4, [7; 16]).unwrap();
    let stored = format!("{{BLF-CRYPT}}{hash}");
    for password in [&b"a\0"[..], b"a\0a", b"a\0b", b"\0"] {
        assert_eq!(verify(stored.as_bytes(), password, &Policy::default()), Ok(false));
    }
    assert_eq!(verify(stored.as_bytes(), b"a", &Policy::default()), Ok(true));
}

#[test]
fn the_empty_password_matches_nothing() {
    let empty = bcrypt::hash_with_salt(b"", 4, [7; 16]).unwrap();
    assert_eq!(verify(format!("{{BLF-CRYPT}}{empty}").as_bytes(), b"", &Policy::default()), Ok(false));
    assert_eq!(verify(b"{PLAIN}", b"", &all_allowed()), Err(Unusable::Malformed(Scheme::Plain)));
}

#[test]
fn plain_passwords_compare_byte_by_byte() {
    for (stored, password) in
        [("0e1", "0e2"), ("10", "10.0"), ("1e3", "1000"), ("007", "7"), ("pass", "pass ")]
    {
        assert_eq!(
            verify(format!("{{PLAIN}}{stored}").as_bytes(), password.as_bytes(), &all_allowed()),
            Ok(false)
        );
    }
}

#[test]
fn a_weak_scheme_needs_permission() {
    let weak: Vec<_> = vectors().into_iter().filter(|vector| vector.scheme.is_weak()).collect();
    assert!(weak.len() > 20, "{} weak vectors", weak.len());
    for Vector { scheme, password, stored } in weak {
        assert_eq!(verify(&stored, &password, &Policy::default()), Err(Unusable::NotAllowed(scheme)));
    }
}

/// As mailcow's loose comparison does not: all three have hashes that PHP reads as the number zero.
#[test]
fn md5_digits_are_no_numbers() {
    let stored = b"{PLAIN-MD5}0e462097431906509019562988736854";
    assert_eq!(verify(stored, b"240610708", &all_allowed()), Ok(true));
    assert_eq!(verify(stored, b"QNKCDZO", &all_allowed()), Ok(false));
    assert_eq!(verify(stored, b"aabg7XSs", &all_allowed()), Ok(false));
}

/// The hash, not the label, is what has to be strong.
#[test]
fn a_strong_label_does_not_hide_a_weak_hash() {
    for label in ["BLF-CRYPT", "CRYPT", "SHA512-CRYPT"] {
        let stored = format!("{{{label}}}$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz.");
        assert_eq!(unusable(&stored), Unusable::NotAllowed(Scheme::Md5Crypt), "{label}");
    }
    let strong = format!("{{MD5}}{BCRYPT}");
    assert_eq!(verify(strong.as_bytes(), b"passw0rd", &Policy::default()), Ok(true));
}

/// mailcow's documentation shows it, and mailcow refuses it (its case 17).
#[test]
fn md5_digits_under_the_label_of_md5_crypt_match_nothing() {
    for stored in ["{MD5}bed128365216c019988915ed3add75fb", "{md5}BED128365216C019988915ED3ADD75FB"] {
        assert_eq!(verify(stored.as_bytes(), b"passw0rd", &all_allowed()), Ok(false));
        assert_eq!(unusable(stored), Unusable::NotAllowed(Scheme::Md5Crypt));
    }
}

#[test]
fn a_truncated_password_needs_its_whole_beginning() {
    let matches =
        |stored: &str, password: &str| verify(stored.as_bytes(), password.as_bytes(), &all_allowed());
    assert_eq!(matches("{PLAIN-TRUNC}8-passw0rd", "passw0r"), Ok(false));
    assert_eq!(matches("{PLAIN-TRUNC}10-passw0rd", "passw0rd1"), Ok(false));
    assert_eq!(matches("{PLAIN-TRUNC}10-passw0rd", "passw0rd 1"), Ok(false));
    assert_eq!(matches("{PLAIN-TRUNC}3-1e3", "1000"), Ok(false));
    for stored in ["0-", "0-x", "3-", "3-four", "-x", "+3-abc", "three-abc", "99999999999999999999999-x"] {
        let stored = format!("{{PLAIN-TRUNC}}{stored}");
        assert_eq!(matches(&stored, "x"), Err(Unusable::Malformed(Scheme::PlainTrunc)), "{stored}");
    }
}

#[test]
fn without_a_label_there_is_no_scheme() {
    let hex = format!("{{{}}}", "5f4dcc3b5aa765d61d8327deb882cf99".repeat(2));
    for stored in
        ["", " ", BCRYPT, "{BLF-CRYPT", "{}x", "BLF-CRYPT}x", "{$2y$05$abc}x", "{a b}x", "{\u{fc}}x", &hex]
    {
        assert_eq!(unusable(stored), Unusable::NoScheme, "{stored}");
    }
}

#[test]
fn an_unknown_scheme_is_named() {
    assert_eq!(unusable("{SCRAM-SHA-256}4096,x"), Unusable::UnknownScheme("SCRAM-SHA-256".into()));
    assert_eq!(unusable("{SSHA256.HEX}00"), Unusable::UnknownScheme("SSHA256.HEX".into()));
}

#[test]
fn a_cut_or_garbled_hash_is_malformed() {
    use Scheme::{
        Argon2i, Argon2id, BlfCrypt, Crypt, Md5Crypt, Pbkdf2, Pbkdf2Sha512, Sha256Crypt, Sha512Crypt,
        Ssha256, Ssha512,
    };
    let cut = &BCRYPT[..59];
    let digits = "a".repeat(86);
    let hex = "ab".repeat(20);
    let cases = [
        (format!("{{BLF-CRYPT}}{cut}"), BlfCrypt),
        (format!("{{BLF-CRYPT}}{BCRYPT}."), BlfCrypt),
        (format!("{{BLF-CRYPT}} {BCRYPT}"), BlfCrypt),
        (format!("{{CRYPT}}{}", BCRYPT.replace("$2y$", "$2x$")), BlfCrypt),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("$05$", "$03$")), BlfCrypt),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("$05$", "$32$")), BlfCrypt),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("$05$", "$+5$")), BlfCrypt),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("DD.", "\u{e4}.")), BlfCrypt),
        ("{BLF-CRYPT}".to_owned(), BlfCrypt),
        ("{BLF-CRYPT} \n".to_owned(), BlfCrypt),
        ("{CRYPT}$y$j9T$abc$def".to_owned(), Crypt),
        ("{SHA512-CRYPT}$6$salt".to_owned(), Sha512Crypt),
        (format!("{{SHA512-CRYPT}}$6$salt${}", &digits[1..]), Sha512Crypt),
        (format!("{{SHA512-CRYPT}}$6$salt${}:", &digits[1..]), Sha512Crypt),
        (format!("{{SHA512-CRYPT}}$6$seventeen-letters${digits}"), Sha512Crypt),
        (format!("{{SHA512-CRYPT}}$6$rounds=999$salt${digits}"), Sha512Crypt),
        (format!("{{SHA512-CRYPT}}$6$rounds=$salt${digits}"), Sha512Crypt),
        (format!("{{SHA512-CRYPT}}$6$rounds=01000$salt${digits}"), Sha512Crypt),
        (format!("{{ARGON2ID}}$argon2id$v=18$m=64,t=1,p=1{ARGON2}"), Argon2id),
        (format!("{{ARGON2ID}}$argon2id$v=19$m=7,t=1,p=1{ARGON2}"), Argon2id),
        (format!("{{ARGON2ID}}$argon2id$v=19$m=64,t=0,p=1{ARGON2}"), Argon2id),
        (format!("{{ARGON2ID}}$argon2id$v=19$m=64,t=1,p=9{ARGON2}"), Argon2id),
        (format!("{{ARGON2ID}}$argon2id$v=19$m=64,t=1,p=1,data=AA{ARGON2}"), Argon2id),
        (format!("{{ARGON2ID}}$argon2id$v=19$m=64,t=1,p=1{}", &ARGON2[..30]), Argon2id),
        (format!("{{SSHA256}}{}", "A".repeat(40)), Ssha256),
        ("{SSHA256}jw4v*uIrQ+KFUYmHfn3B4efZjCJsldskfNHVR5KDNKk=".to_owned(), Ssha256),
        (format!("{{SSHA512}}{}", "A".repeat(5000)), Ssha512),
        ("{MD5}$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz".to_owned(), Md5Crypt),
        ("{MD5}$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz.=".to_owned(), Md5Crypt),
        ("{MD5}$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz:".to_owned(), Md5Crypt),
        ("{MD5}$1$uyP76rxBB$2fNjXDmsPTarfGdkYC7iz.".to_owned(), Md5Crypt),
        ("{MD5}$1$".to_owned(), Md5Crypt),
        ("{MD5}vtEoNlIWwBmYiRXtOt11+w==".to_owned(), Md5Crypt),
        (format!("{{SHA256-CRYPT}}$5$salt${}", &digits[..44]), Sha256Crypt),
        (format!("{{SHA256-CRYPT}}$5$salt${digits}"), Sha256Crypt),
        (format!("{{PBKDF2}}$1$salt$1$0{hex}"), Pbkdf2),
        (format!("{{PBKDF2}}$1$salt$1${}", &hex[1..]), Pbkdf2),
        (format!("{{PBKDF2}}$1$salt$0${hex}"), Pbkdf2),
        (format!("{{PBKDF2}}$1$salt$1x${hex}"), Pbkdf2),
        (format!("{{PBKDF2}}$1$salt${hex}"), Pbkdf2),
        (format!("{{PBKDF2}}$2$salt$1${hex}"), Pbkdf2),
        (format!("{{PBKDF2}}$1$salt$1${hex}$"), Pbkdf2),
        ("{PBKDF2-SHA512}1$c2FsdA==$qg==".to_owned(), Pbkdf2Sha512),
        ("{PBKDF2-SHA512}1$c2FsdA==$".to_owned(), Pbkdf2Sha512),
        (format!("{{PBKDF2-SHA512}}1$c2FsdA==${}", "A".repeat(20)), Pbkdf2Sha512),
        (format!("{{PBKDF2-SHA512}}1$c2F*dA==${}", "A".repeat(40)), Pbkdf2Sha512),
        (format!("{{PBKDF2-SHA512}}0$c2FsdA==${}", "A".repeat(40)), Pbkdf2Sha512),
        (format!("{{PBKDF2-SHA512}}-1$c2FsdA==${}", "A".repeat(40)), Pbkdf2Sha512),
        (format!("{{ARGON2I}}$argon2i$v=19$m=64,t=1,p=1{}", &ARGON2[..30]), Argon2i),
    ];
    for (stored, scheme) in cases {
        let read = verify(stored.as_bytes(), b"passw0rd", &all_allowed());
        assert_eq!(read, Err(Unusable::Malformed(scheme)), "{stored}");
    }
}

#[test]
fn a_digest_of_another_length_is_malformed() {
    use Scheme::{LdapMd5, PlainMd4, PlainMd5, Sha, Sha256, Sha512, Smd5, Ssha};
    let hex = "5f4dcc3b5aa765d61d8327deb882cf99";
    let cases = [
        ("{SHA}fGphxo74ubawYbKMNIvB7Xkhyw==".to_owned(), Sha),
        ("{SHA}7c6a61c68ef8b9b6b061b28c348bc1ed7921cb53".to_owned(), Sha),
        ("{SHA256}fGphxo74ubawYbKMNIvB7Xkhy1M=".to_owned(), Sha256),
        ("{SHA512}jw4vduIrQ+KFUYmHfn3B4efZjCJsldskfNHVR5KDNKk=".to_owned(), Sha512),
        (format!("{{LDAP-MD5}}{hex}"), LdapMd5),
        ("{SSHA}fGphxo74ubawYbKMNIvB7Xkhyw==".to_owned(), Ssha),
        ("{SMD5}vtEoNlIWwBmYiRXtOt11".to_owned(), Smd5),
        (format!("{{PLAIN-MD5}}{}", &hex[1..]), PlainMd5),
        (format!("{{PLAIN-MD5}}{}", &hex[2..]), PlainMd5),
        (format!("{{PLAIN-MD5}}{hex}00"), PlainMd5),
        (format!("{{PLAIN-MD5}}{}+f", &hex[2..]), PlainMd5),
        (format!("{{PLAIN-MD4}}{}", &hex[2..]), PlainMd4),
    ];
    for (stored, scheme) in cases {
        let read = verify(stored.as_bytes(), b"passw0rd", &all_allowed());
        assert_eq!(read, Err(Unusable::Malformed(scheme)), "{stored}");
    }
}

/// Each of these would run for minutes to days, or ask for more memory than there is.
#[test]
fn a_poisoned_cost_is_refused_before_any_hashing() {
    let digits = "a".repeat(86);
    let cases = [
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("$05$", "$31$")), "cost", 31, 15),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("$05$", "$16$")), "cost", 16, 15),
        (format!("{{SHA512-CRYPT}}$6$rounds=10000001$salt${digits}"), "rounds", 10_000_001, 10_000_000),
        (
            format!("{{SHA512-CRYPT}}$6$rounds={digits}$salt${digits}").replace('a', "9"),
            "rounds",
            0xFFFF_FFFF,
            10_000_000,
        ),
        (
            format!("{{SHA256-CRYPT}}$5$rounds=10000001$salt${}", &digits[..43]),
            "rounds",
            10_000_001,
            10_000_000,
        ),
        (format!("{{PBKDF2}}$1$salt$10000001${}", "ab".repeat(20)), "rounds", 10_000_001, 10_000_000),
        (format!("{{PBKDF2}}$1$salt$99999999999${}", "ab".repeat(20)), "rounds", 0xFFFF_FFFF, 10_000_000),
        (format!("{{PBKDF2-SHA512}}10000000$AAAA${}", "A".repeat(88)), "rounds", 20_000_000, 10_000_000),
        (format!("{{ARGON2ID}}$argon2id$v=19$m=262145,t=1,p=1{ARGON2}"), "memory in KiB", 262_145, 262_144),
        (
            format!("{{ARGON2ID}}$argon2id$v=19$m=99999999999,t=1,p=1{ARGON2}"),
            "memory in KiB",
            0xFFFF_FFFF,
            262_144,
        ),
        (format!("{{ARGON2ID}}$argon2id$v=19$m=64,t=4000000000,p=1{ARGON2}"), "passes", 4_000_000_000, 16),
        (format!("{{ARGON2ID}}$argon2id$v=19$m=262144,t=1,p=17{ARGON2}"), "lanes", 17, 16),
    ];
    for (stored, expected, asked, limit) in cases {
        let Unusable::TooCostly { what, cost, cap, .. } = unusable(&stored) else { panic!("{stored}") };
        assert_eq!((what, cost, cap), (expected, asked, limit), "{stored}");
    }
}

#[test]
fn nothing_shows_a_part_of_a_hash() {
    let stored = parse(format!("{{CRYPT}}{BCRYPT}").as_bytes()).unwrap();
    assert_eq!(format!("{stored:?}"), "Stored({BLF-CRYPT}..)");
    assert_eq!(
        unusable(&format!("{{CRYPT}}{}", &BCRYPT[..50])).to_string(),
        "the stored {BLF-CRYPT} password is cut off, garbled or of an unsupported variant"
    );
    assert_eq!(
        unusable(&format!("{{CRYPT}}{}", BCRYPT.replace("$05$", "$31$"))).to_string(),
        "the stored {BLF-CRYPT} password asks for cost 31, and the cap is 15"
    );
}

fn passwords() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..=u8::MAX, 1..72)
}

fn salted(password: &[u8], salt: &[u8]) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let digest = sha2::Sha256::new().chain_update(password).chain_update(salt).finalize();
    format!("{{SSHA256}}{}", STANDARD.encode([&digest[..], salt].concat())).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_reading_panic(
        label in "(BLF-CRYPT|SHA512-CRYPT|ARGON2ID|CRYPT|SSHA256|PLAIN|.{0,8})",
        prefix in "(\\$2y\\$|\\$6\\$|\\$6\\$rounds=|\\$argon2id\\$v=19\\$m=|)",
        rest in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let stored = [b"{", label.as_bytes(), b"}", prefix.as_bytes(), &rest].concat();
        let _ = parse(&rest);
        let _ = verify(&stored, b"passw0rd", &thrifty());
    }

    #[test]
    fn no_damage_to_a_good_hash_makes_verifying_panic(
        index in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte: u8,
        cut: bool,
    ) {
        let vectors = vectors();
        let mut stored = index.get(&vectors).stored.clone();
        let place = place.index(stored.len());
        stored[place] = byte;
        if cut {
            stored.truncate(place);
        }
        let _ = verify(&stored, b"passw0rd", &thrifty());
    }

    #[test]
    fn a_password_opens_its_own_cheap_hash_only(
        password in passwords(),
        other in passwords(),
        salt in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let plain = [b"{PLAIN}", &password[..]].concat();
        for stored in [salted(&password, &salt), plain] {
            prop_assert_eq!(verify(&stored, &password, &all_allowed()), Ok(true));
            prop_assert_eq!(verify(&stored, &other, &all_allowed()), Ok(password == other));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_password_opens_its_own_bcrypt_hash_only(password in passwords(), other in passwords(), salt: [u8; 16]) {
        let hash = bcrypt::hash_with_salt(&password, 4, salt).unwrap();
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let stored = format!("{{BLF-CRYPT}}{}", hash.format_for_version(version)).into_bytes();
            prop_assert_eq!(verify(&stored, &password, &thrifty()), Ok(true));
            prop_assert_eq!(verify(&stored, &other, &thrifty()), Ok(password == other));
        }
    }
}
