//! Making new stored passwords, of the strong schemes that mailcow and Dovecot understand.

use sha2::{Sha256, Sha512};

use super::{MAX_PASSWORD, Policy, Scheme, argon2, bcrypt, crypt64, digest, sha_crypt};

/// Random bytes that a new hash needs.
pub const SALT_BYTES: usize = 16;

/// What PHP, and so mailcow, chooses.
const BCRYPT_COST: u32 = 10;
/// Twenty times what crypt(3) chooses, for about the time of bcrypt above.
const SHA_CRYPT_ROUNDS: u32 = 100_000;
/// What PHP chooses, at a quarter of Dovecot's memory.
const ARGON2_MEMORY_KIB: u32 = 64 * 1024;
/// RFC 9106, section 4, for this much memory.
const ARGON2_PASSES: u32 = 3;

/// Makes `{SCHEME}hash` of a password.
///
/// The cost is bcrypt's logarithm of rounds (default 10), SHA-crypt's rounds (default 100,000) or Argon2's passes
/// over 64 MiB (default 3). At most it is what the default [`Policy`] allows, so that what is made here can be
/// verified. The salt must be random. This takes as long as the cost says.
///
/// # Errors
/// A scheme, a cost or a password of which no hash can be made that would ever let anybody in.
pub fn generate(
    scheme: Scheme,
    cost: Option<u32>,
    password: &[u8],
    salt: &[u8; SALT_BYTES],
) -> Result<String, CannotMake> {
    if !scheme.is_made() {
        return Err(CannotMake::Scheme(scheme));
    }
    check_password(scheme, password)?;
    let cost = choose_cost(scheme, cost)?;
    let hash = match scheme {
        Scheme::Sha512Crypt => sha_crypt::make_sha512(cost, password, &text_salt(salt)),
        Scheme::Argon2id => argon2::make(ARGON2_MEMORY_KIB, cost, password, salt)
            .map_err(|_| CannotMake::OutOfMemory(scheme))?,
        Scheme::Ssha256 => digest::make_salted::<Sha256>(password, salt),
        Scheme::Ssha512 => digest::make_salted::<Sha512>(password, salt),
        _ => bcrypt::make(cost, password, *salt),
    };
    Ok(format!("{{{scheme}}}{hash}"))
}

impl Scheme {
    /// What [`generate`] makes, the best known first.
    pub const MADE: [Self; 5] =
        [Self::BlfCrypt, Self::Sha512Crypt, Self::Argon2id, Self::Ssha256, Self::Ssha512];

    /// Whether [`generate`] makes it.
    #[must_use]
    pub fn is_made(self) -> bool {
        Self::MADE.contains(&self)
    }
}

fn check_password(scheme: Scheme, password: &[u8]) -> Result<(), CannotMake> {
    let most = if scheme == Scheme::BlfCrypt { bcrypt::MAX_KEY } else { MAX_PASSWORD };
    match password.len() {
        0 => Err(CannotMake::EmptyPassword),
        _ if password.contains(&0) => Err(CannotMake::NulInPassword),
        length if length > most => Err(CannotMake::LongPassword { scheme, length, most }),
        _ => Ok(()),
    }
}

fn choose_cost(scheme: Scheme, cost: Option<u32>) -> Result<u32, CannotMake> {
    let policy = Policy::default();
    let (default, least, most) = match scheme {
        Scheme::BlfCrypt => (BCRYPT_COST, 4, policy.max_bcrypt_cost),
        Scheme::Sha512Crypt => (SHA_CRYPT_ROUNDS, 1000, policy.max_sha_crypt_rounds),
        Scheme::Argon2id => (ARGON2_PASSES, 1, policy.max_argon2_passes),
        _ => return cost.map_or(Ok(0), |_| Err(CannotMake::NoCost(scheme))),
    };
    let cost = cost.unwrap_or(default);
    let known = (least..=most).contains(&cost);
    if known { Ok(cost) } else { Err(CannotMake::Cost { scheme, cost, least, most }) }
}

/// Six bits of each byte, as a digit: 96 bits are the most that SHA-crypt takes.
fn text_salt(salt: &[u8; SALT_BYTES]) -> [u8; SALT_BYTES] {
    salt.map(|byte| crypt64::DIGITS[usize::from(byte & 0x3F)])
}

/// Why no stored password was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotMake {
    /// The scheme is weak or rare.
    #[error("passwords of the scheme {{{0}}} are verified but not made")]
    Scheme(Scheme),
    /// A cost was asked for where there is none.
    #[error("the scheme {{{0}}} has no cost to choose")]
    NoCost(Scheme),
    /// The cost is unknown to the algorithm, or above the default cap of verifying.
    #[error("the cost {cost} of {{{scheme}}} is not between {least} and {most}")]
    Cost {
        /// Of which scheme.
        scheme: Scheme,
        /// What was asked for.
        cost: u32,
        /// The least there is.
        least: u32,
        /// The most that is allowed.
        most: u32,
    },
    /// It would let nobody in.
    #[error("the password is empty")]
    EmptyPassword,
    /// No mail client can send it.
    #[error("the password contains a NUL byte")]
    NulInPassword,
    /// The rest would not count (bcrypt), or every login with it would be refused.
    #[error("the password has {length} bytes, and {{{scheme}}} takes {most} at most")]
    LongPassword {
        /// Of which scheme.
        scheme: Scheme,
        /// Length of the password in bytes.
        length: usize,
        /// The most bytes that are taken.
        most: usize,
    },
    /// The system did not give the memory that the hash needs.
    #[error("there is not enough memory to make a {{{0}}} password")]
    OutOfMemory(Scheme),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Unusable, parse, verify};
    use super::*;

    const SALT: &[u8; SALT_BYTES] = b"\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xff\xfe\x80\x41\x14\x93";

    /// The cheapest that there is.
    fn cheap(scheme: Scheme) -> Option<u32> {
        match scheme {
            Scheme::BlfCrypt => Some(4),
            Scheme::Sha512Crypt => Some(1000),
            Scheme::Argon2id => Some(1),
            _ => None,
        }
    }

    #[test]
    fn what_is_made_has_the_defaults_and_verifies() {
        let beginnings = [
            "{BLF-CRYPT}$2y$10$./ABCDEFGHIJK",
            "{SHA512-CRYPT}$6$rounds=100000$.E1EF5UG9kzy./IH$",
            "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$ABCDEFGHIJKLMP/+gEEUkw$",
            "{SSHA256}",
            "{SSHA512}",
        ];
        for (scheme, beginning) in Scheme::MADE.into_iter().zip(beginnings) {
            let stored = generate(scheme, None, b"passw0rd", SALT).unwrap();
            assert!(stored.starts_with(beginning), "{stored}");
            assert_eq!(parse(stored.as_bytes()).unwrap().scheme(), scheme);
            assert_eq!(verify(stored.as_bytes(), b"passw0rd", &Policy::default()), Ok(true), "{stored}");
            assert_eq!(verify(stored.as_bytes(), b"passw0re", &Policy::default()), Ok(false), "{stored}");
        }
    }

    #[test]
    fn every_other_scheme_is_not_made() {
        for scheme in Scheme::ALL.into_iter().filter(|scheme| !scheme.is_made()) {
            assert_eq!(generate(scheme, None, b"passw0rd", SALT), Err(CannotMake::Scheme(scheme)));
        }
        assert!(Scheme::MADE.into_iter().all(|scheme| !scheme.is_weak()));
    }

    #[test]
    fn a_cost_is_bounded_by_what_would_be_verified() {
        use Scheme::{Argon2id, BlfCrypt, Sha512Crypt};
        let cases = [
            (BlfCrypt, 3),
            (BlfCrypt, 16),
            (Sha512Crypt, 999),
            (Sha512Crypt, 10_000_001),
            (Argon2id, 0),
            (Argon2id, 17),
        ];
        for (scheme, cost) in cases {
            let error = generate(scheme, Some(cost), b"passw0rd", SALT).unwrap_err();
            assert!(matches!(error, CannotMake::Cost { cost: named, .. } if named == cost), "{error}");
        }
        assert_eq!(
            generate(Scheme::Ssha512, Some(1), b"passw0rd", SALT),
            Err(CannotMake::NoCost(Scheme::Ssha512))
        );
    }

    #[test]
    fn a_password_that_would_never_let_anybody_in_is_refused() {
        for scheme in Scheme::MADE {
            assert_eq!(generate(scheme, None, b"", SALT), Err(CannotMake::EmptyPassword));
            assert_eq!(generate(scheme, None, b"a\0", SALT), Err(CannotMake::NulInPassword));
            let error = generate(scheme, None, &[b'a'; 1025], SALT).unwrap_err();
            assert!(matches!(error, CannotMake::LongPassword { length: 1025, .. }), "{error}");
        }
    }

    #[test]
    fn bcrypt_is_not_made_of_more_than_it_uses() {
        let stored = generate(Scheme::BlfCrypt, Some(4), &[b'a'; 72], SALT).unwrap();
        assert_eq!(verify(stored.as_bytes(), &[b'a'; 72], &Policy::default()), Ok(true));
        let error = generate(Scheme::BlfCrypt, Some(4), &[b'a'; 73], SALT).unwrap_err();
        assert_eq!(error.to_string(), "the password has 73 bytes, and {BLF-CRYPT} takes 72 at most");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_password_opens_what_was_made_of_it(
            password in prop::collection::vec(1..=u8::MAX, 1..=72),
            salt: [u8; SALT_BYTES],
        ) {
            for scheme in Scheme::MADE {
                let stored = generate(scheme, cheap(scheme), &password, &salt).unwrap();
                let matched: Result<bool, Unusable> = verify(stored.as_bytes(), &password, &Policy::default());
                prop_assert_eq!(matched, Ok(true));
            }
        }
    }
}
