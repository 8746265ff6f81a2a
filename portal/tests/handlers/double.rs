//! A double of keydove's socket: a real Unix socket, and answers that a case chooses. The services' tests have the real
//! daemon; this stands for answers that it cannot be made to give on demand.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use keydove_words::portal::{
    Device, LastUse, Limits, Made, MailSignIn, OwnAppPassword, Request, Response, SentSecret, Session,
    SessionRow,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

use super::NOW;

pub(crate) use super::admin_double::answer_administrator;

pub(crate) const PASSWORD: &str = "kd17-a3x9kq-7hmw2p-zz4c8t-n5vbeg";

/// The double, and what it was asked.
#[derive(Clone)]
pub(crate) struct DaemonDouble {
    path: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

impl DaemonDouble {
    /// One that knows Alice, who has just proven who she is.
    pub(crate) fn of_alice() -> Self {
        Self::new(|request| answer(request, NOW))
    }

    /// One that gives other answers; each request but `hello` goes to it.
    pub(crate) fn new(answer: impl Fn(&Request) -> Response + Send + 'static) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("keydove-portal-{}-{number}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let request: Request = serde_json::from_str(&line).unwrap();
                    let response = match &request {
                        Request::Hello { version } => Response::Hello { version: version.clone() },
                        request => {
                            notes.lock().unwrap().push(line);
                            answer(request)
                        }
                    };
                    let mut line = serde_json::to_vec(&response).unwrap();
                    line.push(b'\n');
                    if writer.write_all(&line).await.is_err() {
                        break;
                    }
                }
            }
        });
        tasks.detach_all();
        Self { path, asked }
    }

    /// One that is not there.
    pub(crate) fn away() -> Self {
        Self { path: "/nonexistent/keydove".into(), asked: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How often something of this kind was asked.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let kind = format!("\"request\":\"{kind}\"");
        self.asked.lock().unwrap().iter().filter(|line| line.contains(&kind)).count()
    }

    /// All lines of this kind.
    pub(crate) fn all(&self, kind: &str) -> Vec<serde_json::Value> {
        let kind = format!("\"request\":\"{kind}\"");
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|line| line.contains(&kind))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The last line of this kind.
    pub(crate) fn last(&self, kind: &str) -> serde_json::Value {
        let kind = format!("\"request\":\"{kind}\"");
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .rfind(|line| line.contains(&kind))
            .map(|line| serde_json::from_str(line).unwrap())
            .unwrap_or_default()
    }
}

impl Drop for DaemonDouble {
    fn drop(&mut self) {
        if Arc::strong_count(&self.asked) <= 2 {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The name that somebody gave an app password.
pub(crate) const HOSTILE_NAME: &str = "<script>alert(1)</script>\"'&";

/// What keydove says of Alice, who proved at `auth_time` who she is.
pub(crate) fn answer(request: &Request, auth_time: u64) -> Response {
    match request {
        Request::Session { .. } => Response::Session(Box::new(alice(auth_time))),
        Request::Device { .. } => Response::Device(Box::new(Device {
            user: "alice@example.org".to_owned(),
            display_name: Some("Alice <b>".to_owned()),
            services: ["imap", "smtp", "sieve"].map(str::to_owned).to_vec(),
            main_password: false,
            oauth: true,
        })),
        Request::AppPasswords { .. } => Response::AppPasswords {
            passwords: vec![password(1, HOSTILE_NAME), password(2, "phone")],
            limits: Limits { default_days: Some(90), longest_days: Some(365), most: 20 },
        },
        Request::MakeAppPassword { .. } => Response::Made(Box::new(Made {
            id: 17,
            password: SentSecret::new(PASSWORD.to_owned()),
            expires: Some(NOW + 86_400),
        })),
        Request::RevokeAppPassword { id: 99, .. } => Response::NotFound,
        Request::RevokeAppPassword { .. } => Response::Revoked { passwords: 1, holds_within: 0 },
        Request::RevokeAllAppPasswords { .. } => Response::Revoked { passwords: 2, holds_within: 5 },
        Request::SignIns { .. } => Response::SignIns {
            accepted: vec![MailSignIn {
                at: NOW - 60,
                service: "imap".to_owned(),
                remote: "192.0.2.7".to_owned(),
                app_password: Some(1),
                app_password_name: Some(HOSTILE_NAME.to_owned()),
            }],
            refused: vec![keydove_words::portal::RefusedSignIn {
                at: NOW - 30,
                service: "smtp".to_owned(),
                remote: None,
                code: "app_password_expired".to_owned(),
            }],
        },
        Request::Sessions { .. } => {
            Response::Sessions { sessions: vec![session(1, true), session(2, false)] }
        }
        Request::EndSession { .. }
        | Request::EndOther { .. }
        | Request::EndAll { .. }
        | Request::BackChannel { .. } => Response::Ended { sessions: 1 },
        _ => Response::Error { detail: "not in this double".to_owned() },
    }
}

pub(crate) fn alice(auth_time: u64) -> Session {
    Session {
        user: "alice@example.org".to_owned(),
        issuer: "https://sso.example.org/realms/mail".to_owned(),
        subject: "id-1".to_owned(),
        auth_time,
        administrator: false,
        ends: NOW + 3600,
    }
}

pub(crate) fn password(id: i64, name: &str) -> OwnAppPassword {
    OwnAppPassword {
        id,
        name: name.to_owned(),
        services: vec!["imap".to_owned(), "smtp".to_owned()],
        networks: vec!["192.0.2.0/24".to_owned()],
        created: NOW - 86_400,
        created_from: Some("192.0.2.9".to_owned()),
        expires: None,
        last: Some(LastUse { at: NOW - 60, remote: "192.0.2.7".to_owned(), service: "imap".to_owned() }),
    }
}

pub(crate) fn session(id: i64, current: bool) -> SessionRow {
    SessionRow {
        id,
        current,
        created: NOW - 3600,
        used: NOW,
        remote: Some("192.0.2.7".to_owned()),
        browser: "Firefox, Linux".to_owned(),
    }
}
