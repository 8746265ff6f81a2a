//! The auth master protocol, server side: where users live.
//!
//! Post-login processes redeem a success with REQUEST; LMTP, LDA and doveadm look users up with USER, PASS and
//! LIST. Only root may reach the socket of the first, so what is said here may be trusted.

mod questions;

use std::collections::HashMap;
use std::time::Instant;

use super::auth_client::read_version;
use super::line::{Fields, split_parameter, write_fields};
use super::proxy::write_proxy;
use super::{Cookie, PendingLogin, PendingLogins, ServerId};
use super::{escape, unescape};
use crate::auth::{Service, UserFields, UserLookup, UserMask, UserRequest};
use crate::frontend::{
    self, Answer, Forget, Line, ListUsers, Next, Protocol, ProtocolError, Ticket, Ticketed,
};
use crate::login::service::{UserAnswer, UserPage};

pub use questions::{MasterAnswer, MasterQuestion};

type Received = frontend::Received<MasterQuestion>;

/// Longest request. Dovecot's own server takes 1024 bytes; a name of 255 characters may need a little more.
const MAX_LINE: usize = 8192;
/// Longest reply that Dovecot's mail processes read.
const MAX_REPLY: usize = 8192;

/// Who is at the other end, as the kernel tells it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer {
    /// Its process id, where it is known and shares our numbering (same process namespace).
    pub pid: Option<u32>,
}

/// One master connection.
#[derive(Debug)]
pub struct AuthMaster {
    server: ServerId,
    peer: Peer,
    pending: PendingLogins,
    greeted: bool,
    /// Questions on their way, each with the id of its request and what its reply depends on.
    users: HashMap<Ticket, (u32, Lookup)>,
    lists: HashMap<Ticket, (u32, UserMask)>,
    forgets: HashMap<Ticket, u32>,
    next_ticket: u64,
}

/// By which command a user is looked up.
#[derive(Clone, Copy, Debug)]
enum Lookup {
    User,
    Pass,
}

impl AuthMaster {
    /// A new connection.
    #[must_use]
    pub fn new(server: ServerId, peer: Peer, pending: PendingLogins) -> Self {
        let (users, lists, forgets) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { server, peer, pending, greeted: false, users, lists, forgets, next_ticket: 0 }
    }

    /// `REQUEST id client-pid client-request-id cookie [session_pid=…]`
    fn redeem(
        &mut self,
        mut fields: Fields<'_>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        self.pending.note_redeemer();
        let id = fields.next_number().ok_or(ProtocolError::Number)?;
        let cpid = fields.next_number().ok_or(ProtocolError::Number)?;
        let request = fields.next_number().ok_or(ProtocolError::Number)?;
        let cookie = fields.next().ok_or(ProtocolError::Parameter)?;
        let login = Cookie::parse(cookie)
            .filter(|_| self.is_session(fields))
            .and_then(|cookie| self.pending.redeem((cpid, request), cookie, now));
        match login {
            Some(PendingLogin { user, fields, master_user, mechanism }) => {
                let start = out.len();
                write_user(id, user.as_str(), &fields, out);
                append_field(out, "auth_mech", mechanism.name());
                if let Some(master_user) = master_user {
                    append_field(out, "master_user", &master_user);
                }
                keep_within_limit(id, start, out);
            }
            None => write_fail(id, "unknown or already used login request", out),
        }
        Ok(Received::Nothing)
    }

    /// Whether the process that asks is the one that the login process handed the session to.
    fn is_session(&self, fields: Fields<'_>) -> bool {
        let claimed = fields
            .map(split_parameter)
            .find_map(|(name, value)| value.filter(|_| name == b"session_pid"))
            .and_then(super::line::parse_number);
        match (claimed, self.peer.pid) {
            (Some(claimed), Some(actual)) => claimed == actual,
            _ => true,
        }
    }

    /// `USER id name service=…` and `PASS id name service=…`
    fn find_user(&mut self, mut fields: Fields<'_>, lookup: Lookup) -> Result<Received, ProtocolError> {
        let id = fields.next_number().ok_or(ProtocolError::Number)?;
        let user = unescape(fields.next().ok_or(ProtocolError::Parameter)?);
        let service = fields
            .map(split_parameter)
            .find_map(|(name, value)| value.filter(|_| matches!(name, b"service" | b"protocol")))
            .ok_or(ProtocolError::Parameter)?;
        let service = Service::parse(&String::from_utf8_lossy(&unescape(service)));
        let ticket = self.next_ticket();
        self.users.insert(ticket, (id, lookup));
        let asked = match lookup {
            Lookup::User => UserLookup::Userdb,
            Lookup::Pass => UserLookup::Passdb,
        };
        let question = UserRequest { user, service, lookup: asked };
        Ok(Received::Question(MasterQuestion::User(Ticketed { ticket, question })))
    }

    /// `LIST id [user=mask] …`, one at a time per connection, as in Dovecot.
    fn list(&mut self, mut fields: Fields<'_>, out: &mut Vec<u8>) -> Result<Received, ProtocolError> {
        let id = fields.next_number().ok_or(ProtocolError::Number)?;
        if !self.lists.is_empty() {
            out.extend_from_slice(format!("DONE\t{id}\tfail\n").as_bytes());
            return Ok(Received::Nothing);
        }
        let mask = fields.map(split_parameter).find_map(|(name, value)| value.filter(|_| name == b"user"));
        let mask = UserMask::new(&mask.map_or_else(|| b"*".to_vec(), unescape));
        Ok(Received::Question(self.ask_for_page(id, mask, None)))
    }

    /// `CACHE-FLUSH id [name …]`; from 2.4 on a name may be a mask.
    fn flush(&mut self, mut fields: Fields<'_>) -> Result<Received, ProtocolError> {
        let id = fields.next_number().ok_or(ProtocolError::Number)?;
        let question = Forget(fields.map(|name| UserMask::new(&unescape(name))).collect());
        let ticket = self.next_ticket();
        self.forgets.insert(ticket, id);
        Ok(Received::Question(MasterQuestion::Forget(Ticketed { ticket, question })))
    }

    fn next_ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    fn ask_for_page(&mut self, id: u32, mask: UserMask, after: Option<String>) -> MasterQuestion {
        let ticket = self.next_ticket();
        self.lists.insert(ticket, (id, mask));
        MasterQuestion::List(Ticketed { ticket, question: ListUsers(after) })
    }

    fn write_page(
        &mut self,
        (id, mask): (u32, UserMask),
        page: Option<UserPage>,
        out: &mut Vec<u8>,
    ) -> Next<MasterQuestion> {
        let Some(page) = page else {
            out.extend_from_slice(format!("DONE\t{id}\tfail\n").as_bytes());
            return Next::Open;
        };
        for user in page.users.iter().filter(|user| mask.matches(user.as_str().as_bytes())) {
            out.extend_from_slice(format!("LIST\t{id}\t").as_bytes());
            escape(user.as_str().as_bytes(), out);
            out.push(b'\n');
        }
        if page.next.is_some() {
            return Next::Ask(self.ask_for_page(id, mask, page.next));
        }
        out.extend_from_slice(format!("DONE\t{id}\t\n").as_bytes());
        Next::Open
    }
}

impl Protocol for AuthMaster {
    type Asked = MasterQuestion;

    const MAX_LINE: usize = MAX_LINE;

    fn greet(&mut self, out: &mut Vec<u8>) {
        // No CUID here: clients take it for a login socket and complain.
        out.extend_from_slice(format!("VERSION\t1\t1\nSPID\t{}\n", self.server.0).as_bytes());
    }

    fn receive(
        &mut self,
        line: Line<'_>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let Line::Whole(line) = line else { return Err(ProtocolError::Endless) };
        let mut fields = Fields::of(line);
        match (self.greeted, fields.next()) {
            (false, Some(b"VERSION")) => {
                read_version(&mut fields)?;
                self.greeted = true;
                Ok(Received::Nothing)
            }
            (true, Some(b"REQUEST")) => self.redeem(fields, now, out),
            (true, Some(b"USER")) => self.find_user(fields, Lookup::User),
            (true, Some(b"PASS")) => self.find_user(fields, Lookup::Pass),
            (true, Some(b"LIST")) => self.list(fields, out),
            (true, Some(b"CACHE-FLUSH")) => self.flush(fields),
            _ => Err(ProtocolError::NotARequest),
        }
    }

    fn answer(&mut self, answer: MasterAnswer, _now: Instant, out: &mut Vec<u8>) -> Next<MasterQuestion> {
        match answer {
            MasterAnswer::User(Answer { ticket, answer }) => {
                if let Some((id, lookup)) = self.users.remove(&ticket) {
                    write_found(id, lookup, answer, out);
                }
            }
            MasterAnswer::List(Answer { ticket, answer: page }) => {
                if let Some(list) = self.lists.remove(&ticket) {
                    return self.write_page(list, page, out);
                }
            }
            MasterAnswer::Forget(Answer { ticket, answer: entries }) => {
                if let Some(id) = self.forgets.remove(&ticket) {
                    out.extend_from_slice(format!("OK\t{id}\t{entries}\n").as_bytes());
                }
            }
        }
        Next::Open
    }

    fn is_idle(&self) -> bool {
        self.users.is_empty() && self.lists.is_empty() && self.forgets.is_empty()
    }
}

fn write_found(id: u32, lookup: Lookup, answer: UserAnswer, out: &mut Vec<u8>) {
    match (answer, lookup) {
        (UserAnswer::Found(user, fields, _), Lookup::User) => {
            let start = out.len();
            write_user(id, user.as_str(), &fields, out);
            keep_within_limit(id, start, out);
        }
        (UserAnswer::Found(user, _, host), Lookup::Pass) => {
            out.extend_from_slice(format!("PASS\t{id}\tuser=").as_bytes());
            escape(user.as_str().as_bytes(), out);
            if let Some(host) = host {
                write_proxy(&host, out);
            }
            out.push(b'\n');
        }
        (UserAnswer::NotFound, _) => out.extend_from_slice(format!("NOTFOUND\t{id}\n").as_bytes()),
        (UserAnswer::CannotTell(code), _) => write_fail(id, code, out),
    }
}

fn write_user(id: u32, user: &str, fields: &UserFields, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("USER\t{id}\t").as_bytes());
    escape(user.as_bytes(), out);
    write_fields(fields, out);
    out.push(b'\n');
}

/// Adds a field to the line that was just written.
fn append_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.pop();
    out.extend_from_slice(format!("\t{name}=").as_bytes());
    escape(value.as_bytes(), out);
    out.push(b'\n');
}

fn write_fail(id: u32, reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("FAIL\t{id}\treason={reason}\n").as_bytes());
}

/// A longer line would make the mail process drop the connection with all that waits on it.
fn keep_within_limit(id: u32, start: usize, out: &mut Vec<u8>) {
    if out.len() - start > MAX_REPLY {
        out.truncate(start);
        write_fail(id, "userdb fields exceed 8 KiB", out);
    }
}

#[cfg(test)]
mod tests;
