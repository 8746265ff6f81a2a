//! An administrator's sign-in, for `keydove setup`: a few calls that read and change one realm.
//!
//! The password lives as long as this does and is written nowhere. The daemon has no part in it: what it asks stands in
//! [`Client`](super::Client).

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex;
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use super::client::build_http;
use super::config::escape;
use super::http::{fetch, of_client, parse, read, send};
use super::{Config, Error, RealmName, ServerUrl, SetupError};
use crate::auth::Secret;

const SIGN_IN: &str = "the administrator's sign-in";
const DESCRIPTION: &str = "the realm's own description";
/// The client that every realm has for programs like `kcadm.sh`.
const CLIENT: &str = "admin-cli";
/// Tokens of the realm `master` live for a minute.
const TOKEN_LIFE: Duration = Duration::from_secs(30);

/// Who signs in, and where.
#[derive(Debug)]
pub struct AdminSignIn {
    /// The realm of the administrator, mostly `master`.
    pub realm: RealmName,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// One realm, as an administrator reads and changes it.
#[derive(Debug)]
pub struct Admin {
    http: reqwest::Client,
    server: ServerUrl,
    realm: RealmName,
    sign_in: AdminSignIn,
    token: Mutex<Option<(Instant, Secret)>>,
}

impl Admin {
    /// Sets the connection up; nobody is called yet. Of `config` only what is about the connection counts.
    ///
    /// # Errors
    /// `ca_file` cannot be used.
    pub fn new(
        server: ServerUrl,
        realm: RealmName,
        sign_in: AdminSignIn,
        config: &Config,
    ) -> Result<Self, SetupError> {
        Ok(Self { http: build_http(config)?, server, realm, sign_in, token: Mutex::default() })
    }

    /// Reads what is there; `None` where nothing is (404). `part` is below the realm's own address, with its query, and
    /// encoded; the empty one is the realm itself.
    ///
    /// # Errors
    /// Keycloak does not answer, or the administrator may not see it.
    pub async fn get(&self, call: &'static str, part: &str) -> Result<Option<Value>, Error> {
        match self.ask(call, Method::GET, part, None).await {
            Ok(body) => parse(call, &body).map(Some),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends something: `POST` makes, `PUT` replaces, `DELETE` removes.
    ///
    /// # Errors
    /// As [`get`](Self::get); what was not accepted, too.
    pub async fn send(
        &self,
        call: &'static str,
        method: Method,
        part: &str,
        body: Option<&Value>,
    ) -> Result<(), Error> {
        self.ask(call, method, part, body).await.map(drop)
    }

    /// The name by which the realm signs tokens, which everybody may read; `None` where there is no such realm.
    ///
    /// # Errors
    /// Keycloak does not answer as it should.
    pub async fn issuer(&self) -> Result<Option<String>, Error> {
        let realm = escape(self.realm.as_str());
        let url = format!("{}/realms/{realm}/.well-known/openid-configuration", self.server.as_str());
        match fetch(DESCRIPTION, self.http.get(url)).await {
            Ok(body) => {
                let description: Value = parse(DESCRIPTION, &body)?;
                Ok(description["issuer"].as_str().map(str::to_owned))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keycloak's address.
    #[must_use]
    pub fn server(&self) -> &str {
        self.server.as_str()
    }

    /// The realm that is read and changed.
    #[must_use]
    pub fn realm(&self) -> &RealmName {
        &self.realm
    }

    async fn ask(
        &self,
        call: &'static str,
        method: Method,
        part: &str,
        body: Option<&Value>,
    ) -> Result<super::http::Body, Error> {
        let token = self.token().await?;
        let bearer = std::str::from_utf8(token.expose()).unwrap_or_default();
        let (server, realm) = (self.server.as_str(), escape(self.realm.as_str()));
        let slash = if part.is_empty() || part.starts_with('?') { "" } else { "/" };
        let url = format!("{server}/admin/realms/{realm}{slash}{part}");
        let mut request = self.http.request(method, url).bearer_auth(bearer);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = send(call, request).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(super::http::Body::default()),
            _ => read(call, answer).await,
        }
    }

    async fn token(&self) -> Result<Secret, Error> {
        let mut kept = self.token.lock().await;
        if let Some((since, token)) = &*kept
            && since.elapsed() < TOKEN_LIFE
        {
            return Ok(token.duplicate());
        }
        let password = std::str::from_utf8(self.sign_in.password.expose()).unwrap_or_default();
        let form = [
            ("grant_type", "password"),
            ("client_id", CLIENT),
            ("username", &self.sign_in.user),
            ("password", password),
        ];
        let (server, realm) = (self.server.as_str(), escape(self.sign_in.realm.as_str()));
        let url = format!("{server}/realms/{realm}/protocol/openid-connect/token");
        let body = fetch(SIGN_IN, self.http.post(url).form(&form)).await.map_err(of_client)?;
        let answer: Value = parse(SIGN_IN, &body)?;
        let Some(token) = answer["access_token"].as_str().filter(|token| !token.is_empty()) else {
            return Err(Error::BadAnswer { call: SIGN_IN, what: "something that is no token".to_owned() });
        };
        let token = Secret::from(token);
        *kept = Some((Instant::now(), token.duplicate()));
        Ok(token)
    }
}

/// Encodes a name for a path or a query.
#[must_use]
pub fn encode(name: &str) -> String {
    escape(name)
}
