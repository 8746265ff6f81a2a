//! The AUTH line: who asks for what, from where, by which mechanism.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use super::super::line::Fields;
use super::super::unescape;
use super::replies::{fail, refuse_malformed, with_decoded};
use super::requests::Open;
use super::{AuthClient, Received};
use crate::auth::{Denial, Mechanism, Origin, Service};
use crate::frontend::ProtocolError;
use crate::frontend::sasl::Exchange;
use crate::login::service::EndedEarly;

/// What an AUTH line says besides id and mechanism. Unknown parameters are ignored, as the protocol demands.
#[derive(Debug, Default)]
struct Parameters<'a> {
    service: Option<Service>,
    service_name: Cow<'static, str>,
    origin: Origin,
    nologin: bool,
    initial: Initial<'a>,
}

/// The initial response as it stands on the line.
#[derive(Debug, Default, PartialEq, Eq)]
enum Initial<'a> {
    #[default]
    Absent,
    Empty,
    Base64(&'a [u8]),
}

impl AuthClient {
    /// Begins a request.
    pub(super) fn begin(
        &mut self,
        mut fields: Fields<'_>,
        minor: u32,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let id = fields.next_number().filter(|&id| id != 0).ok_or(ProtocolError::Number)?;
        let mechanism_name = fields.next().ok_or(ProtocolError::Parameter)?;
        let parameters = read_parameters(fields, minor)?;
        let service = parameters.service.ok_or(ProtocolError::Parameter)?;
        match self.requests.get(&id) {
            None => {}
            Some(request) if request.is_open() => return Err(ProtocolError::DuplicateId),
            // A success under this id was never redeemed, and its client has moved on.
            Some(_) => {
                self.requests.remove(&id);
                self.forget(id);
            }
        }
        let mechanism = Mechanism::parse(mechanism_name).filter(|&mechanism| self.offers(mechanism));
        let Some(mechanism) = mechanism else {
            fail(id, b"", "", out);
            return Ok(Received::Ended(EndedEarly {
                authcid: Vec::new(),
                service,
                mechanism: None,
                origin: parameters.origin,
                denial: Denial::MechanismUnknown,
            }));
        };
        let begun = match parameters.initial {
            Initial::Absent => Some(Exchange::begin(mechanism, None)),
            Initial::Empty => Some(Exchange::begin(mechanism, Some(b""))),
            Initial::Base64(text) => with_decoded(text, |bytes| Exchange::begin(mechanism, Some(bytes))),
        };
        let mut open = Open {
            exchange: Exchange::Plain,
            began: now,
            nologin: parameters.nologin,
            service,
            service_name: parameters.service_name,
            mechanism,
            origin: parameters.origin,
        };
        let Some((exchange, step)) = begun else {
            return Ok(refuse_malformed(id, open, out));
        };
        open.exchange = exchange;
        Ok(self.advance(id, open, step, out))
    }
}

/// What can be said about an AUTH line of which only the beginning was kept.
pub(super) fn describe_cut_off(beginning: &[u8], minor: u32) -> EndedEarly {
    let whole_fields = beginning.iter().rposition(|&byte| byte == b'\t').unwrap_or_default();
    let mut fields = Fields::of(&beginning[..whole_fields]);
    let mechanism = fields.nth(2).and_then(Mechanism::parse);
    let parameters = read_parameters(fields, minor).unwrap_or_default();
    EndedEarly {
        authcid: Vec::new(),
        service: parameters.service.unwrap_or_else(|| Service::parse("")),
        mechanism,
        origin: parameters.origin,
        denial: Denial::ResponseMalformed,
    }
}

fn read_parameters(mut fields: Fields<'_>, minor: u32) -> Result<Parameters<'_>, ProtocolError> {
    let mut parameters = Parameters::default();
    while let Some(field) = fields.next() {
        // By the first letter, so that a field is compared with few names, and none is searched for its `=`.
        match field.first() {
            Some(b's') => {
                if let Some(name) = field.strip_prefix(b"service=") {
                    parameters.set_service(name);
                } else if let Some(session) = field.strip_prefix(b"session=") {
                    parameters.origin.session = Some(read_text(session));
                } else if value_of(field, b"secured").is_some() {
                    parameters.origin.secured = true;
                }
            }
            Some(b'p') => {
                if let Some(name) = field.strip_prefix(b"protocol=") {
                    parameters.set_service(name);
                }
            }
            Some(b'r') => {
                if let Some(address) = field.strip_prefix(b"rip=") {
                    parameters.origin.remote = read_address(address);
                } else if let Some(response) = value_of(field, b"resp") {
                    // It must stand last: what follows could be a TAB smuggled in by the mail client.
                    if !fields.is_at_end() {
                        return Err(ProtocolError::Parameter);
                    }
                    parameters.initial = read_initial(response, minor);
                }
            }
            Some(b'n') if field == b"nologin" => parameters.nologin = true,
            _ => {}
        }
    }
    Ok(parameters)
}

impl Parameters<'_> {
    fn set_service(&mut self, name: &[u8]) {
        let (service, name) = read_service(name);
        (self.service, self.service_name) = (Some(service), name);
    }
}

/// The value of a parameter that may stand without one.
fn value_of<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = field.strip_prefix(name)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"=") }
}

/// Clients before 1.2 send an empty `resp=` for "none"; `=` alone is how SMTP says "empty" (RFC 4954), and
/// Postfix passes it on.
fn read_initial(value: &[u8], minor: u32) -> Initial<'_> {
    match value {
        b"" if minor < 2 => Initial::Absent,
        b"" | b"=" => Initial::Empty,
        text => Initial::Base64(text),
    }
}

/// The service, and its name as it was sent.
pub(in crate::frontend) fn read_service(value: &[u8]) -> (Service, Cow<'static, str>) {
    if let Some((service, name)) = Service::find(value) {
        return (service, Cow::Borrowed(name));
    }
    let name = read_text(value);
    (Service::parse(&name), Cow::Owned(name.into()))
}

pub(in crate::frontend) fn read_text(value: &[u8]) -> Box<str> {
    match str::from_utf8(value) {
        Ok(text) if value.iter().all(|&byte| byte != 1) => text.into(),
        _ => String::from_utf8_lossy(&unescape(value)).into(),
    }
}

/// An address, or nothing: an empty or odd one is never taken for a local or trusted client. IPv4 in IPv6
/// form is the IPv4 address, so that one client has one address.
pub(in crate::frontend) fn read_address(value: &[u8]) -> Option<IpAddr> {
    // None of its characters is ever escaped.
    let address = match read_dotted(value) {
        Some(address) => IpAddr::V4(address),
        None => str::from_utf8(value).ok()?.parse().ok()?,
    };
    Some(address.to_canonical())
}

/// Nearly every address is of this form, and std's parser, which takes every form, needs text and four times as long.
fn read_dotted(value: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut place, mut octet) = ([0_u8; 4], 0, None);
    for &byte in value {
        match (byte, octet) {
            // What begins with a zero is 0, or octal to some.
            (b'0'..=b'9', Some(0)) => return None,
            (b'0'..=b'9', _) => {
                octet = Some(octet.unwrap_or_default() * 10 + u32::from(byte - b'0'))
                    .filter(|&octet| octet < 256);
                octet?;
            }
            (b'.', Some(number)) if place < 3 => {
                octets[place] = u8::try_from(number).ok()?;
                (place, octet) = (place + 1, None);
            }
            _ => return None,
        }
    }
    if place < 3 {
        return None;
    }
    octets[3] = u8::try_from(octet?).ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_response_depends_on_the_version() {
        assert_eq!(read_initial(b"", 1), Initial::Absent);
        assert_eq!(read_initial(b"", 2), Initial::Empty);
        assert_eq!(read_initial(b"=", 0), Initial::Empty);
    }

    proptest! {
        #[test]
        fn dotted_addresses_are_read_as_by_std(text in "[0-9]{0,4}(\\.[0-9]{0,4}){0,4}", octets: [u8; 4]) {
            prop_assert_eq!(read_dotted(text.as_bytes()), text.parse().ok());
            let address = Ipv4Addr::from(octets);
            prop_assert_eq!(read_dotted(address.to_string().as_bytes()), Some(address));
        }
    }

    #[test]
    fn parameters_are_told_by_their_names() {
        let read = |line: &'static [u8]| read_parameters(Fields::of(line), 2).unwrap();
        let parameters = read(
            b"servic=pop3\tservice=imap\tsessions=x\tsession=\tsecured=tls\tripe=1\trip=192.0.2.1\tresp=",
        );
        assert_eq!((parameters.service, &*parameters.service_name), (Some(Service::Imap), "imap"));
        assert_eq!(parameters.origin.remote, "192.0.2.1".parse().ok());
        assert_eq!(parameters.origin.session.as_deref(), Some(""));
        assert!(parameters.origin.secured && !parameters.nologin);
        assert_eq!(parameters.initial, Initial::Empty);
        let others =
            read(b"\t=\tservice\tsecuredness\tnologin=1\trip\tsession\tresponse=x\tprotocol=sieve\tresp");
        assert_eq!(others.service, Some(Service::Sieve));
        assert_eq!(others.origin, Origin::default());
        assert_eq!((others.nologin, others.initial), (false, Initial::Empty));
        assert!(read(b"nologin\tsecured").nologin);
        assert!(read_parameters(Fields::of(b"resp=eA==\tservice=imap"), 2).is_err());
    }

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(read_address(b"::ffff:192.0.2.1"), "192.0.2.1".parse().ok());
        for odd in [&b""[..], b"fe80::1%eth0", b"127.0.0.1 ", b"localhost", b"[::1]"] {
            assert_eq!(read_address(odd), None, "{}", odd.escape_ascii());
        }
    }
}
