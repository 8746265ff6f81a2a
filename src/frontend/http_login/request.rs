//! What mailcow's script sends: one JSON object.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::auth::{AuthRequest, Credential, Mechanism, Origin, Secret, SentName, Service};
use crate::frontend::dovecot::read_address;

/// What mailcow calls a login for no service in particular.
const NO_SERVICE: &str = "NONE";

/// What is no request: no JSON object, or one that lacks `username` or `password`.
///
/// It does not say where: the words of the JSON reader may quote the password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a login over HTTP was no JSON object with username and password")]
pub(super) struct NotARequest;

/// The object. Other members do not matter.
#[derive(Deserialize)]
struct Body {
    username: Option<Text>,
    password: Option<Text>,
    service: Option<Text>,
}

/// The one member that says nothing of whether it is a login: missing, null, empty or of another kind, the address is
/// unknown then.
#[derive(Deserialize)]
struct Whence {
    real_rip: Option<Text>,
}

/// A JSON text as the bytes that were sent. Lua passes on what the mail client sent, which need not be UTF-8, and a
/// password is bytes everywhere else too.
struct Text(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(Zeroizing::new(bytes.to_vec())))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Reads a request.
///
/// # Errors
/// See [`NotARequest`].
pub(super) fn read(body: &[u8]) -> Result<AuthRequest, NotARequest> {
    let address = serde_json::from_slice::<Whence>(body).ok().and_then(|whence| whence.real_rip);
    let body: Body = serde_json::from_slice(body).map_err(|_| NotARequest)?;
    let (Some(username), Some(mut password)) = (body.username, body.password) else {
        return Err(NotARequest);
    };
    let (service, service_name) = read_service(body.service.as_ref().map(|name| name.0.as_slice()));
    Ok(AuthRequest {
        authcid: SentName::new(&username.0),
        authzid: Vec::new(),
        credential: Credential::Password(Secret::new(std::mem::take(&mut *password.0))),
        service,
        service_name,
        // The script is not told which it was: PLAIN and LOGIN come to the same.
        mechanism: Some(Mechanism::Plain),
        origin: Origin { remote: address.and_then(|text| read_address(&text.0)), ..Origin::default() },
        wants_fields: false,
    })
}

/// As in mailcow, whoever names no service has looked at the switches already. An empty name is none.
fn read_service(name: Option<&[u8]>) -> (Service, Cow<'static, str>) {
    match name.map(String::from_utf8_lossy) {
        None => (Service::Unnamed, NO_SERVICE.into()),
        Some(name) if name.is_empty() || name == NO_SERVICE => (Service::Unnamed, NO_SERVICE.into()),
        Some(name) => (Service::parse(&name), Cow::Owned(name.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str =
        r#"{"username":"alice@example.org","password":"pw","real_rip":"192.0.2.7","service":"imap"}"#;

    #[test]
    fn what_the_script_sends_is_a_login() {
        let request = read(ALICE.as_bytes()).unwrap();
        assert_eq!(&*request.authcid, b"alice@example.org");
        assert!(request.credential.password().unwrap().matches(b"pw"));
        assert_eq!(request.service, Service::Imap);
        assert_eq!(request.origin.remote, "192.0.2.7".parse().ok());
        let spaced = format!(" \r\n{}\n", ALICE.replace("imap", "SMTP"));
        let request = read(spaced.as_bytes()).unwrap();
        assert_eq!((request.service, &*request.service_name), (Service::Smtp, "SMTP"));
    }

    #[test]
    fn a_service_may_be_missing_and_then_none_is_meant() {
        for service in ["", r#","service":null"#, r#","service":"NONE""#, r#","service":"""#] {
            let text = ALICE.replace(r#","service":"imap""#, service);
            let request = read(text.as_bytes()).unwrap();
            assert_eq!((request.service, &*request.service_name), (Service::Unnamed, "NONE"), "{text}");
        }
        for service in ["none", "xmpp"] {
            let text = ALICE.replace("imap", service);
            assert_eq!(read(text.as_bytes()).unwrap().service, Service::Other(service.into()), "{text}");
        }
    }

    #[test]
    fn a_password_is_bytes() {
        for (written, bytes) in [
            (&b"\xFC\xFF"[..], &b"\xFC\xFF"[..]),
            ("ü€".as_bytes(), "ü€".as_bytes()),
            (br#"\u00fc\"\\\/\n"#, "ü\"\\/\n".as_bytes()),
            (br"a\u0000b", b"a\0b"),
            (b"", b""),
        ] {
            let text = [br#"{"username":"a@b","real_rip":"","password":""#, written, br#""}"#].concat();
            assert!(read(&text).unwrap().credential.password().unwrap().matches(bytes), "{written:?}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_nobodys() {
        for (written, remote) in [
            ("", None),
            ("localhost", None),
            ("192.0.2.7:143", None),
            ("fe80::1%eth0", None),
            ("::ffff:192.0.2.7", "192.0.2.7".parse().ok()),
            ("2001:db8::1", "2001:db8::1".parse().ok()),
        ] {
            let text = ALICE.replace("192.0.2.7", written);
            assert_eq!(read(text.as_bytes()).unwrap().origin.remote, remote, "{written}");
        }
        for written in ["null", "7", "false", "[]", r#"{"a":"192.0.2.7"}"#, r#""\u00fc""#] {
            let text = ALICE.replace(r#""192.0.2.7""#, written);
            assert_eq!(read(text.as_bytes()).unwrap().origin.remote, None, "{written}");
        }
        let missing = ALICE.replace(r#""real_rip":"192.0.2.7","#, "");
        assert_eq!(read(missing.as_bytes()).unwrap().origin.remote, None);
        let odd = [&b"{\"username\":\"a@b\",\"password\":\"pw\",\"real_rip\":\"\xFF\"}"[..]].concat();
        assert_eq!(read(&odd).unwrap().origin.remote, None);
    }

    #[test]
    fn what_is_no_request_is_none() {
        let without = |part: &str| ALICE.replace(part, "");
        for text in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            "username=alice".to_owned(),
            without(r#""username":"alice@example.org","#),
            without(r#""password":"pw","#),
            ALICE.replace(r#""imap""#, "7"),
            ALICE.replace(r#""pw""#, "null"),
            ALICE.replace(r#""pw""#, "7"),
            ALICE.replace(r#""pw""#, "[112]"),
            ALICE.replace('}', ""),
            format!("{ALICE}{ALICE}"),
        ] {
            assert_eq!(read(text.as_bytes()).err(), Some(NotARequest), "{text}");
        }
    }
}
