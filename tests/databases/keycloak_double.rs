//! A double of Keycloak for worlds by the thousand, of which a real one would take an hour: a few people, looked up as
//! the Admin REST API looks them up. Whatever Keycloak really says is tested against a real one, in `tests/services`.

#![expect(clippy::disallowed_methods, reason = "tests start tasks")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running double.
#[derive(Clone)]
pub struct KeycloakDouble {
    address: SocketAddr,
    people: Arc<Mutex<Vec<Value>>>,
    /// Every question about people is answered 500.
    down: bool,
}

impl KeycloakDouble {
    pub async fn start(down: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Self { address: listener.local_addr().unwrap(), people: Arc::default(), down };
        let served = double.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(stream));
            }
        });
        double
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on these are there, in Keycloak's own words.
    pub fn set_people(&self, people: Vec<Value>) {
        *self.people.lock().unwrap() = people;
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
                _ => return,
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() < length.map_or(0, |length| length.trim().parse().unwrap()) {
                continue;
            }
            bytes.clear();
            let (status, body) = self.answer(head.lines().next().unwrap_or_default());
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all((head + &body).as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &str) -> (u16, Value) {
        let target = request.split(' ').nth(1).unwrap_or_default();
        if request.starts_with("POST ") {
            return (200, json!({ "access_token": "t", "expires_in": 3600, "token_type": "Bearer" }));
        }
        if self.down {
            return (500, json!({ "error": "unknown_error" }));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let part = path.split_once("/users").map_or("", |(_, part)| part.trim_start_matches('/'));
        let people = self.people.lock().unwrap();
        match part.split_once('/') {
            None if part.is_empty() => (200, search(&people, query)),
            None => people
                .iter()
                .find(|person| person["id"] == part)
                .map_or((404, json!({ "error": "User not found" })), |person| (200, person.clone())),
            Some(_) => (200, json!([])),
        }
    }
}

fn search(people: &[Value], query: &str) -> Value {
    let value = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.replace("%40", "@"))
    };
    let Some(email) = value("email") else { return json!([{ "id": "anybody", "enabled": true }]) };
    let is_meant = |person: &&Value| {
        person["email"] == email.as_str()
            && value("enabled").is_none_or(|enabled| person["enabled"] == (enabled == "true"))
    };
    people.iter().filter(is_meant).cloned().collect()
}
