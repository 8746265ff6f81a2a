//! ID tokens and logout tokens of `OpenID` Connect: who has signed in, and who has signed out. Pure.
//!
//! As with access tokens, what is read here is worth nothing before the signature is verified.

use serde_json::{Map, Value};

use super::Token;

/// The event that a logout token tells of (`OpenID` Connect Back-Channel Logout 1.0, 2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The longest time for which a logout token is taken.
const LOGOUT_LIFE: u64 = 600;

/// What is demanded of a token that is meant for one client.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// Who must have issued it.
    pub issuer: &'a str,
    /// The client's id.
    pub client: &'a str,
    /// When, in seconds since 1970.
    pub now: u64,
    /// How far the clocks may disagree, in seconds.
    pub leeway: u64,
}

/// Who has signed in, as an ID token tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken {
    /// Keycloak's id of the person, which never changes.
    pub subject: String,
    /// Their address, where there is one.
    pub email: Option<String>,
    /// Whether they have shown that it is theirs.
    pub email_verified: Option<bool>,
    /// When they proved who they are, in seconds since 1970.
    pub auth_time: u64,
    /// How they did it.
    pub acr: Option<String>,
    /// Keycloak's session.
    pub session: Option<String>,
    /// The client's own roles that they have.
    pub roles: Vec<String>,
}

/// Who has signed out, as a logout token tells it: a person, a session, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    /// Keycloak's id of the person.
    pub subject: Option<String>,
    /// Keycloak's session.
    pub session: Option<String>,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// Another kind of token.
    #[error("it is another kind of token")]
    Kind,
    /// `iss`
    #[error("another server has issued it")]
    Issuer,
    /// `aud`
    #[error("it is for another client")]
    Audience,
    /// `azp`
    #[error("it was issued to another client")]
    AuthorizedParty,
    /// `exp`, `iat`
    #[error("it is too old, or of the future: do both machines keep time?")]
    Time,
    /// `nonce`
    #[error("it belongs to another sign-in")]
    Nonce,
    /// A claim that must be there is not.
    #[error("it has no `{0}`")]
    Missing(&'static str),
}

impl IdToken {
    /// Reads an ID token.
    ///
    /// # Errors
    /// It is none, or not for this client and this sign-in.
    pub fn read(token: &Token<'_>, to: Recipient<'_>, nonce: &str) -> Result<Self, IdentityFault> {
        let claims = Payload(&token.payload);
        // Keycloak says so; an access token or a logout token is no ID token.
        if claims.text("typ").is_some_and(|kind| kind != "ID") || claims.0.contains_key("events") {
            return Err(IdentityFault::Kind);
        }
        claims.check_recipient(to)?;
        if claims.text("nonce") != Some(nonce) || nonce.is_empty() {
            return Err(IdentityFault::Nonce);
        }
        let subject = claims.text("sub").filter(|subject| !subject.is_empty());
        let auth_time = claims.number("auth_time").ok_or(IdentityFault::Missing("auth_time"))?;
        if auth_time > to.now + to.leeway {
            return Err(IdentityFault::Time);
        }
        Ok(Self {
            subject: subject.ok_or(IdentityFault::Missing("sub"))?.to_owned(),
            email: claims.text("email").map(str::to_owned),
            email_verified: claims.0.get("email_verified").and_then(Value::as_bool),
            auth_time,
            acr: claims.text("acr").map(str::to_owned),
            session: claims.text("sid").map(str::to_owned),
            roles: claims.roles_of(to.client),
        })
    }
}

impl Logout {
    /// Reads a logout token.
    ///
    /// # Errors
    /// It is none, or not for this client.
    pub fn read(token: &Token<'_>, to: Recipient<'_>) -> Result<Self, IdentityFault> {
        let claims = Payload(&token.payload);
        let is_logout = claims.0.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some();
        // An ID token has a nonce, a logout token must not have one.
        if !is_logout || claims.0.contains_key("nonce") {
            return Err(IdentityFault::Kind);
        }
        claims.check_issuer_and_audience(to)?;
        let issued = claims.number("iat").ok_or(IdentityFault::Missing("iat"))?;
        let is_over = claims.number("exp").is_some_and(|end| to.now >= end.saturating_add(to.leeway));
        if is_over || to.now > issued.saturating_add(LOGOUT_LIFE) || issued > to.now + to.leeway {
            return Err(IdentityFault::Time);
        }
        let text = |claim: &str| claims.text(claim).filter(|text| !text.is_empty()).map(str::to_owned);
        match (text("sub"), text("sid")) {
            (None, None) => Err(IdentityFault::Missing("sub")),
            (subject, session) => Ok(Self { subject, session }),
        }
    }
}

struct Payload<'a>(&'a Map<String, Value>);

impl<'a> Payload<'a> {
    fn text(&self, claim: &str) -> Option<&'a str> {
        self.0.get(claim)?.as_str()
    }

    fn number(&self, claim: &str) -> Option<u64> {
        self.0.get(claim)?.as_u64()
    }

    fn check_issuer_and_audience(&self, to: Recipient<'_>) -> Result<(), IdentityFault> {
        if self.text("iss") != Some(to.issuer) {
            return Err(IdentityFault::Issuer);
        }
        let is_ours = match self.0.get("aud") {
            Some(Value::String(audience)) => audience == to.client,
            Some(Value::Array(list)) => list.iter().any(|audience| audience == to.client),
            _ => false,
        };
        if is_ours { Ok(()) } else { Err(IdentityFault::Audience) }
    }

    /// `OpenID` Connect Core 1.0, 3.1.3.7.
    fn check_recipient(&self, to: Recipient<'_>) -> Result<(), IdentityFault> {
        self.check_issuer_and_audience(to)?;
        // With several audiences the token must say to whom it was issued; where it says so it must be this client.
        let is_shared = self.0.get("aud").and_then(Value::as_array).is_some_and(|list| list.len() > 1);
        match self.0.get("azp") {
            Some(party) if party == to.client => {}
            None if !is_shared => {}
            _ => return Err(IdentityFault::AuthorizedParty),
        }
        let end = self.number("exp").ok_or(IdentityFault::Missing("exp"))?;
        let issued = self.number("iat").ok_or(IdentityFault::Missing("iat"))?;
        let is_over = to.now >= end.saturating_add(to.leeway);
        if is_over || issued > to.now + to.leeway { Err(IdentityFault::Time) } else { Ok(()) }
    }

    /// Where Keycloak's mapper of client roles puts them.
    fn roles_of(&self, client: &str) -> Vec<String> {
        let roles = self.0.get("resource_access").and_then(|access| access.get(client)?.get("roles"));
        let roles = roles.and_then(Value::as_array).into_iter().flatten();
        roles.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const ISSUER: &str = "https://sso.example.org/realms/mail";
    const TO: Recipient<'_> = Recipient { issuer: ISSUER, client: "portal", now: NOW, leeway: 30 };

    fn token(claims: &Value) -> String {
        let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
        let header = encode(json!({"alg": "RS256", "kid": "a"}).to_string());
        format!("{header}.{}.c2ln", encode(claims.to_string()))
    }

    fn changed(mut claims: Value, change: &Value) -> Value {
        for (key, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(key)),
                value => claims[key] = value.clone(),
            }
        }
        claims
    }

    fn identity(change: &Value) -> Result<IdToken, IdentityFault> {
        let good = json!({
            "typ": "ID", "iss": ISSUER, "aud": "portal", "azp": "portal", "exp": NOW + 300, "iat": NOW, "sub": "id-1",
            "nonce": "n-1", "auth_time": NOW - 5, "acr": "1", "sid": "s-1", "email": "alice@example.org",
            "email_verified": true, "resource_access": {"portal": {"roles": ["admin"]}, "other": {"roles": ["x"]}},
        });
        let text = token(&changed(good, change));
        IdToken::read(&Token::parse(text.as_bytes()).unwrap(), TO, "n-1")
    }

    fn logout(change: &Value) -> Result<Logout, IdentityFault> {
        let good = json!({
            "iss": ISSUER, "aud": "portal", "iat": NOW, "exp": NOW + 60, "sub": "id-1", "sid": "s-1", "jti": "x",
            "typ": "Logout", "events": {LOGOUT_EVENT: {}},
        });
        let text = token(&changed(good, change));
        Logout::read(&Token::parse(text.as_bytes()).unwrap(), TO)
    }

    #[test]
    fn an_id_token_for_this_client_and_sign_in_tells_who_it_is() {
        let identity = identity(&json!({})).unwrap();
        assert_eq!(identity.subject, "id-1");
        assert_eq!(identity.roles, ["admin"]);
        assert_eq!((identity.auth_time, identity.session.as_deref()), (NOW - 5, Some("s-1")));
    }

    #[test]
    fn another_clients_token_is_refused() {
        for (change, fault) in [
            (json!({"iss": "https://sso.example.org/realms/other"}), IdentityFault::Issuer),
            (json!({"iss": null}), IdentityFault::Issuer),
            (json!({"aud": "other"}), IdentityFault::Audience),
            (json!({"aud": ["other"]}), IdentityFault::Audience),
            (json!({"aud": null}), IdentityFault::Audience),
            (json!({"aud": {"portal": 1}}), IdentityFault::Audience),
            (json!({"azp": "other"}), IdentityFault::AuthorizedParty),
            (json!({"azp": ["portal"]}), IdentityFault::AuthorizedParty),
            (json!({"aud": ["portal", "other"], "azp": null}), IdentityFault::AuthorizedParty),
            (json!({"nonce": "n-2"}), IdentityFault::Nonce),
            (json!({"nonce": null}), IdentityFault::Nonce),
            (json!({"typ": "Bearer"}), IdentityFault::Kind),
            (json!({"typ": "Logout"}), IdentityFault::Kind),
            (json!({"exp": NOW - 30}), IdentityFault::Time),
            (json!({"iat": NOW + 31}), IdentityFault::Time),
            (json!({"auth_time": NOW + 31}), IdentityFault::Time),
            (json!({"exp": null}), IdentityFault::Missing("exp")),
            (json!({"iat": "now"}), IdentityFault::Missing("iat")),
            (json!({"auth_time": null}), IdentityFault::Missing("auth_time")),
            (json!({"sub": ""}), IdentityFault::Missing("sub")),
        ] {
            assert_eq!(identity(&change), Err(fault), "{change}");
        }
        assert!(identity(&json!({"aud": ["portal", "other"]})).is_ok());
        assert!(identity(&json!({"azp": null})).is_ok());
        assert!(identity(&json!({"resource_access": "portal"})).unwrap().roles.is_empty());
    }

    #[test]
    fn an_empty_nonce_is_no_nonce() {
        let text = token(&json!({"iss": ISSUER, "aud": "portal", "exp": NOW + 9, "iat": NOW, "nonce": ""}));
        let read = IdToken::read(&Token::parse(text.as_bytes()).unwrap(), TO, "");
        assert_eq!(read, Err(IdentityFault::Nonce));
    }

    #[test]
    fn a_logout_token_names_a_person_or_a_session() {
        let both = Logout { subject: Some("id-1".to_owned()), session: Some("s-1".to_owned()) };
        assert_eq!(logout(&json!({})), Ok(both));
        assert!(logout(&json!({"sid": null})).is_ok() && logout(&json!({"sub": null})).is_ok());
        for (change, fault) in [
            (json!({"sub": null, "sid": ""}), IdentityFault::Missing("sub")),
            (json!({"events": null}), IdentityFault::Kind),
            (json!({"events": {"other": {}}}), IdentityFault::Kind),
            (json!({"nonce": "n-1"}), IdentityFault::Kind),
            (json!({"aud": "other"}), IdentityFault::Audience),
            (json!({"iss": "https://evil.example"}), IdentityFault::Issuer),
            (json!({"exp": NOW - 30}), IdentityFault::Time),
            (json!({"iat": NOW - 601, "exp": null}), IdentityFault::Time),
            (json!({"iat": null}), IdentityFault::Missing("iat")),
        ] {
            assert_eq!(logout(&change), Err(fault), "{change}");
        }
    }
}
