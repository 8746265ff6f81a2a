//! The lookup protocol of keydove's own programs: the Lua script for Dovecot and `keydove-checkpassword`.
//!
//! Lines end with LF and hold fields separated by TAB, escaped as in Dovecot's protocols: NUL, 0x01, TAB, CR and LF
//! are 0x01 and one of `0 1 t r n`. The client speaks first. Ids are its own choice, 1 to 2³²−1; many may be in
//! flight, and each has exactly one final reply.
//!
//! | the client says | keydove answers |
//! |---|---|
//! | `VERSION 1 0`, optional, first | nothing; closes when the first number is not 1 |
//! | `AUTH id user password service=imap rip=192.0.2.7 session=Xk3vA8 secured` | `OK id user=… uid=… gid=… home=… mail=…`, `FAIL id code=…` or `TEMP id` |
//! | `USER id user service=lmtp` | `USER id user=… uid=… gid=… home=… mail=…`, `NOTFOUND id` or `TEMP id` |
//! | `PASS id user service=lmtp` | `USER id user=… passdb_…`, `NOTFOUND id` or `TEMP id` |
//! | `LIST id` | `LIST id user` for each, then `DONE id`; or at any point `TEMP id` |
//!
//! `service` is needed. Unknown parameters are ignored, and so are unknown reply fields. `TEMP` is "cannot tell".
//!
//! `passdb_…` in an answer is a field for Dovecot's passdb, without that prefix: `passdb_proxy_maybe=y` and
//! `passdb_host=192.0.2.11` of a mailbox on another machine. `PASS` asks for these, `USER` for those of the userdb.
//!
//! The codes of `FAIL` are for Dovecot's own log: `mismatch`, `unknown`, `disabled`, `expired`. Dovecot shows a mail
//! client the same for the first three. `expired` is shown (`[EXPIRED]`), so it is said only of an app password that
//! was presented, is right, and is past its date.
//!
//! Refusals are held back here although Dovecot does so by itself: its wait begins where ours ends.

mod questions;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::dovecot::{
    Fields, escape, read_address, read_service, read_text, split_parameter, unescape, write_fields,
};
use super::{Answer, Line, ListUsers, Next, Protocol, ProtocolError, Ticket, Ticketed};
use crate::auth::{
    AuthRequest, Credential, Denial, MailHost, Mechanism, Origin, Secret, Service, Told, UserFields,
    UserLookup, UserRequest, Verdict,
};
use crate::login::service::{EndedEarly, UserAnswer, UserPage};

pub use questions::{HookAnswer, HookQuestion};

type Received = super::Received<HookQuestion>;

/// The major version that is spoken.
const VERSION: u32 = 1;
/// Longest request. Name and password have at most 255 and 1024 bytes, and escaping may double them.
const MAX_LINE: usize = 8192;
/// Longest reply.
const MAX_REPLY: usize = 8192;

/// One connection.
#[derive(Debug, Default)]
pub struct Hook {
    /// Something was said; `VERSION` comes too late now.
    begun: bool,
    /// The ids of questions on their way.
    ids: HashSet<u32>,
    /// The same by ticket.
    open: HashMap<Ticket, u32>,
    next_ticket: u64,
}

/// What stands behind the positional fields of a request.
#[derive(Debug, Default)]
struct Parameters {
    service: Option<(Service, Cow<'static, str>)>,
    origin: Origin,
}

impl Hook {
    /// `AUTH id user password service=… …`
    fn authenticate(&mut self, mut fields: Fields<'_>) -> Result<Received, ProtocolError> {
        let id = self.new_id(&mut fields)?;
        let authcid = unescape(fields.next().ok_or(ProtocolError::Parameter)?);
        let password = Secret::new(unescape(fields.next().ok_or(ProtocolError::Parameter)?));
        let Parameters { service, origin } = read_parameters(fields);
        let (service, service_name) = service.ok_or(ProtocolError::Parameter)?;
        let request = AuthRequest {
            authcid: authcid.into(),
            authzid: Vec::new(),
            credential: Credential::Password(password),
            service,
            service_name,
            mechanism: Some(Mechanism::Plain),
            origin,
            wants_fields: true,
        };
        Ok(Received::Question(HookQuestion::Login(self.ask(id, request))))
    }

    /// `USER id user service=…` and `PASS id user service=…`
    fn find_user(&mut self, mut fields: Fields<'_>, lookup: UserLookup) -> Result<Received, ProtocolError> {
        let id = self.new_id(&mut fields)?;
        let user = unescape(fields.next().ok_or(ProtocolError::Parameter)?);
        let (service, _) = read_parameters(fields).service.ok_or(ProtocolError::Parameter)?;
        Ok(Received::Question(HookQuestion::User(self.ask(id, UserRequest { user, service, lookup }))))
    }

    /// `LIST id`
    fn list(&mut self, mut fields: Fields<'_>) -> Result<Received, ProtocolError> {
        let id = self.new_id(&mut fields)?;
        Ok(Received::Question(HookQuestion::List(self.ask(id, ListUsers(None)))))
    }

    /// An id that is not in use.
    fn new_id(&self, fields: &mut Fields<'_>) -> Result<u32, ProtocolError> {
        let id = fields.next_number().filter(|&id| id != 0).ok_or(ProtocolError::Number)?;
        if self.ids.contains(&id) {
            return Err(ProtocolError::DuplicateId);
        }
        Ok(id)
    }

    fn ask<Q>(&mut self, id: u32, question: Q) -> Ticketed<Q> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.open.insert(ticket, id);
        self.ids.insert(id);
        Ticketed { ticket, question }
    }

    /// The id of an answered question, which is free again.
    fn close(&mut self, ticket: Ticket) -> Option<u32> {
        let id = self.open.remove(&ticket)?;
        self.ids.remove(&id);
        Some(id)
    }

    /// A login of which only the beginning was kept: no name and no password are as long.
    fn refuse_cut_off(&mut self, beginning: &[u8], out: &mut Vec<u8>) -> Result<Received, ProtocolError> {
        let mut fields = Fields::of(beginning);
        let is_login = fields.next() == Some(b"AUTH");
        let id = self.new_id(&mut fields)?;
        // The field behind the id shows that the id is whole.
        let user = fields.next().filter(|_| is_login).ok_or(ProtocolError::Endless)?;
        write_fail(id, &Verdict::Refuse(Denial::PasswordInvalid), out);
        Ok(Received::Ended(EndedEarly {
            authcid: unescape(user),
            service: Service::parse(""),
            mechanism: Some(Mechanism::Plain),
            origin: Origin::default(),
            denial: Denial::PasswordInvalid,
        }))
    }

    fn write_page(&mut self, id: u32, page: Option<UserPage>, out: &mut Vec<u8>) -> Next<HookQuestion> {
        let Some(page) = page else {
            write_bare("TEMP", id, out);
            return Next::Open;
        };
        for user in &page.users {
            out.extend_from_slice(format!("LIST\t{id}\t").as_bytes());
            escape(user.as_str().as_bytes(), out);
            out.push(b'\n');
        }
        if page.next.is_some() {
            return Next::Ask(HookQuestion::List(self.ask(id, ListUsers(page.next))));
        }
        write_bare("DONE", id, out);
        Next::Open
    }
}

impl Protocol for Hook {
    type Asked = HookQuestion;

    const MAX_LINE: usize = MAX_LINE;

    fn receive(
        &mut self,
        line: Line<'_>,
        _now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let is_first = !std::mem::replace(&mut self.begun, true);
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong(beginning) => return self.refuse_cut_off(beginning, out),
        };
        let mut fields = Fields::of(line);
        match fields.next() {
            Some(b"AUTH") => self.authenticate(fields),
            Some(b"USER") => self.find_user(fields, UserLookup::Userdb),
            Some(b"PASS") => self.find_user(fields, UserLookup::Passdb),
            Some(b"LIST") => self.list(fields),
            Some(b"VERSION") if is_first => match fields.next_number() {
                Some(VERSION) => Ok(Received::Nothing),
                _ => Err(ProtocolError::Version),
            },
            _ => Err(ProtocolError::NotARequest),
        }
    }

    fn answer(&mut self, answer: HookAnswer, _now: Instant, out: &mut Vec<u8>) -> Next<HookQuestion> {
        match answer {
            HookAnswer::Login(Answer { ticket, answer: verdict }) => {
                let Some(id) = self.close(ticket) else { return Next::Open };
                match verdict.told() {
                    Told::Yes(grant) => {
                        let host = grant.proxied.as_ref().map(|proxied| &proxied.host);
                        write_found("OK", id, grant.user.as_str(), (&grant.fields, host), out);
                    }
                    Told::No => write_fail(id, &verdict, out),
                    Told::Later => write_bare("TEMP", id, out),
                }
            }
            HookAnswer::User(Answer { ticket, answer }) => {
                let Some(id) = self.close(ticket) else { return Next::Open };
                match answer {
                    UserAnswer::Found(user, fields, host) => {
                        write_found("USER", id, user.as_str(), (&fields, host.as_deref()), out);
                    }
                    UserAnswer::NotFound => write_bare("NOTFOUND", id, out),
                    UserAnswer::CannotTell(_) => write_bare("TEMP", id, out),
                }
            }
            HookAnswer::List(Answer { ticket, answer: page }) => {
                let Some(id) = self.close(ticket) else { return Next::Open };
                return self.write_page(id, page, out);
            }
        }
        Next::Open
    }

    fn is_idle(&self) -> bool {
        self.open.is_empty()
    }
}

fn read_parameters(fields: Fields<'_>) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, value) in fields.map(split_parameter) {
        match (name, value) {
            (b"service" | b"protocol", Some(value)) => parameters.service = Some(read_service(value)),
            (b"rip", Some(value)) => parameters.origin.remote = read_address(value),
            (b"session", Some(value)) => parameters.origin.session = Some(read_text(value)),
            (b"secured", _) => parameters.origin.secured = true,
            _ => {}
        }
    }
    parameters
}

fn write_bare(word: &str, id: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{word}\t{id}\n").as_bytes());
}

fn write_fail(id: u32, verdict: &Verdict, out: &mut Vec<u8>) {
    let code = match verdict {
        Verdict::Refuse(denial) => failure_code(*denial),
        Verdict::Accept(_) | Verdict::CannotTell(_) => "mismatch",
    };
    out.extend_from_slice(format!("FAIL\t{id}\tcode={code}\n").as_bytes());
}

/// Fields that do not fit are no reason to say no, and half of them would lead mail astray.
fn write_found(
    word: &str,
    id: u32,
    user: &str,
    (fields, host): (&UserFields, Option<&MailHost>),
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(format!("{word}\t{id}\tuser=").as_bytes());
    escape(user.as_bytes(), out);
    write_fields(fields, out);
    if let Some(host) = host {
        // Dovecot's own auth server compares the host with its own addresses.
        out.extend_from_slice(b"\tpassdb_proxy_maybe=y");
        host.each_field(|name, value| {
            out.extend_from_slice(format!("\tpassdb_{name}=").as_bytes());
            escape(value.as_bytes(), out);
        });
    }
    out.push(b'\n');
    if out.len() - start > MAX_REPLY {
        out.truncate(start);
        write_bare("TEMP", id, out);
    }
}

/// What Dovecot may write into its log: whether there is nobody of that name, whether they may not, or whether what they
/// presented does not fit.
fn failure_code(denial: Denial) -> &'static str {
    match denial {
        Denial::NameInvalid
        | Denial::DomainUnknown
        | Denial::MailboxUnknown
        | Denial::UserGone
        | Denial::UserUnknown => "unknown",
        Denial::DomainDisabled
        | Denial::MailboxDisabled
        | Denial::MailboxIsResource
        | Denial::ServiceForbidden
        | Denial::UserConflict
        | Denial::UserReplaced
        | Denial::UserDisabled
        | Denial::UserLockedOut
        | Denial::StoreDisabled
        | Denial::ProviderOff
        | Denial::OrganizationOff => "disabled",
        Denial::AppPasswordExpired => "expired",
        Denial::MechanismUnknown
        | Denial::ResponseMalformed
        | Denial::ExchangeAbandoned
        | Denial::PasswordInvalid
        | Denial::AuthzidForbidden
        | Denial::ServiceUnknown
        | Denial::SourceUnsupported
        | Denial::MailPasswordsOff
        | Denial::SecondFactorRequired
        | Denial::EmailUnverified
        | Denial::AttributeMissing
        | Denial::RoleMissing
        | Denial::GroupMissing
        | Denial::PasswordMissing
        | Denial::PasswordMismatch
        | Denial::AppPasswordRequired
        | Denial::AppPasswordMismatch
        | Denial::AppPasswordForbidden
        | Denial::TokenInvalid
        | Denial::TokenSignature
        | Denial::TokenExpired
        | Denial::TokenIssuer
        | Denial::TokenAudience
        | Denial::TokenUserMismatch
        | Denial::TokenSubjectMismatch
        | Denial::TokenRevoked
        | Denial::MasterUserMismatch => "mismatch",
    }
}

#[cfg(test)]
mod tests;
