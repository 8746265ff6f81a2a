//! One request: read it, have it decided, say it in mailcow's words.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::shadow::{Shadow, Theirs, name};
use super::{Door, request};
use crate::auth::{AuthRequest, Told, Verdict};
use crate::frontend::connection::{DecidedLogin, rehearse};

/// Largest body. The longest name and password that are looked at fit many times over.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// For the whole of a body.
const BODY_TIME: Duration = Duration::from_secs(10);

type Reply = Response<Full<Bytes>>;

/// Answers a request; `cut` is when there is no time left for a true answer.
pub(super) async fn answer<B>(door: &Arc<Door>, request: Request<B>, cut: &CancellationToken) -> Reply
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    if request.method() != Method::POST {
        let mut reply = verdict(StatusCode::METHOD_NOT_ALLOWED);
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return reply;
    }
    let body = match read_body(request).await {
        Ok(body) => body,
        Err(status) => return with_close(verdict(status)),
    };
    let reply = async {
        match &door.shadow {
            Some(shadow) => pass_on(door, shadow, body).await,
            None => decide(door, &body).await,
        }
    };
    tokio::select! {
        biased;
        () = cut.cancelled() => with_close(verdict(StatusCode::SERVICE_UNAVAILABLE)),
        reply = reply => reply,
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
async fn decide(door: &Arc<Door>, body: &[u8]) -> Reply {
    let request = match request::read(body) {
        Ok(request) => request,
        Err(error) => {
            tracing::warn!(%error);
            return verdict(StatusCode::BAD_REQUEST);
        }
    };
    let (sender, receiver) = oneshot::channel();
    let own = Arc::clone(door);
    (door.spawner)(Box::pin(async move {
        let login = Box::pin(DecidedLogin::decide(&own.context, request)).await;
        let (status, not_before) = (status_of(login.verdict()), login.not_before(&own.context));
        if !is_second(&own, login.request(), login.verdict(), "", login.ended()) {
            drop(login.conclude(&own.context));
        }
        if let Some(not_before) = not_before {
            sleep_until(not_before.into()).await;
        }
        // Whoever has hung up is not told.
        let _ = sender.send(status);
    }));
    verdict(receiver.await.unwrap_or(StatusCode::SERVICE_UNAVAILABLE))
}

/// Whoever is accepted is asked about once.
fn is_second(
    door: &Door,
    request: &AuthRequest,
    verdict: &Verdict,
    theirs: &str,
    now: std::time::Instant,
) -> bool {
    let (_, reason) = name(verdict);
    let accepted = matches!(verdict, Verdict::Accept(_)) && theirs != "refuse" && theirs != "none";
    !accepted && door.repeats.is_second(request, &format!("{reason} {theirs}"), now)
}

/// Has mailcow decide. keydove decides beside it, in a task that nobody waits for.
async fn pass_on(door: &Arc<Door>, shadow: &Arc<Shadow>, body: Bytes) -> Reply {
    let told = compare_later(door, shadow, &body);
    match shadow.ask(body).await {
        Ok(answer) => {
            // Without a request that keydove can read, nobody waits for it.
            let _ = told.send(answer.verdict());
            answer.pass_on()
        }
        Err(trouble) => {
            tracing::warn!(trouble, "mailcow's own login does not answer; the login was answered 503");
            let _ = told.send(Theirs::None);
            verdict(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// Starts the comparison. It waits for both verdicts, and for nobody if mailcow was not asked to the end.
fn compare_later(door: &Arc<Door>, shadow: &Arc<Shadow>, body: &[u8]) -> oneshot::Sender<Theirs> {
    let (sender, receiver) = oneshot::channel();
    let Ok(request) = request::read(body) else {
        tracing::debug!("a request that keydove cannot read was left to mailcow");
        return sender;
    };
    let (door, shadow) = (Arc::clone(door), Arc::clone(shadow));
    (Arc::clone(&door).spawner)(Box::pin(async move {
        let ours = Box::pin(rehearse(&door.context, &request)).await;
        let Ok(theirs) = receiver.await else { return };
        let now = tokio::time::Instant::now().into_std();
        if !is_second(&door, &request, &ours, theirs.name(), now) {
            shadow.compare(&request, theirs, &ours);
        }
    }));
    sender
}

fn status_of(verdict: &Verdict) -> StatusCode {
    match verdict.told() {
        Told::Yes(_) => StatusCode::OK,
        Told::No => StatusCode::UNAUTHORIZED,
        Told::Later => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// mailcow's two bodies. Nothing of the reason is in them.
fn verdict(status: StatusCode) -> Reply {
    let body: &[u8] = match status {
        StatusCode::OK => br#"{"success":true}"#,
        _ => br#"{"success":false}"#,
    };
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
