//! What a token says about itself.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Config, Token};
use crate::auth::{Denial, Username};

/// What is demanded of a token beyond the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'a> {
    /// Whose it must be.
    pub user: &'a Username,
    /// Who must have issued it.
    pub issuer: &'a str,
    /// The address in it must not be marked as unverified.
    pub verified_email: bool,
    /// The claim names what stands before the `@` only.
    pub local_part: bool,
    /// When, in seconds since 1970.
    pub now: u64,
}

/// The claims of a token. They are worth nothing before the signature is verified.
#[derive(Debug)]
pub struct Claims<'a>(&'a Map<String, Value>);

impl<'a> Claims<'a> {
    /// Those of a token.
    #[must_use]
    pub fn of(token: &'a Token<'_>) -> Self {
        Self(&token.payload)
    }

    /// Whether the token may open this mailbox now, as far as it says so itself.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, config: &Config, demands: Demands<'_>) -> Result<(), Denial> {
        if self.text("iss") != Some(demands.issuer) {
            return Err(Denial::TokenIssuer);
        }
        self.check_kind()?;
        self.check_time(config.leeway.get(), demands.now)?;
        // The configuration makes sure that one of the two lists is not empty.
        let is_for_us = meets(&config.audiences, self.texts("aud"))
            && meets(&config.clients, self.text("azp").into_iter());
        if !is_for_us {
            return Err(Denial::TokenAudience);
        }
        self.check_user(&config.claim, demands)
    }

    /// Keycloak's id of whose token it is.
    #[must_use]
    pub fn subject(&self) -> Option<&'a str> {
        self.text("sub")
    }

    /// Whether the token is meant for somebody, by name.
    #[must_use]
    pub fn is_for(&self, audience: &str) -> bool {
        self.texts("aud").any(|name| name == audience)
    }

    /// An ID token says who somebody is and a refresh token is for Keycloak only. One that is bound to a key (`cnf`)
    /// takes a proof that SASL cannot carry.
    fn check_kind(&self) -> Result<(), Denial> {
        let is_bearer = self.text("typ").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"));
        if is_bearer && !self.0.contains_key("cnf") { Ok(()) } else { Err(Denial::TokenInvalid) }
    }

    fn check_time(&self, leeway: Duration, now: u64) -> Result<(), Denial> {
        let end = self.0.get("exp").and_then(Value::as_u64).ok_or(Denial::TokenInvalid)?;
        let start = match self.0.get("nbf") {
            Some(start) => start.as_u64().ok_or(Denial::TokenInvalid)?,
            None => 0,
        };
        let leeway = leeway.as_secs();
        let is_over = now >= end.saturating_add(leeway);
        let is_early = now.saturating_add(leeway) < start;
        if is_over || is_early { Err(Denial::TokenExpired) } else { Ok(()) }
    }

    fn check_user(&self, claim: &str, demands: Demands<'_>) -> Result<(), Denial> {
        let is_user = |name: &str| match demands.local_part && !name.contains('@') {
            true => is_same(&format!("{name}@{}", demands.user.domain()), demands.user),
            false => is_same(name, demands.user),
        };
        if !self.texts(claim).any(is_user) {
            return Err(Denial::TokenUserMismatch);
        }
        // Whether it is verified now, the person's own record tells.
        if demands.verified_email && self.0.get("email_verified") == Some(&Value::Bool(false)) {
            return Err(Denial::EmailUnverified);
        }
        Ok(())
    }

    fn text(&self, claim: &str) -> Option<&'a str> {
        self.0.get(claim)?.as_str()
    }

    /// A claim that is a text or a list of texts.
    fn texts(&self, claim: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let value = self.0.get(claim);
        let list = value.and_then(Value::as_array).into_iter().flatten();
        value.and_then(Value::as_str).into_iter().chain(list.filter_map(Value::as_str))
    }
}

/// Whether one of these names is listed; an empty list demands nothing.
fn meets<'a>(list: &[String], mut names: impl Iterator<Item = &'a str>) -> bool {
    list.is_empty() || names.any(|name| list.iter().any(|listed| listed == name))
}

fn is_same(name: &str, user: &Username) -> bool {
    Username::parse(name.as_bytes()).is_ok_and(|name| name == *user)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const ISSUER: &str = "https://sso.example.org/realms/mail";

    fn config() -> Config {
        toml::from_str("audiences = ['keydove']\nclients = ['thunderbird']").unwrap()
    }

    fn good() -> Value {
        json!({
            "iss": ISSUER, "typ": "Bearer", "exp": NOW + 60, "aud": ["account", "keydove"], "azp": "thunderbird",
            "email": "Alice@Example.org", "sub": "id-1",
        })
    }

    fn check_with(
        config: &Config,
        claims: &Value,
        verified_email: bool,
        local_part: bool,
    ) -> Result<(), Denial> {
        let user = Username::parse(b"alice@example.org").unwrap();
        let demands = Demands { user: &user, issuer: ISSUER, verified_email, local_part, now: NOW };
        Claims(claims.as_object().unwrap()).check(config, demands)
    }

    fn check(change: Value) -> Result<(), Denial> {
        let mut claims = good();
        for (key, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(key)),
                value => claims[key] = value.clone(),
            }
        }
        check_with(&config(), &claims, false, false)
    }

    #[test]
    fn a_token_of_the_right_kind_for_us_and_for_the_person_is_taken() {
        assert_eq!(check(json!({})), Ok(()));
        assert_eq!(check(json!({"aud": "keydove", "nbf": NOW})), Ok(()));
        assert_eq!(check(json!({"email": ["x@example.org", "alice@example.org"]})), Ok(()));
    }

    #[test]
    fn the_issuer_must_be_the_same_to_the_letter() {
        for issuer in [
            json!(null),
            json!("https://sso.example.org/realms/mail/"),
            json!("https://sso.example.org/realms/Mail"),
            json!([ISSUER]),
            json!(""),
        ] {
            assert_eq!(check(json!({"iss": issuer})), Err(Denial::TokenIssuer), "{issuer}");
        }
    }

    #[test]
    fn other_kinds_of_tokens_are_refused() {
        for kind in
            [json!("ID"), json!("Refresh"), json!("Offline"), json!("DPoP"), json!(""), json!(null), json!(1)]
        {
            assert_eq!(check(json!({"typ": kind})), Err(Denial::TokenInvalid), "{kind}");
        }
        assert_eq!(check(json!({"cnf": {"jkt": "x"}})), Err(Denial::TokenInvalid));
    }

    #[test]
    fn times_have_a_small_leeway() {
        for (exp, nbf, end) in [
            (NOW - 29, 0, Ok(())),
            (NOW - 30, 0, Err(Denial::TokenExpired)),
            (0, 0, Err(Denial::TokenExpired)),
            (u64::MAX, 0, Ok(())),
            (NOW + 60, NOW + 30, Ok(())),
            (NOW + 60, NOW + 31, Err(Denial::TokenExpired)),
            (NOW + 60, u64::MAX, Err(Denial::TokenExpired)),
        ] {
            assert_eq!(check(json!({"exp": exp, "nbf": nbf})), end, "{exp} {nbf}");
        }
        for odd in [json!(null), json!("1900000000"), json!(-1), json!(1.9e9), json!([])] {
            assert_eq!(check(json!({"exp": odd})), Err(Denial::TokenInvalid), "{odd}");
        }
        assert_eq!(check(json!({"nbf": "0"})), Err(Denial::TokenInvalid));
    }

    #[test]
    fn each_list_that_is_set_must_be_met() {
        for (aud, azp) in [
            (json!("other"), json!("thunderbird")),
            (json!([]), json!("thunderbird")),
            (json!(null), json!("thunderbird")),
            (json!("keydove"), json!("other")),
            (json!("keydove"), json!(null)),
            (json!("keydove"), json!(["thunderbird"])),
            (json!("keydove thunderbird"), json!("thunderbird")),
        ] {
            assert_eq!(check(json!({"aud": aud, "azp": azp})), Err(Denial::TokenAudience), "{aud} {azp}");
        }
        let one: Config = toml::from_str("clients = ['thunderbird']").unwrap();
        let mut claims = good();
        claims["aud"] = json!("account");
        assert_eq!(check_with(&one, &claims, false, false), Ok(()));
    }

    #[test]
    fn somebody_elses_token_is_refused() {
        for email in [
            json!("bob@example.org"),
            json!("alice"),
            json!(""),
            json!(null),
            json!(7),
            json!("alice@example.org.evil.example"),
        ] {
            assert_eq!(check(json!({"email": email})), Err(Denial::TokenUserMismatch), "{email}");
        }
    }

    #[test]
    fn an_unverified_address_counts_where_it_is_demanded() {
        let mut claims = good();
        claims["email_verified"] = json!(false);
        assert_eq!(check_with(&config(), &claims, false, false), Ok(()));
        assert_eq!(check_with(&config(), &claims, true, false), Err(Denial::EmailUnverified));
        claims["email_verified"] = json!(true);
        assert_eq!(check_with(&config(), &claims, true, false), Ok(()));
    }

    #[test]
    fn a_claim_may_name_the_local_part_only_where_people_are_found_by_it() {
        let mut claims = good();
        claims["preferred_username"] = json!("alice");
        let config: Config =
            toml::from_str("clients = ['thunderbird']\nclaim = 'preferred_username'").unwrap();
        assert_eq!(check_with(&config, &claims, false, true), Ok(()));
        assert_eq!(check_with(&config, &claims, false, false), Err(Denial::TokenUserMismatch));
        claims["preferred_username"] = json!("alice@other.example");
        assert_eq!(check_with(&config, &claims, false, true), Err(Denial::TokenUserMismatch));
    }
}
