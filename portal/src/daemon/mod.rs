//! Questions to keydove: one connection for each, so that nothing is ever sent twice.
//!
//! What concerns a person takes a proof of who asks ([`SignedIn`], [`RecentlySignedIn`]); the daemon looks the session up
//! once more by itself.

mod admin;
mod errands;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keydove_words::portal::{
    Device, Limits, MAX_ANSWER, MAX_REQUEST, Made, MailSignIn, OwnAppPassword, RefusedSignIn, Rejection,
    Request, Response, Session, SessionKey, SessionRow, SignIn, WantedAppPassword,
};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::problem::Problem;
use crate::session::{RecentlySignedIn, SignedIn};

/// The version that both sides must have.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// keydove answers within the time of a login, or says that it could not find out.
const PATIENCE: Duration = Duration::from_secs(20);

/// keydove, as the portal sees it.
#[derive(Debug)]
pub struct Daemon {
    socket: PathBuf,
}

/// How a wish for an app password ended.
#[derive(Debug)]
pub enum Making {
    /// There it is.
    Made(Box<Made>),
    /// The wish cannot be fulfilled: which field, and why.
    Rejected(String, Rejection),
    /// The person must prove who they are once more.
    Stale,
}

/// App passwords, and what may be made.
pub type AppPasswords = (Vec<OwnAppPassword>, Limits);
/// Accepted and refused mail logins.
pub type SignIns = (Vec<MailSignIn>, Vec<RefusedSignIn>);

impl Daemon {
    /// The one behind this socket.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Whether it is there, and of the same version.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self) -> Result<(), Problem> {
        self.exchange(None).await.map(drop)
    }

    /// Begins a session; makes or updates the mailbox.
    ///
    /// # Errors
    /// The person is refused, or nobody knows.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<Session, Problem> {
        match self.ask(Request::SignIn(Box::new(sign_in))).await? {
            Response::Session(session) => Ok(*session),
            other => Err(unexpected(&other)),
        }
    }

    /// Whose session this is.
    ///
    /// # Errors
    /// [`Problem::NoSession`]; or nobody knows.
    pub async fn session(&self, session: SessionKey) -> Result<Session, Problem> {
        match self.ask(Request::Session { session }).await? {
            Response::Session(session) => Ok(*session),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends this session.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn end_session(&self, session: SessionKey) -> Result<u64, Problem> {
        self.ended(Request::EndSession { session }).await
    }

    /// Ends another session of the same person.
    ///
    /// # Errors
    /// There is none such, or nobody knows.
    pub async fn end_other(&self, who: &SignedIn, id: i64) -> Result<u64, Problem> {
        self.ended(Request::EndOther { session: who.key(), id }).await
    }

    /// Ends all sessions of the person.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn end_all(&self, who: &SignedIn) -> Result<u64, Problem> {
        self.ended(Request::EndAll { session: who.key() }).await
    }

    /// Keycloak says that somebody has signed out.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn back_channel(
        &self,
        issuer: &str,
        subject: Option<String>,
        sid: Option<String>,
    ) -> Result<u64, Problem> {
        self.ended(Request::BackChannel { issuer: issuer.to_owned(), subject, sid }).await
    }

    /// The person's sessions.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn sessions(&self, who: &SignedIn) -> Result<Vec<SessionRow>, Problem> {
        match self.ask(Request::Sessions { session: who.key() }).await? {
            Response::Sessions { sessions } => Ok(sessions),
            other => Err(unexpected(&other)),
        }
    }

    /// What a mail program needs.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn device(&self, who: &SignedIn) -> Result<Device, Problem> {
        match self.ask(Request::Device { session: who.key() }).await? {
            Response::Device(device) => Ok(*device),
            other => Err(unexpected(&other)),
        }
    }

    /// The person's app passwords.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn app_passwords(&self, who: &SignedIn) -> Result<AppPasswords, Problem> {
        match self.ask(Request::AppPasswords { session: who.key() }).await? {
            Response::AppPasswords { passwords, limits } => Ok((passwords, limits)),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes one.
    ///
    /// # Errors
    /// The daemon cannot be asked, or not now.
    pub async fn make_app_password(
        &self,
        who: &RecentlySignedIn,
        new: WantedAppPassword,
        remote: Option<IpAddr>,
    ) -> Result<Making, Problem> {
        let request = Request::MakeAppPassword { session: who.0.key(), new, remote };
        match self.ask(request).await? {
            Response::Made(made) => Ok(Making::Made(made)),
            Response::Rejected { field, why } => Ok(Making::Rejected(field, why)),
            Response::Stale => Ok(Making::Stale),
            other => Err(unexpected(&other)),
        }
    }

    /// Revokes one. Returns how many there were, and after how many seconds every node refuses them.
    ///
    /// # Errors
    /// There is none such, or the daemon cannot be asked.
    pub async fn revoke(
        &self,
        who: &SignedIn,
        id: i64,
        remote: Option<IpAddr>,
    ) -> Result<(u64, u64), Problem> {
        self.revoked(Request::RevokeAppPassword { session: who.key(), id, remote }).await
    }

    /// Revokes all of them.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn revoke_all(&self, who: &SignedIn, remote: Option<IpAddr>) -> Result<(u64, u64), Problem> {
        self.revoked(Request::RevokeAllAppPasswords { session: who.key(), remote }).await
    }

    /// The person's mail logins.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub async fn sign_ins(&self, who: &SignedIn) -> Result<SignIns, Problem> {
        match self.ask(Request::SignIns { session: who.key() }).await? {
            Response::SignIns { accepted, refused } => Ok((accepted, refused)),
            other => Err(unexpected(&other)),
        }
    }

    async fn ended(&self, request: Request) -> Result<u64, Problem> {
        match self.ask(request).await? {
            Response::Ended { sessions } => Ok(sessions),
            other => Err(unexpected(&other)),
        }
    }

    async fn revoked(&self, request: Request) -> Result<(u64, u64), Problem> {
        match self.ask(request).await? {
            Response::Revoked { passwords, holds_within } => Ok((passwords, holds_within)),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks, and turns what every request may be answered into a problem.
    async fn ask(&self, request: Request) -> Result<Response, Problem> {
        match self.exchange(Some(&request)).await? {
            Response::NoSession { why } => Err(Problem::NoSession(why)),
            Response::Refused { code } => Err(Problem::Refused(code)),
            Response::Unavailable { code } => Err(Problem::Unavailable(code)),
            Response::NotFound => Err(Problem::NoSuchRow),
            Response::Forbidden => Err(Problem::NotAdministrator),
            Response::Error { detail } => Err(Problem::OtherVersion(detail)),
            answer => Ok(answer),
        }
    }

    async fn exchange(&self, request: Option<&Request>) -> Result<Response, Problem> {
        let attempt = self.talk(request);
        match timeout(PATIENCE, attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(Problem::DaemonAway(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn talk(&self, request: Option<&Request>) -> Result<Response, Problem> {
        let away = |error: std::io::Error| Problem::DaemonAway(format!("{}: {error}", self.socket.display()));
        let mut stream = UnixStream::connect(&self.socket).await.map_err(away)?;
        let mut lines = Zeroizing::new(Vec::with_capacity(1024));
        write_line(&mut lines, &Request::Hello { version: VERSION.to_owned() })?;
        if let Some(request) = request {
            write_line(&mut lines, request)?;
        }
        stream.write_all(&lines).await.map_err(away)?;
        let mut reader = BufReader::new(stream).take(2 * MAX_ANSWER as u64);
        let hello = read_answer(&mut reader).await.map_err(away)??;
        match &hello {
            Response::Hello { version } if version == VERSION => {}
            Response::Hello { version } => {
                let detail = format!("keydove is of version {version}, the portal of version {VERSION}");
                return Err(Problem::OtherVersion(detail));
            }
            Response::Error { detail } => return Err(Problem::OtherVersion(detail.clone())),
            other => return Err(unexpected(other)),
        }
        match request {
            Some(_) => read_answer(&mut reader).await.map_err(away)?,
            None => Ok(hello),
        }
    }
}

fn write_line(lines: &mut Vec<u8>, request: &impl Serialize) -> Result<(), Problem> {
    let start = lines.len();
    serde_json::to_writer(&mut *lines, request).map_err(|error| Problem::OtherVersion(error.to_string()))?;
    lines.push(b'\n');
    if lines.len() - start > MAX_REQUEST { Err(Problem::TooLarge) } else { Ok(()) }
}

/// The outer fault is the connection's.
async fn read_answer<R>(reader: &mut R) -> std::io::Result<Result<Response, Problem>>
where
    R: tokio::io::AsyncBufRead + Unpin,
{
    let mut line = Zeroizing::new(Vec::with_capacity(1024));
    reader.read_until(b'\n', &mut line).await?;
    if !line.ends_with(b"\n") {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let odd = |_| Problem::OtherVersion("keydove's answer is none that the portal knows".to_owned());
    Ok(serde_json::from_slice(&line).map_err(odd))
}

/// Answers may hold secrets, so only their kind is told.
fn unexpected(answer: &Response) -> Problem {
    let shown = format!("{answer:?}");
    let kind = shown.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    Problem::OtherVersion(format!("keydove's answer is of another kind: {kind}"))
}
