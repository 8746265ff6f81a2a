//! The vectors of `tests/vectors/schemes.tsv`, and what holds for every scheme.

mod unusable;

use proptest::prelude::*;
use sha2::Digest;

use super::{Policy, Scheme, Unusable, parse, verify};

const VECTORS: &str = include_str!("../../../tests/vectors/schemes.tsv");

/// A good bcrypt hash of `passw0rd`, without its label.
const BCRYPT: &str = "$2y$05$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";

/// Whose the vectors of `DIGEST-MD5` are.
const ALICE: &str = "alice@example.org";

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
        max_scrypt_memory_mib: 1,
        max_sha_crypt_rounds: 1000,
        max_pbkdf2_rounds: 1000,
        ..all_allowed()
    }
}

/// What a weak scheme, too, refuses.
fn never_usable(stored: &str) -> Unusable {
    verify(stored.as_bytes(), b"passw0rd", &all_allowed()).unwrap_err()
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
        let stored = parse(&stored).unwrap_or_else(|error| panic!("{shown}: {error}")).owned_by(ALICE);
        let usable = stored.permit(&policy).unwrap();
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
    assert_eq!(unusable("{BLF-CRYPT}7XM/FNbfvzGFE"), Unusable::NotAllowed(Scheme::DesCrypt));
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
fn des_uses_eight_bytes_and_the_extended_form_all() {
    let matches = |stored: &[u8], password: &[u8]| verify(stored, password, &all_allowed());
    let traditional = b"{DES-CRYPT}7XM/FNbfvzGFE";
    assert_eq!(matches(traditional, b"passw0rd and more"), Ok(true));
    assert_eq!(matches(traditional, b"passw0r"), Ok(false));
    assert_eq!(matches(traditional, b"passw0rd\0"), Ok(false));
    let extended = b"{DES-CRYPT}_J9..CCCCKHQFGJx1zOM";
    assert_eq!(matches(extended, b"passw0rd"), Ok(true));
    assert_eq!(matches(extended, b"passw0rd and more"), Ok(false));
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
fn a_digest_of_name_and_password_is_its_owners_only() {
    let stored = b"{DIGEST-MD5}055f715c4615cf974ae67d41cac3da4f";
    let ends = |name: &str| {
        let usable = parse(stored).unwrap().owned_by(name).permit(&all_allowed()).unwrap();
        usable.matches(b"passw0rd")
    };
    assert_eq!((ends(ALICE), ends("bob@example.org")), (Ok(true), Ok(false)));
    assert_eq!(ends(""), Err(Unusable::NoOwner(Scheme::DigestMd5)));
    assert!(super::is_owners(stored, &all_allowed()) && !super::is_owners(BCRYPT.as_bytes(), &all_allowed()));
}

#[test]
fn without_a_label_only_a_strong_crypt_hash_is_kept_in_a_file() {
    use crate::auth::Secret;
    let text = |stored: &str| super::strong_text(&Secret::from(stored)).map(|text| text.to_string());
    assert_eq!(text(BCRYPT).as_deref(), Some(BCRYPT));
    for weak in ["secret", "$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz.", "7XM/FNbfvzGFE", "{PLAIN}$2y$", "{X}y"] {
        assert_eq!(text(weak), None, "{weak}");
    }
    assert_eq!(super::label(&Secret::from(BCRYPT)), "unlabelled");
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
        label in "(DIGEST-MD5|CRAM-MD5|OTP|SCRAM-SHA-1|SSHA.HEX|CRYPT.B64|BLF-CRYPT|SHA512-CRYPT|ARGON2ID|CRYPT|MD5|SSHA256|SHA|PBKDF2|PBKDF2-SHA512|PLAIN-MD5|PLAIN-TRUNC|.{0,8})",
        prefix in "(\\$2y\\$|\\$6\\$|\\$6\\$rounds=|\\$argon2id\\$v=19\\$m=|\\$1\\$|\\$1\\$a\\$1\\$|\\$y\\$j|\\$gy\\$j75\\$|\\$7\\$|\\$sha1\\$|\\$md5,rounds=|md5 9 a |4096,a,|1\\$\\$|8-|_/\\.\\.\\.|)",
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
