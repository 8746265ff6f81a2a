//! PLAIN (RFC 4616): `authzid NUL authcid NUL password`, one message.

use memchr::memchr;

use super::PresentedIdentity;
use crate::auth::{Credential, Secret};

/// Reads the message. `None` unless it has exactly two NULs, as Dovecot demands too.
pub(super) fn parse(message: &[u8]) -> Option<PresentedIdentity> {
    let (authzid, rest) = split_at_nul(message)?;
    let (authcid, password) = split_at_nul(rest)?;
    if memchr(0, password).is_some() {
        return None;
    }
    Some(PresentedIdentity {
        authcid: authcid.into(),
        authzid: authzid.to_vec(),
        credential: Credential::Password(Secret::new(password.to_vec())),
    })
}

fn split_at_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let nul = memchr(0, bytes)?;
    Some((&bytes[..nul], &bytes[nul + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_parts_are_read_as_they_are() {
        let presented = parse(b"boss\0alice@example.org\0 pass\xFFword ").unwrap();
        assert_eq!(presented.authzid, b"boss");
        assert_eq!(&*presented.authcid, b"alice@example.org");
        assert_eq!(presented.credential.password().unwrap().expose(), b" pass\xFFword ");
    }

    #[test]
    fn too_few_and_too_many_nuls_are_malformed() {
        for message in [&b""[..], b"alice", b"\0alice", b"\0alice\0pass\0word", b"\0\0\0"] {
            assert!(parse(message).is_none(), "{}", message.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(zid in "[^\0]{0,20}", cid in "[^\0]{0,20}", password in "[^\0]{0,40}") {
            let presented = parse(format!("{zid}\0{cid}\0{password}").as_bytes()).unwrap();
            prop_assert_eq!(presented.authzid, zid.as_bytes());
            prop_assert_eq!(&*presented.authcid, cid.as_bytes());
            prop_assert!(presented.credential.password().unwrap().matches(password.as_bytes()));
        }
    }
}
