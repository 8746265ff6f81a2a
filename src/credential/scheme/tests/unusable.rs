//! What no password can be held against, and what is said about it.

use super::super::{Scheme, Unusable, parse};
use super::{ARGON2, BCRYPT, never_usable, unusable};

/// Some digest of 256 bits in crypt(3)'s letters.
const DIGEST: &str = "t1BwAOLCyPjQ1RJ6SU8HYbe.N8u5T3aRIz5kV774hN.";

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
    assert_eq!(unusable("{SCRAM-SHA-512}4096,x"), Unusable::UnknownScheme("SCRAM-SHA-512".into()));
    for label in ["SSHA256.HEXA", "SSHA256.", ".HEX", "SSHA256.HEX.HEX", "SSHA256-HEX"] {
        assert_eq!(unusable(&format!("{{{label}}}00")), Unusable::UnknownScheme(label.into()));
    }
}

#[test]
fn a_cut_or_garbled_hash_of_the_crypt_family_is_malformed() {
    use Scheme::{Argon2i, Argon2id, BlfCrypt, Crypt, DesCrypt, Md5Crypt, Sha256Crypt, Sha512Crypt};
    let cut = &BCRYPT[..59];
    let digits = "a".repeat(86);
    let cases = [
        (format!("{{BLF-CRYPT}}{cut}"), BlfCrypt),
        (format!("{{BLF-CRYPT}}{BCRYPT}."), BlfCrypt),
        (format!("{{BLF-CRYPT}} {BCRYPT}"), BlfCrypt),
        (format!("{{CRYPT}}{}", BCRYPT.replace("$2y$", "$2c$")), BlfCrypt),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("$05$", "$03$")), BlfCrypt),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("$05$", "$32$")), BlfCrypt),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("$05$", "$+5$")), BlfCrypt),
        (format!("{{BLF-CRYPT}}{}", BCRYPT.replace("DD.", "\u{e4}.")), BlfCrypt),
        ("{BLF-CRYPT}".to_owned(), BlfCrypt),
        ("{BLF-CRYPT} \n".to_owned(), BlfCrypt),
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
        ("{MD5}$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz".to_owned(), Md5Crypt),
        ("{MD5}$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz.=".to_owned(), Md5Crypt),
        ("{MD5}$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz:".to_owned(), Md5Crypt),
        ("{MD5}$1$uyP76rxBB$2fNjXDmsPTarfGdkYC7iz.".to_owned(), Md5Crypt),
        ("{MD5}$1$".to_owned(), Md5Crypt),
        ("{MD5}vtEoNlIWwBmYiRXtOt11+w==".to_owned(), Md5Crypt),
        ("{DES-CRYPT}7XM/FNbfvzGF".to_owned(), DesCrypt),
        ("{DES-CRYPT}7XM/FNbfvzGFE.".to_owned(), DesCrypt),
        ("{DES-CRYPT}7XM/FNbfvzGF=".to_owned(), DesCrypt),
        ("{DES-CRYPT}+XM/FNbfvzGFE".to_owned(), DesCrypt),
        ("{CRYPT}_J9..CCCCKHQFGJx1zO".to_owned(), DesCrypt),
        ("{CRYPT}_....CCCCKHQFGJx1zOM".to_owned(), DesCrypt),
        ("{CRYPT}7XM/FNbfvzGF".to_owned(), Crypt),
        (format!("{{SHA256-CRYPT}}$5$salt${}", &digits[..44]), Sha256Crypt),
        (format!("{{SHA256-CRYPT}}$5$salt${digits}"), Sha256Crypt),
        (format!("{{ARGON2I}}$argon2i$v=19$m=64,t=1,p=1{}", &ARGON2[..30]), Argon2i),
    ];
    for (stored, scheme) in cases {
        assert_eq!(never_usable(&stored), Unusable::Malformed(scheme), "{stored}");
    }
}

#[test]
fn a_cut_or_garbled_hash_is_malformed() {
    use Scheme::{Pbkdf2, Pbkdf2Sha512, Ssha256, Ssha512};
    let hex = "ab".repeat(20);
    let cases = [
        (format!("{{SSHA256}}{}", "A".repeat(40)), Ssha256),
        ("{SSHA256}jw4v*uIrQ+KFUYmHfn3B4efZjCJsldskfNHVR5KDNKk=".to_owned(), Ssha256),
        (format!("{{SSHA512}}{}", "A".repeat(5000)), Ssha512),
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
    ];
    for (stored, scheme) in cases {
        assert_eq!(never_usable(&stored), Unusable::Malformed(scheme), "{stored}");
    }
}

#[test]
fn a_digest_of_another_length_is_malformed() {
    use Scheme::{LdapMd5, PlainMd4, PlainMd5, Sha, Sha256, Sha512, Smd5, Ssha};
    let hex = "5f4dcc3b5aa765d61d8327deb882cf99";
    let cases = [
        ("{SHA}fGphxo74ubawYbKMNIvB7Xkhyw==".to_owned(), Sha),
        ("{SHA}7c6a61c68ef8b9b6b061b28c348bc1ed7921cb5".to_owned(), Sha),
        ("{SHA.B64}7c6a61c68ef8b9b6b061b28c348bc1ed7921cb53".to_owned(), Sha),
        ("{SHA.HEX}fGphxo74ubawYbKMNIvB7Xkhy1M=".to_owned(), Sha),
        ("{SHA256}fGphxo74ubawYbKMNIvB7Xkhy1M=".to_owned(), Sha256),
        ("{SHA512}jw4vduIrQ+KFUYmHfn3B4efZjCJsldskfNHVR5KDNKk=".to_owned(), Sha512),
        (format!("{{LDAP-MD5}}{hex}00"), LdapMd5),
        (format!("{{LDAP-MD5.B64}}{hex}"), LdapMd5),
        ("{SSHA}fGphxo74ubawYbKMNIvB7Xkhyw==".to_owned(), Ssha),
        ("{SMD5}vtEoNlIWwBmYiRXtOt11".to_owned(), Smd5),
        (format!("{{PLAIN-MD5}}{}", &hex[1..]), PlainMd5),
        (format!("{{PLAIN-MD5}}{}", &hex[2..]), PlainMd5),
        (format!("{{PLAIN-MD5}}{hex}00"), PlainMd5),
        (format!("{{PLAIN-MD5}}{}+f", &hex[2..]), PlainMd5),
        (format!("{{PLAIN-MD4}}{}", &hex[2..]), PlainMd4),
    ];
    for (stored, scheme) in cases {
        assert_eq!(never_usable(&stored), Unusable::Malformed(scheme), "{stored}");
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
        ("{CRYPT}_zzzzCCCCKHQFGJx1zOM".to_owned(), "rounds", 0xFF_FFFF, 1_000_000),
        (
            format!("{{SCRAM-SHA-1}}10000001,AAAA,{key},{key}", key = "A".repeat(27)),
            "rounds",
            10_000_001,
            10_000_000,
        ),
        (format!("{{CRYPT}}$sha1$4000000000$salt${}", &digits[..28]), "rounds", 4_000_000_000, 10_000_000),
        (
            format!("{{CRYPT}}$md5,rounds=4294967295$salt${}", &digits[..22]),
            "rounds",
            0xFFFF_FFFF,
            10_000_000,
        ),
        ("{OTP}md5 10001 seed 0123456789abcdef".to_owned(), "rounds", 10_001, 10_000),
        (format!("{{CRYPT}}$7$zU..../....salt${DIGEST}"), "memory in KiB", u64::MAX.div_ceil(1024), 262_144),
        (format!("{{CRYPT}}$7$6./..../....salt${DIGEST}"), "passes", 64, 16),
        (format!("{{CRYPT}}$y$jG5$salt${DIGEST}"), "memory in KiB", 524_288, 262_144),
        (format!("{{CRYPT}}$gy$jj5$salt${DIGEST}"), "memory in KiB", 1 << 48, 262_144),
        (format!("{{CRYPT}}$y$j750.D$salt${DIGEST}"), "passes", 34, 16),
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
        let Unusable::TooCostly { what, cost, cap, .. } = never_usable(&stored) else { panic!("{stored}") };
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
