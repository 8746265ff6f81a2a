//! What a realm says of itself to everybody, for `keydove check`: no token is needed.

use std::time::{Duration, SystemTime};

use reqwest::header::DATE;
use serde::Deserialize;

use super::config::escape;
use super::http::{fetch, read, send};
use super::{Address, Client, Error};
use crate::auth::Username;

const DISCOVERY: &str = "the realm's own description";
const BASE: &str = "the realm's page";
/// Where Keycloak lived before version 17, and lives with `http-relative-path=/auth`.
const OLD_BASE: &str = "/auth";

/// What a realm says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmLook {
    /// The name by which it signs tokens.
    pub issuer: String,
    /// How far its clock is from ours, to the second; `None` where it does not tell the time.
    pub clock_distance: Option<Duration>,
}

/// What is wrong where a realm is not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MisspeltBase {
    /// The realm is below this address.
    Other(String),
    /// The address is right, the realm's name is not.
    Realm,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

impl Client {
    /// Asks the realm who it is and what time it is. `now` is the wall clock.
    ///
    /// # Errors
    /// It does not answer as it should.
    pub async fn look_at_realm(&self, now: SystemTime) -> Result<RealmLook, Error> {
        let url = format!("{}/.well-known/openid-configuration", self.address().issuer(None));
        let answer = send(DISCOVERY, self.http().get(&url)).await?;
        let told = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        let told = told.and_then(|date| distance(date, now));
        let body = read(DISCOVERY, answer).await?;
        let discovery: Discovery = serde_json::from_slice(&body).map_err(|_| Error::BadAnswer {
            call: DISCOVERY,
            what: "something that is no description of a realm".to_owned(),
        })?;
        // A proxy may take the header away; a token says when it was made.
        let clock_distance = match told {
            Some(distance) => Some(distance),
            None => self.tokens.issued_at(&self.http).await?.map(|then| apart(then, now)),
        };
        Ok(RealmLook { issuer: discovery.issuer, clock_distance })
    }

    /// Finds out whether an address is wrong by `/auth`, or only the realm's name is.
    pub async fn find_base(&self) -> Option<MisspeltBase> {
        let Address { server_url, realm, .. } = self.address();
        let base = server_url.as_str();
        let other = match base.strip_suffix(OLD_BASE) {
            Some(without) => without.to_owned(),
            None => format!("{base}{OLD_BASE}"),
        };
        let has = async |base: &str, realm: &str| {
            fetch(BASE, self.http().get(format!("{base}/realms/{}", escape(realm)))).await.is_ok()
        };
        if has(&other, realm.as_str()).await {
            return Some(MisspeltBase::Other(other));
        }
        // Every Keycloak has this realm.
        has(base, "master").await.then_some(MisspeltBase::Realm)
    }

    /// Whether anybody has this value of the template attribute.
    ///
    /// # Errors
    /// Keycloak cannot tell.
    pub async fn has_template_value(&self, value: &str) -> Result<bool, Error> {
        let query = escape(&format!("{}:\"{value}\"", self.template_attribute()));
        Ok(!self.users(&format!("q={query}&max=1&briefRepresentation=true")).await?.is_empty())
    }

    /// Whether this is the Keycloak of an address's domain, unless a source of its own names that.
    #[must_use]
    pub fn serves(&self, user: &Username) -> bool {
        let domains = &self.config().domains;
        domains.is_empty() || domains.iter().any(|domain| domain.eq_ignore_ascii_case(user.domain()))
    }

    /// `password_attribute`
    #[must_use]
    pub fn password_attribute(&self) -> &str {
        &self.config().password_attribute
    }

    /// `mark_attribute`
    #[must_use]
    pub fn mark_attribute(&self) -> &str {
        &self.config().mark_attribute
    }

    /// `template_attribute`
    #[must_use]
    pub fn template_attribute(&self) -> &str {
        &self.config().template_attribute
    }
}

fn distance(date: &str, now: SystemTime) -> Option<Duration> {
    Some(apart(httpdate::parse_http_date(date).ok()?, now))
}

fn apart(theirs: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(theirs).unwrap_or_else(|error| error.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_in_either_direction() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 + 90);
        assert_eq!(distance("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(90)));
        let earlier = now - Duration::from_secs(100);
        assert_eq!(distance("Sun, 06 Nov 1994 08:49:37 GMT", earlier), Some(Duration::from_secs(10)));
        assert_eq!(distance("yesterday", now), None);
    }
}
