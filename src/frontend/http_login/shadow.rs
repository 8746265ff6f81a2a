//! Shadow mode: mailcow decides as before, and keydove is compared with it.
//!
//! A request goes to mailcow as it came, and mailcow's answer goes back as it came. keydove decides the same login
//! beside that, for nobody: no line of a login, no note, no mailbox. What it would have said is compared later.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Config, differences};
use crate::auth::{AuthRequest, Username, Verdict};
use crate::observe::metrics::ShadowMetrics;
use crate::observe::{self, SentText};

/// For mailcow's answer. Its script waits 30 s, and is told in time that there is none.
const PATIENCE: Duration = Duration::from_secs(27);
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer of mailcow that is passed on. Its own are shorter than 20 bytes; an error of PHP may be a page.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// How often the administrator is told how many there were, if there were any.
const SUMMARY: Duration = Duration::from_secs(600);

/// Why there is no shadow mode.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// `shadow_ca_file` cannot be read.
    #[error("cannot read shadow_ca_file {path}: {source}")]
    CaFile {
        /// The file.
        path: std::path::PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// There is no certificate in it, or the TLS library does not start.
    #[error("cannot ask mailcow's own login (shadow_url, shadow_ca_file): {0}")]
    Library(String),
}

/// mailcow's own login.
#[derive(Debug)]
pub(super) struct Shadow {
    http: reqwest::Client,
    url: String,
    metrics: Arc<ShadowMetrics>,
}

/// What mailcow said.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    kind: Option<HeaderValue>,
    body: Bytes,
}

/// mailcow's verdict, as its script reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theirs {
    Accept,
    Refuse,
    /// No answer, another status, or no JSON. Its script refuses here.
    None,
}

impl Shadow {
    /// Makes ready; asks nobody yet. `None` without a `shadow_url`.
    pub(super) fn new(config: &Config, metrics: Arc<ShadowMetrics>) -> Result<Option<Self>, ShadowError> {
        let Some(url) = config.shadow_url.clone() else { return Ok(None) };
        // One provider for the whole process; a second installation of the same one is no fault.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .tls_danger_accept_invalid_certs(!config.shadow_tls_verify);
        if let Some(path) = &config.shadow_ca_file {
            let pem = std::fs::read(path)
                .map_err(|source| ShadowError::CaFile { path: path.to_owned(), source })?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| ShadowError::Library(error.to_string()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder.build().map_err(|error| ShadowError::Library(format!("{error:?}")))?;
        Ok(Some(Self { http, url, metrics }))
    }

    /// Asks mailcow. The error is what went wrong; it quotes nothing of the request.
    pub(super) async fn ask(&self, body: Bytes) -> Result<Answer, String> {
        let innermost = |error: reqwest::Error| {
            let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            chain.last().map_or_else(String::new, ToString::to_string)
        };
        let request = self.http.post(&self.url).header(CONTENT_TYPE, "application/json").body(body);
        let mut response = request.send().await.map_err(innermost)?;
        let (status, kind) = (response.status(), response.headers().get(CONTENT_TYPE).cloned());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(innermost)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(format!("an answer of more than {MAX_ANSWER_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, kind, body: body.into() })
    }

    /// Counts a login and tells of a difference, in one line.
    pub(super) fn compare(&self, request: &AuthRequest, theirs: Theirs, ours: &Verdict) {
        let (mailcow, keydove, reason) = (theirs.name(), ours.reason().verdict(), ours.reason().code());
        self.metrics.count(mailcow, keydove);
        if mailcow == keydove {
            return;
        }
        let detail = match ours {
            Verdict::CannotTell(trouble) => Some(trouble.detail.as_str()),
            Verdict::Accept(_) | Verdict::Refuse(_) => None,
        };
        let row = differences::find(mailcow, keydove, reason).map(|row| row.name);
        let normal = request.authcid.parse().ok();
        tracing::warn!(
            mailcow,
            keydove,
            reason,
            row,
            user = SentText::new(&request.authcid).as_str(),
            normal = normal.as_ref().map(Username::as_str),
            service = request.named_service().as_ref().unwrap_or(&request.service).name(),
            remote = observe::remote_field(request.origin.remote),
            detail,
            "mailcow and keydove differ about a login; mailcow's verdict was given"
        );
    }
}

/// Tells from time to time, and at the end, how many logins there were and how many differed.
pub async fn report(metrics: Arc<ShadowMetrics>, stop: CancellationToken) {
    let mut told = 0;
    let mut tick = interval(SUMMARY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let ends = tokio::select! {
            () = stop.cancelled() => true,
            _ = tick.tick() => false,
        };
        let (logins, differences) = metrics.totals();
        if logins != told {
            told = logins;
            tracing::info!(
                logins,
                differences,
                "shadow mode so far: {logins} logins, {differences} differences"
            );
        }
        if ends {
            return;
        }
    }
}

impl Answer {
    /// The verdict in it.
    pub(super) fn verdict(&self) -> Theirs {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            success: serde_json::Value,
        }
        match (self.status.as_u16(), serde_json::from_slice::<Body>(&self.body)) {
            (200 | 401, Ok(body)) if body.success == true => Theirs::Accept,
            (200 | 401, Ok(_)) => Theirs::Refuse,
            _ => Theirs::None,
        }
    }

    /// The same answer for whoever asked us.
    pub(super) fn pass_on(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        if let Some(kind) = self.kind {
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        response
    }
}

impl Theirs {
    /// As logs and metrics name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Refuse => "refuse",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_mailcows_script_reads_it() {
        for (status, body, verdict) in [
            (200, r#"{"success":true}"#, Theirs::Accept),
            (200, r#"{"success":true,"role":"user"}"#, Theirs::Accept),
            (401, r#"{"success":true}"#, Theirs::Accept),
            (401, r#"{"success":false}"#, Theirs::Refuse),
            (200, r#"{"success":false}"#, Theirs::Refuse),
            (200, r#"{"success":1}"#, Theirs::Refuse),
            (200, "{}", Theirs::Refuse),
            (200, "<html>Fatal error</html>", Theirs::None),
            (200, "", Theirs::None),
            (400, r#"{"success":false}"#, Theirs::None),
            (502, "<html>", Theirs::None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, kind: None, body: Bytes::from_static(body.as_bytes()) };
            assert_eq!(answer.verdict(), verdict, "{status} {body}");
        }
    }
}
