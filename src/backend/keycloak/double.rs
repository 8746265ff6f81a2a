//! A scripted double of Keycloak on loopback, for faults that a real one does not show on demand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Client, Config};
use crate::auth::Secret;

/// A double of Keycloak: answers the token endpoint with numbered tokens, and the rest from a script or by a rule.
/// The last answer of a script repeats.
pub(super) struct Double {
    pub(super) address: SocketAddr,
    pub(super) tokens: Arc<AtomicUsize>,
    searches: Arc<Mutex<Vec<String>>>,
}

/// The time limit of a patient client.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One scripted answer.
#[derive(Clone)]
pub(super) enum Play {
    /// Status and body, complete.
    Answer(u16, String),
    /// Announces more than it sends, then closes.
    CutOff(String),
    /// Never answers.
    Hang,
    /// Never answers, and moves the paused clock beyond the limit of a patient client.
    TimesOut,
    /// Closes without a word.
    Close,
}

impl Double {
    pub(super) async fn start(token_answer: &str, script: Vec<Play>) -> Self {
        Self::start_with_sight(token_answer, script, false).await
    }

    pub(super) async fn start_with_sight(token_answer: &str, script: Vec<Play>, blind: bool) -> Self {
        Self::start_by_rule(token_answer, move |request, searches| {
            if request.contains("/users?max=1&") && !blind {
                Play::Answer(200, format!("[{}]", person("0", "anybody@example.org")))
            } else if request.contains("/components?") {
                // As for a service account without `view-realm`.
                Play::Answer(403, r#"{"error":"HTTP 403 Forbidden"}"#.to_owned())
            } else {
                searches.push(request.to_owned());
                script[(searches.len() - 1).min(script.len() - 1)].clone()
            }
        })
        .await
    }

    /// Answers whatever is asked with a token by this rule, which may take down what it was asked.
    pub(super) async fn start_by_rule(
        token_answer: &str,
        rule: impl Fn(&str, &mut Vec<String>) -> Play + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Self {
            address: listener.local_addr().unwrap(),
            tokens: Arc::default(),
            searches: Arc::default(),
        };
        let (tokens, searches) = (Arc::clone(&double.tokens), Arc::clone(&double.searches));
        let (token_answer, rule): (_, Arc<Rule>) = (token_answer.to_owned(), Arc::new(rule));
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let part = Part {
                    stream,
                    tokens: Arc::clone(&tokens),
                    searches: Arc::clone(&searches),
                    token_answer: token_answer.clone(),
                    rule: Arc::clone(&rule),
                };
                spawn(part.play());
            }
        };
        spawn(serve);
        double
    }

    /// A client with a time limit that no moved clock reaches.
    pub(super) fn patient_client(&self) -> Client {
        let seconds = PATIENCE.as_secs();
        let limits = format!("request_timeout = \"{seconds}s\"\nconnect_timeout = \"{seconds}s\"");
        client_with(&format!("http://{}", self.address), &limits)
    }

    pub(super) fn client(&self) -> Client {
        client(&format!("http://{}", self.address))
    }

    pub(super) fn searches(&self) -> Vec<String> {
        self.searches.lock().unwrap().clone()
    }
}

/// While one exists, a paused clock stands still: tokio moves such a clock on whenever no task has anything to do, and
/// on a busy machine that is also true while an answer is on its way through the kernel.
#[derive(Debug)]
pub(super) struct Still(#[expect(dead_code, reason = "its end is what counts")] std::sync::mpsc::Sender<()>);

impl Still {
    pub(super) fn new() -> Self {
        let (held, end) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || end.recv());
        Self(held)
    }
}

/// What is answered to a request, and what of it is taken down.
type Rule = dyn Fn(&str, &mut Vec<String>) -> Play + Send + Sync;

/// One connection of the double.
struct Part {
    stream: TcpStream,
    tokens: Arc<AtomicUsize>,
    searches: Arc<Mutex<Vec<String>>>,
    token_answer: String,
    rule: Arc<Rule>,
}

impl Part {
    async fn play(mut self) {
        while let Some(request) = self.read_request().await {
            let play = if request.starts_with("POST ") {
                let number = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
                Play::Answer(200, self.token_answer.replace('#', &number.to_string()))
            } else {
                (self.rule)(&request, &mut self.searches.lock().unwrap())
            };
            let (text, then_close) = match play {
                Play::Answer(status, body) => (http(status, body.len(), &body), false),
                Play::CutOff(body) => (http(200, body.len() + 100, &body), true),
                Play::TimesOut => {
                    tokio::time::advance(PATIENCE * 2).await;
                    return std::future::pending().await;
                }
                Play::Hang => return tokio::time::sleep(Duration::from_secs(60)).await,
                Play::Close => return,
            };
            if self.stream.write_all(text.as_bytes()).await.is_err() || then_close {
                return;
            }
        }
    }

    /// Head and body as one text.
    async fn read_request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let lower = head.to_ascii_lowercase();
                let length =
                    lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    return Some(text);
                }
            }
            if self.stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
    }
}

fn http(status: u16, length: usize, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[expect(clippy::disallowed_methods, reason = "a test runs no daemon whose tasks must be ended")]
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

pub(super) fn client(server_url: &str) -> Client {
    client_with(server_url, "request_timeout = \"20s\"\nconnect_timeout = \"20s\"")
}

pub(super) fn client_with(server_url: &str, more: &str) -> Client {
    let text = format!("server_url = {server_url:?}\nrealm = \"mail\"\nclient_id = \"mailcow\"\n{more}");
    let config: Config = toml::from_str(&text).unwrap();
    Client::new(config.address().unwrap(), &config, Secret::from("s3cret")).unwrap()
}

pub(super) const TOKEN: &str = r#"{"access_token":"token-#","expires_in":300}"#;

/// The clock is moved between calls only: their own time limits run on real time.
pub(super) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Somebody as Keycloak shows them.
pub(super) fn person(id: &str, email: &str) -> String {
    format!(
        r#"{{"id":"{id}","email":"{email}","enabled":true,"attributes":{{"mailcow_password":["{{SSHA}}x"]}}}}"#
    )
}
