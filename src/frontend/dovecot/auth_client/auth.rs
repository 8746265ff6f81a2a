//! The AUTH line: who asks for what, from where, by which mechanism.

use std::borrow::Cow;
use std::net::IpAddr;
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
        if self.requests.contains_key(&id) {
            return Err(ProtocolError::DuplicateId);
        }
        // A success under this id was never redeemed, and its client has moved on.
        self.forget(id);
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

fn read_parameters<'a>(fields: Fields<'a>, minor: u32) -> Result<Parameters<'a>, ProtocolError> {
    let mut parameters = Parameters::default();
    let mut fields = fields;
    while let Some(parameter) = fields.next_parameter() {
        match parameter {
            (b"service" | b"protocol", Some(value)) => {
                let (service, name) = read_service(value);
                (parameters.service, parameters.service_name) = (Some(service), name);
            }
            (b"rip", Some(value)) => parameters.origin.remote = read_address(value),
            (b"session", Some(value)) => parameters.origin.session = Some(read_text(value)),
            (b"secured", _) => parameters.origin.secured = true,
            (b"nologin", None) => parameters.nologin = true,
            (b"resp", value) => {
                // It must stand last: what follows could be a TAB smuggled in by the mail client.
                if !fields.is_at_end() {
                    return Err(ProtocolError::Parameter);
                }
                parameters.initial = read_initial(value.unwrap_or_default(), minor);
            }
            _ => {}
        }
    }
    Ok(parameters)
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
        Ok(text) if !text.contains('\x01') => text.into(),
        _ => String::from_utf8_lossy(&unescape(value)).into(),
    }
}

/// An address, or nothing: an empty or odd one is never taken for a local or trusted client. IPv4 in IPv6
/// form is the IPv4 address, so that one client has one address.
pub(in crate::frontend) fn read_address(value: &[u8]) -> Option<IpAddr> {
    // None of its characters is ever escaped.
    let address: IpAddr = str::from_utf8(value).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_response_depends_on_the_version() {
        assert_eq!(read_initial(b"", 1), Initial::Absent);
        assert_eq!(read_initial(b"", 2), Initial::Empty);
        assert_eq!(read_initial(b"=", 0), Initial::Empty);
    }

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(read_address(b"::ffff:192.0.2.1"), "192.0.2.1".parse().ok());
        for odd in [&b""[..], b"fe80::1%eth0", b"127.0.0.1 ", b"localhost", b"[::1]"] {
            assert_eq!(read_address(odd), None, "{}", odd.escape_ascii());
        }
    }
}
