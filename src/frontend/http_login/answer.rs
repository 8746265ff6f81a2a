//! One request: read it, have it decided, say it in mailcow's words.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{ALLOW, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::shadow::{Shadow, Theirs};
use super::{CannotTell, Client, HttpLogin, request};
use crate::auth::{AuthRequest, Told, Verdict};
use crate::login::service::DecidedLogin;

/// Largest body. The longest name and password that are looked at fit many times over.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// For the whole of a body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The name of keydove in mailcow's network, where the script in `mailcow/` asks.
const OWN_HOST: &str = "keydove";

type Reply = Response<Full<Bytes>>;

/// There is no answer: the connection is closed, so that whoever asked knows that nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody can tell, and that is said by closing the connection")]
pub(super) struct Unanswered;

/// Answers a request; `cut` is when there is no time left for a true answer.
pub(super) async fn answer<B>(
    (login, client): (&Arc<HttpLogin>, Client),
    request: Request<B>,
    cut: &CancellationToken,
) -> Result<Reply, Unanswered>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    let how = login.cannot_tell.unwrap_or_else(|| understood_by(request.headers()));
    match read_and_answer(login, client, request, cut).await {
        Ok(reply) => Ok(reply),
        Err(CannotTellNow) => match how {
            CannotTell::Null => Ok(with_body(StatusCode::UNAUTHORIZED, b"null")),
            CannotTell::Status => Ok(verdict(StatusCode::SERVICE_UNAVAILABLE)),
            CannotTell::Close => Err(Unanswered),
        },
    }
    .map(|reply| if cut.is_cancelled() { with_close(reply) } else { reply })
}

/// The answer is "cannot tell", however that is said.
struct CannotTellNow;

/// The script in `mailcow/` looks at the status, mailcow's own at the body too.
fn understood_by(headers: &HeaderMap) -> CannotTell {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.split(':').next() {
        Some(OWN_HOST) => CannotTell::Status,
        _ => CannotTell::Null,
    }
}

async fn read_and_answer<B>(
    login: &Arc<HttpLogin>,
    client: Client,
    request: Request<B>,
    cut: &CancellationToken,
) -> Result<Reply, CannotTellNow>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    if !may_ask(login, client, request.headers()) {
        tracing::warn!("a login over HTTP came without the token of [http_login], or with another one");
        return Ok(with_close(verdict(StatusCode::FORBIDDEN)));
    }
    if request.method() != Method::POST {
        let mut reply = verdict(StatusCode::METHOD_NOT_ALLOWED);
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Ok(reply);
    }
    let body = match read_body(request).await {
        Ok(body) => body,
        Err(status) => return Ok(with_close(verdict(status))),
    };
    let reply = async {
        match &login.shadow {
            Some(shadow) => pass_on(login, shadow, body).await,
            None => decide(login, &body).await,
        }
    };
    tokio::select! {
        biased;
        () = cut.cancelled() => Err(CannotTellNow),
        reply = reply => reply,
    }
}

/// Whether they have shown the token, where one is wanted.
fn may_ask(login: &HttpLogin, client: Client, headers: &HeaderMap) -> bool {
    match (&login.token, client) {
        (Some(token), Client::AtThePort) => {
            let shown = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
            shown.is_some_and(|(scheme, shown)| {
                scheme.eq_ignore_ascii_case(b"bearer ") && token.matches(shown.trim_ascii())
            })
        }
        _ => true,
    }
}

async fn read_body<B>(request: Request<B>) -> Result<Bytes, StatusCode>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    let body = Box::pin(Limited::new(request.into_body(), MAX_BODY_BYTES).collect());
    match timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// Decides a login in a task of its own, so that it comes to its end, and into the log, when the peer hangs up.
async fn decide(login: &Arc<HttpLogin>, body: &[u8]) -> Result<Reply, CannotTellNow> {
    let request = match request::read(body) {
        Ok(request) => request,
        Err(error) => {
            tracing::warn!(%error);
            return Ok(verdict(StatusCode::BAD_REQUEST));
        }
    };
    let (sender, receiver) = oneshot::channel();
    let own = Arc::clone(login);
    (login.spawner)(Box::pin(async move {
        let login = Box::pin(DecidedLogin::decide(&own.service, request)).await;
        let (status, not_before) = (status_of(login.verdict()), login.not_before(&own.service));
        if !is_second(&own, login.request(), login.verdict(), "", login.ended()) {
            drop(login.conclude(&own.service, &own.listener));
        }
        if let Some(not_before) = not_before {
            sleep_until(not_before.into()).await;
        }
        // Whoever has hung up is not told.
        let _ = sender.send(status);
    }));
    receiver.await.ok().flatten().map(verdict).ok_or(CannotTellNow)
}

/// Whoever is accepted is asked about once.
fn is_second(
    login: &HttpLogin,
    request: &AuthRequest,
    verdict: &Verdict,
    theirs: &str,
    now: std::time::Instant,
) -> bool {
    let reason = verdict.reason().code();
    let accepted = matches!(verdict, Verdict::Accept(_)) && theirs != "refuse" && theirs != "none";
    !accepted && login.repeats.is_second(request, &format!("{reason} {theirs}"), now)
}

/// Has mailcow decide. keydove decides beside it, in a task that nobody waits for.
async fn pass_on(login: &Arc<HttpLogin>, shadow: &Arc<Shadow>, body: Bytes) -> Result<Reply, CannotTellNow> {
    let told = compare_later(login, shadow, &body);
    match shadow.ask(body).await {
        Ok(answer) => {
            // Without a request that keydove can read, nobody waits for it.
            let _ = told.send(answer.verdict());
            Ok(answer.pass_on())
        }
        Err(trouble) => {
            tracing::warn!(
                trouble,
                "mailcow's own login does not answer; the login was answered \"cannot tell\""
            );
            let _ = told.send(Theirs::None);
            Err(CannotTellNow)
        }
    }
}

/// Starts the comparison. It waits for both verdicts, and for nobody if mailcow was not asked to the end.
fn compare_later(login: &Arc<HttpLogin>, shadow: &Arc<Shadow>, body: &[u8]) -> oneshot::Sender<Theirs> {
    let (sender, receiver) = oneshot::channel();
    let Ok(mut request) = request::read(body) else {
        tracing::debug!("a request that keydove cannot read was left to mailcow");
        return sender;
    };
    let (login, shadow) = (Arc::clone(login), Arc::clone(shadow));
    (Arc::clone(&login).spawner)(Box::pin(async move {
        let ours = Box::pin(login.service.shadow(&mut request)).await;
        let Ok(theirs) = receiver.await else { return };
        let now = tokio::time::Instant::now().into_std();
        if !is_second(&login, &request, &ours, theirs.name(), now) {
            shadow.compare(&request, theirs, &ours);
        }
    }));
    sender
}

/// `None` is "cannot tell".
fn status_of(verdict: &Verdict) -> Option<StatusCode> {
    match verdict.told() {
        Told::Yes(_) => Some(StatusCode::OK),
        Told::No => Some(StatusCode::UNAUTHORIZED),
        Told::Later => None,
    }
}

/// mailcow's two bodies. Nothing of the reason is in them.
fn verdict(status: StatusCode) -> Reply {
    with_body(status, if status == StatusCode::OK { br#"{"success":true}"# } else { br#"{"success":false}"# })
}

fn with_body(status: StatusCode, body: &'static [u8]) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// For requests that were not read to their end.
fn with_close(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}
