//! OAUTHBEARER (RFC 7628) and XOAUTH2, its older form: a name and an access token in one message.
//!
//! A refusal has two steps: a challenge that says why, in JSON and in general words, and after the client's answer
//! to it the end.

use super::PresentedIdentity;
use crate::auth::{Credential, Mechanism, Secret};

/// What separates the parts of a message.
const SEPARATOR: u8 = 0x01;

/// Reads an OAUTHBEARER message: `n,a=USER,^Ahost=HOST^Aport=PORT^Aauth=Bearer TOKEN^A^A`.
///
/// The user must be named: whose mailbox it is about is decided before anybody looks into the token. The client
/// neither can nor may bind the exchange to its channel (`p=`), and other demands on us (`F`) are not known.
pub(super) fn parse_oauthbearer(message: &[u8]) -> Option<PresentedIdentity> {
    let (header, pairs) = split_once(message, SEPARATOR)?;
    let user = read_header(header)?;
    let mut auth = None;
    for (key, value) in read_pairs(pairs)? {
        if key == b"auth" && auth.replace(value).is_some() {
            return None;
        }
    }
    let token = match auth? {
        // A client that wants to know which tokens are taken.
        b"" => b"",
        auth => read_token(auth)?,
    };
    Some(present(user, token))
}

/// The user of a GS2 header (RFC 5801, 4). As in Dovecot, its parts may come in any order, and the flag and the commas
/// around them may be missing.
fn read_header(header: &[u8]) -> Option<Vec<u8>> {
    let mut user = None;
    for part in header.split(|&byte| byte == b',').filter(|part| !part.is_empty()) {
        match part {
            b"n" | b"y" => {}
            _ if user.is_none() => user = Some(unescape(part.strip_prefix(b"a=")?)?),
            _ => return None,
        }
    }
    user
}

/// Reads an XOAUTH2 message: `user=USER^Aauth=Bearer TOKEN^A^A`, in either order.
pub(super) fn parse_xoauth2(message: &[u8]) -> Option<PresentedIdentity> {
    let (mut user, mut auth) = (None, None);
    for (key, value) in read_pairs(message)? {
        let twice = match key {
            b"user" => user.replace(value),
            b"auth" => auth.replace(value),
            _ => None,
        };
        if twice.is_some() {
            return None;
        }
    }
    let user = user.filter(|user| !user.is_empty())?;
    Some(present(user.to_vec(), read_token(auth?)?))
}

fn present(authcid: Vec<u8>, token: &[u8]) -> PresentedIdentity {
    PresentedIdentity {
        authcid: authcid.into(),
        authzid: Vec::new(),
        credential: Credential::Token(Secret::new(token.to_vec())),
    }
}

/// Reads `key=value` between separators, as forgiving as Dovecot: the separators at the end may be missing or be more
/// than two, parts may be empty, and what is no pair, or has a key that nobody knows, is left aside.
fn read_pairs(bytes: &[u8]) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
    // The name would end there for whoever reads it as a C string.
    if bytes.contains(&0) {
        return None;
    }
    Some(bytes.split(|&byte| byte == SEPARATOR).filter_map(|part| split_once(part, b'=')))
}

/// Reads `Bearer TOKEN` (RFC 6750, 2.1); letter case of the word does not matter.
fn read_token(auth: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = split_once(auth, b' ')?;
    let token = &rest[rest.iter().take_while(|&&byte| byte == b' ').count()..];
    let padding = token.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = &token[..token.len() - padding];
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let fits = scheme.eq_ignore_ascii_case(b"Bearer") && !body.is_empty() && body.iter().all(is_token);
    fits.then_some(token)
}

/// Reads a `saslname` (RFC 5801, 4): comma and equals sign are written `=2C` and `=3D`. Empty is none.
fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        plain.push(match byte {
            b'=' => {
                let (code, after) = rest.split_at_checked(2)?;
                rest = after;
                match code {
                    b"2C" => b',',
                    b"3D" => b'=',
                    _ => return None,
                }
            }
            0 => return None,
            byte => byte,
        });
    }
    (!plain.is_empty()).then_some(plain)
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// What a client is told about a token that was refused: the same for every reason.
#[derive(Debug)]
pub struct ErrorChallenges {
    oauthbearer: Box<[u8]>,
    xoauth2: Box<[u8]>,
}

impl ErrorChallenges {
    /// Takes the scopes that a client should ask for, and where it finds how to get a token, as far as they are known.
    #[must_use]
    pub fn new(scope: Option<&str>, openid_configuration: Option<&str>) -> Self {
        let about = |status: &[(&str, &str)]| {
            let optional = [("scope", scope), ("openid-configuration", openid_configuration)];
            let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value?)));
            let members: Vec<String> = status
                .iter()
                .copied()
                .chain(optional)
                .map(|(key, value)| format!("\"{key}\":{}", quote(value)))
                .collect();
            format!("{{{}}}", members.join(",")).into_bytes().into_boxed_slice()
        };
        Self {
            oauthbearer: about(&[("status", "invalid_token")]),
            xoauth2: about(&[("status", "401"), ("schemes", "bearer")]),
        }
    }

    /// The challenge of a mechanism; `None` for one whose refusals have no challenge.
    #[must_use]
    pub fn of(&self, mechanism: Mechanism) -> Option<&[u8]> {
        match mechanism {
            Mechanism::Plain | Mechanism::Login => None,
            Mechanism::OauthBearer => Some(&self.oauthbearer),
            Mechanism::Xoauth2 => Some(&self.xoauth2),
        }
    }
}

/// A JSON string.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(parse: fn(&[u8]) -> Option<PresentedIdentity>, message: &str) -> Option<(String, String)> {
        let presented = parse(message.replace('^', "\x01").as_bytes())?;
        let Credential::Token(token) = presented.credential else { panic!("no token") };
        assert!(presented.authzid.is_empty());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some((text(&presented.authcid), text(token.expose())))
    }

    fn is_alice(read: Option<(String, String)>) -> bool {
        read == Some(("alice@example.org".to_owned(), "ey.J-_~+/9==".to_owned()))
    }

    #[test]
    fn both_forms_are_read() {
        for message in [
            "n,a=alice@example.org,^host=mail.example.org^port=993^auth=Bearer ey.J-_~+/9==^^",
            "n,a=alice@example.org,^auth=bearer   ey.J-_~+/9==^^",
            "n,a=alice@example.org^auth=Bearer ey.J-_~+/9==^^",
            "a=alice@example.org,n,^auth=Bearer ey.J-_~+/9==^^",
            ",,a=alice@example.org^auth=Bearer ey.J-_~+/9==",
            "n,a=alice@example.org,^^host^=x^1=2^Auth=Basic x^auth=Bearer ey.J-_~+/9==",
            "y,a=alice@example.org,^port=143^auth=BEARER ey.J-_~+/9==^host=a^^",
        ] {
            assert!(is_alice(read(parse_oauthbearer, message)), "{message}");
            assert_eq!(read(parse_xoauth2, message), None, "{message}");
        }
        for message in [
            "user=alice@example.org^auth=Bearer ey.J-_~+/9==^^",
            "auth=bEaReR ey.J-_~+/9==^user=alice@example.org^^",
            "user=alice@example.org^host=x^auth=Bearer ey.J-_~+/9==^^",
        ] {
            assert!(is_alice(read(parse_xoauth2, message)), "{message}");
            assert_eq!(read(parse_oauthbearer, message), None, "{message}");
        }
    }

    #[test]
    fn the_end_of_a_message_may_be_missing_or_longer_as_in_dovecot() {
        for end in ["", "^", "^^", "^^^", "^more", "^^more", "^host=x^"] {
            let bearer = format!("n,a=alice@example.org,^auth=Bearer ey.J-_~+/9=={end}");
            assert!(is_alice(read(parse_oauthbearer, &bearer)), "{bearer}");
            let older = format!("user=alice@example.org^auth=Bearer ey.J-_~+/9=={end}");
            assert!(is_alice(read(parse_xoauth2, &older)), "{older}");
        }
        assert!(is_alice(read(parse_xoauth2, "auth=Bearer ey.J-_~+/9==^user=alice@example.org")));
    }

    #[test]
    fn a_name_may_hold_commas_and_equals_signs() {
        let name =
            |text: &str| read(parse_oauthbearer, &format!("n,a={text},^auth=Bearer x^^")).map(|read| read.0);
        assert_eq!(name("a=2Cb=3Dc@example.org").as_deref(), Some("a,b=c@example.org"));
        for wrong in ["", "=", "=2", "=2c", "=41", "a,b", "a=b"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_empty_token_asks_what_is_wanted() {
        let discovery = read(parse_oauthbearer, "n,a=a@example.org,^host=h^port=143^auth=^^");
        assert_eq!(discovery, Some(("a@example.org".to_owned(), String::new())));
    }

    #[test]
    fn everything_else_is_malformed() {
        for message in [
            "",
            "^",
            "^^",
            "n,a=a,",
            "n,a=a,^",
            "n,a=a,^^",
            "n,,^auth=Bearer x^^",
            "n,a=,^auth=Bearer x^^",
            "p=tls-unique,a=a,^auth=Bearer x^^",
            "F,n,a=a,^auth=Bearer x^^",
            "n,a=a,m=x,^auth=Bearer x^^",
            "n,a=a,a=b,^auth=Bearer x^^",
            "p=x,a=a,^auth=Bearer x",
            "^auth=Bearer x^^",
            "^a=a^auth=Bearer x^^",
            "n,user=a,^auth=Bearer x^^",
            "n,a=a,^host=h^^",
            "n,a=a,^auth=Bearer x^auth=Bearer y^^",
            "n,a=a,^auth=Bearer^^",
            "n,a=a,^auth=Bearer ^^",
            "n,a=a,^auth=Bearer =^^",
            "n,a=a,^auth=Bearer x y^^",
            "n,a=a,^auth=Bearer x=y^^",
            "n,a=a,^auth=Bearer\tx^^",
            "n,a=a,^auth=Basic x^^",
            "n,a=a,^Auth=Bearer x^^",
        ] {
            assert_eq!(read(parse_oauthbearer, message), None, "{message}");
        }
        for message in [
            "",
            "^^",
            "user=a^^",
            "auth=Bearer x^^",
            "user=^auth=Bearer x^^",
            "user=a^auth=^^",
            "user=a^auth=x^^",
            "user=a^user=b^auth=Bearer x^^",
            "user=a^auth=Bearer x^auth=Bearer y^^",
            "user=a\0b^auth=Bearer x^^",
        ] {
            assert_eq!(read(parse_xoauth2, message), None, "{message}");
        }
    }

    #[test]
    fn challenges_are_json_and_say_nothing_of_the_reason() {
        let challenges = ErrorChallenges::new(Some("openid \"x\""), Some("https://sso.example.org/x"));
        let text = |mechanism| String::from_utf8(challenges.of(mechanism).unwrap().to_vec()).unwrap();
        assert_eq!(
            text(Mechanism::OauthBearer),
            r#"{"status":"invalid_token","scope":"openid \"x\"","openid-configuration":"https://sso.example.org/x"}"#
        );
        let xoauth2: serde_json::Value = serde_json::from_str(&text(Mechanism::Xoauth2)).unwrap();
        assert_eq!((&xoauth2["status"], &xoauth2["schemes"]), (&"401".into(), &"bearer".into()));
        assert_eq!(
            ErrorChallenges::new(None, None).of(Mechanism::OauthBearer),
            Some(&br#"{"status":"invalid_token"}"#[..])
        );
        assert!(challenges.of(Mechanism::Plain).is_none() && challenges.of(Mechanism::Login).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_put_in_comes_out(user in "[^\0\x01]{1,30}", token in "[A-Za-z0-9._~+/-]{1,60}={0,2}", end in "\x01{0,3}") {
            let escaped = user.replace('=', "=3D").replace(',', "=2C");
            let bearer = parse_oauthbearer(format!("n,a={escaped},\x01auth=Bearer {token}{end}").as_bytes());
            let older = parse_xoauth2(format!("user={user}\x01auth=Bearer {token}{end}").as_bytes());
            for presented in [bearer.unwrap(), older.unwrap()] {
                prop_assert_eq!(&*presented.authcid, user.as_bytes());
                let Credential::Token(found) = presented.credential else { panic!("no token") };
                prop_assert!(found.matches(token.as_bytes()));
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = (parse_oauthbearer(&bytes), parse_xoauth2(&bytes));
        }
    }
}
