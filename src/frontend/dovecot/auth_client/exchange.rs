//! From the AUTH line on: responses, challenges, refusals and their last words.

use std::time::Instant;

use super::super::line::Fields;
use super::replies::{fail, refuse_malformed, with_decoded, write_challenge};
use super::requests::{Asked, Open, REQUEST_LIFETIME, Refused, Request, end_early, request_user, ticket};
use super::{AuthClient, Handshake, Received, Role, auth};
use crate::auth::{AuthRequest, Denial, Told};
use crate::frontend::sasl::ExchangeStep;
use crate::frontend::{ProtocolError, Ticketed};

impl AuthClient {
    pub(super) fn continue_exchange(
        &mut self,
        fields: Fields<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let mut fields = fields;
        let id = fields.next_number().ok_or(ProtocolError::Number)?;
        let payload = fields.next().ok_or(ProtocolError::Parameter)?;
        let mut open = match self.take_open_request(id) {
            Some(Request::Exchanging(open)) => open,
            Some(Request::Deciding(asked)) => {
                // The verdict under way is dropped: it has no request any more, and one final reply is enough.
                fail(id, &asked.authcid, "reason=Unexpected continuation", out);
                return Ok(Received::Nothing);
            }
            // Whatever the answer is: RFC 7628 prescribes one byte, clients of XOAUTH2 send nothing.
            Some(Request::Refused(refused)) => {
                fail(id, &refused.authcid, "", out);
                return Ok(Received::Nothing);
            }
            Some(Request::Granted { .. }) | None => {
                fail(id, b"", "reason=Authentication request timed out", out);
                return Ok(Received::Nothing);
            }
        };
        let Some(step) = with_decoded(payload, |response| open.exchange.respond(response)) else {
            return Ok(refuse_malformed(id, *open, out));
        };
        Ok(self.advance(id, *open, step, out))
    }

    /// Does what a mechanism's step says.
    pub(super) fn advance(&mut self, id: u32, open: Open, step: ExchangeStep, out: &mut Vec<u8>) -> Received {
        match step {
            ExchangeStep::Challenge(text) => {
                write_challenge(id, text, out);
                self.look_by(open.began + REQUEST_LIFETIME);
                self.requests.insert(id, Request::Exchanging(Box::new(open)));
                Received::Nothing
            }
            ExchangeStep::Malformed => {
                fail(id, b"", "", out);
                Received::Ended(end_early(open, Denial::ResponseMalformed))
            }
            ExchangeStep::Done(presented) => {
                let ticket = ticket(self.next_serial, id);
                self.next_serial = self.next_serial.wrapping_add(1);
                let asked = Asked {
                    ticket,
                    nologin: open.nologin,
                    mechanism: open.mechanism,
                    authcid: presented.authcid.clone(),
                };
                let question = AuthRequest {
                    authcid: presented.authcid,
                    authzid: presented.authzid,
                    credential: presented.credential,
                    service: open.service,
                    service_name: open.service_name,
                    mechanism: Some(open.mechanism),
                    origin: open.origin,
                    wants_fields: self.role.opens_mailboxes() && !open.nologin,
                };
                self.requests.insert(id, Request::Deciding(asked));
                Received::Question(Ticketed { ticket, question })
            }
        }
    }

    pub(super) fn cancel(
        &mut self,
        mut fields: Fields<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let id = fields.next_number().ok_or(ProtocolError::Number)?;
        let ended = match self.requests.remove(&id) {
            Some(Request::Exchanging(open)) => Received::Ended(end_early(*open, Denial::ExchangeAbandoned)),
            Some(Request::Granted { .. }) => {
                self.forget(id);
                Received::Nothing
            }
            // The verdict, given or under way, has its log line of its own.
            Some(Request::Deciding(_) | Request::Refused(_)) | None => Received::Nothing,
        };
        if let Handshake::Done { minor, .. } = self.handshake
            && minor >= 4
        {
            out.extend_from_slice(format!("CANCELLED\t{id}\n").as_bytes());
        }
        Ok(ended)
    }

    /// Answers a request that is not let in: refused, or nobody can tell.
    pub(super) fn answer_unless_accepted(&mut self, id: u32, told: Told, now: Instant, out: &mut Vec<u8>) {
        let Some(Request::Deciding(asked)) = self.requests.remove(&id) else { return };
        match (told, self.role) {
            (Told::No, _) => self.refuse(id, asked, now, out),
            (_, Role::Dovecot) => fail(id, &asked.authcid, "code=temp_fail", out),
            (_, Role::Postfix | Role::Exim) => self.closing = true,
        }
    }

    /// A refused token is told so in a challenge first; the final reply follows the client's answer.
    pub(super) fn refuse(&mut self, id: u32, asked: Asked, now: Instant, out: &mut Vec<u8>) {
        let challenge = self.challenges.as_ref().and_then(|challenges| challenges.of(asked.mechanism));
        let Some(challenge) = challenge else { return fail(id, &asked.authcid, "", out) };
        write_challenge(id, challenge, out);
        self.look_by(now + REQUEST_LIFETIME);
        self.requests.insert(id, Request::Refused(Refused { told: now, authcid: asked.authcid }));
    }

    /// A request that nobody could mean honestly still gets its one reply, so that the other requests on this
    /// connection live on.
    pub(super) fn refuse_too_long(
        &mut self,
        beginning: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let mut fields = Fields::of(beginning);
        let command = fields.next();
        // The second TAB shows that the id was not cut off.
        let id = fields.next_number().filter(|&id| id != 0 && fields.next().is_some());
        match (self.handshake, command, id) {
            (Handshake::Done { .. }, Some(b"AUTH"), Some(id)) if self.open_request(id).is_some() => {
                Err(ProtocolError::DuplicateId)
            }
            (Handshake::Done { minor, .. }, Some(b"AUTH"), Some(id)) => {
                fail(id, b"", "", out);
                Ok(Received::Ended(auth::describe_cut_off(beginning, minor)))
            }
            (Handshake::Done { .. }, Some(b"CONT"), Some(id)) => {
                let request = self.take_open_request(id);
                fail(id, request.as_ref().map_or(b"", request_user), "", out);
                Ok(match request {
                    Some(Request::Exchanging(open)) => {
                        Received::Ended(end_early(*open, Denial::ResponseMalformed))
                    }
                    // The verdict, given or under way, has its log line of its own.
                    Some(Request::Deciding(_) | Request::Refused(_) | Request::Granted { .. }) | None => {
                        Received::Nothing
                    }
                })
            }
            _ => Err(ProtocolError::Endless),
        }
    }
}
