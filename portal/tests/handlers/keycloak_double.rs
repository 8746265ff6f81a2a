//! A double of Keycloak's token endpoint: it signs whatever a case wants to see refused. The services' tests have the real
//! one, which does not issue forged or outdated tokens on demand.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::NOW;

pub(crate) const ISSUER: &str = "https://sso.example.org/realms/mail";

/// The double: it answers with the token that a case has put there, whatever the code.
pub(crate) struct KeycloakDouble {
    pub(crate) url: String,
    key: Arc<Ed25519KeyPair>,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Without it the server would take it that it is to stop.
    _order: tokio::sync::watch::Sender<bool>,
}

#[derive(Clone)]
struct Shared {
    jwks: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl KeycloakDouble {
    pub(crate) async fn start() -> Self {
        let key = Arc::new(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());
        let x = BASE64_URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
        let jwks = json!({"keys": [{"kid": "k", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x}]});
        let (answer, asked) = (Arc::new(Mutex::new((500, String::new()))), Arc::new(Mutex::new(Vec::new())));
        let shared =
            Shared { jwks: jwks.to_string(), answer: Arc::clone(&answer), asked: Arc::clone(&asked) };
        let base = "/realms/mail/protocol/openid-connect";
        let routes = Router::new()
            .route(&format!("{base}/certs"), get(|State(shared): State<Shared>| async move { shared.jwks }))
            .route(&format!("{base}/token"), post(token))
            .with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/realms/mail", listener.local_addr().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        let (order, stop) = tokio::sync::watch::channel(false);
        tasks.spawn(async move {
            keydove_portal::serve::run(vec![keydove_portal::serve::Socket::Port(listener)], routes, 16, stop)
                .await;
        });
        tasks.detach_all();
        Self { url, key, answer, asked, _order: order }
    }

    /// The next answer of the token endpoint holds this ID token.
    pub(crate) fn issue(&self, claims: &Value) {
        *self.answer.lock().unwrap() = (200, json!({"id_token": self.sign(claims)}).to_string());
    }

    /// The next answer is this.
    pub(crate) fn say(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let encode = |text: &Value| BASE64_URL_SAFE_NO_PAD.encode(text.to_string());
        let signed = format!("{}.{}", encode(&json!({"alg": "EdDSA", "kid": "k"})), encode(claims));
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).as_ref()))
    }

    /// The last form that the token endpoint got.
    pub(crate) fn last_form(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

async fn token(State(shared): State<Shared>, form: String) -> (axum::http::StatusCode, String) {
    shared.asked.lock().unwrap().push(form);
    let (status, body) = shared.answer.lock().unwrap().clone();
    (axum::http::StatusCode::from_u16(status).unwrap(), body)
}

/// The claims of a good ID token.
pub(crate) fn claims(nonce: &str) -> Value {
    json!({
        "iss": ISSUER, "typ": "ID", "aud": "keydove-portal", "azp": "keydove-portal", "exp": NOW + 300, "iat": NOW,
        "auth_time": NOW - 5, "sub": "id-1", "sid": "s-1", "nonce": nonce, "email": "alice@example.org", "acr": "1",
    })
}
