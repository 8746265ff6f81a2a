//! `[oauth]`: whose tokens open mailboxes.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Period, Section, SettingFault};

/// The longest disagreement between two clocks that is still put up with.
const MAX_LEEWAY: Duration = Duration::from_secs(300);
/// The longest time for which Keycloak's word that a token is active may count.
const MAX_INTROSPECTION_CACHE: Duration = Duration::from_secs(300);

/// Access tokens instead of passwords (OAUTHBEARER and XOAUTH2): docs/oauth.md. Without this table keydove does not
/// offer them. Set `audiences`, `clients` or both; a token must meet each that is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// One of these must be among the token's audiences (`aud`). Default: any, if `clients` is set.
    pub audiences: Vec<String>,
    /// The token must have been issued to one of these clients (`azp`). Default: any, if `audiences` is set.
    pub clients: Vec<String>,
    /// The claim that must name the mailbox; with `lookup = "local_part"` it may name what stands before the `@`.
    /// Default `"email"`.
    pub claim: String,
    /// How far Keycloak's clock and this machine's may disagree; at most `"5m"`. Default `"30s"`.
    pub leeway: Period,
    /// Ask Keycloak whether the token's session still lasts: one call for each token and `introspection_cache`.
    /// Default `false`.
    pub introspection: bool,
    /// How long the answer "active" counts; at most `"5m"`. Default `"10s"`.
    pub introspection_cache: Period,
    /// The scopes that clients are told to ask for.
    pub scope: Option<String>,
    /// Where clients are told to find out how to get a token. Default: Keycloak's own address, if there is one
    /// Keycloak only.
    pub openid_configuration: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            audiences: Vec::new(),
            clients: Vec::new(),
            claim: "email".to_owned(),
            leeway: Period::from_secs(30),
            introspection: false,
            introspection_cache: Period::from_secs(10),
            scope: None,
            openid_configuration: None,
        }
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain =
            |keys: &[&str], sentence, advice| faults.push(SettingFault::at(keys, sentence, advice));
        if self.audiences.is_empty() && self.clients.is_empty() {
            complain(
                &[],
                "a token that any client got for anything would open mailboxes",
                "set audiences, clients or both; docs/oauth.md tells which",
            );
        }
        for (key, list) in [("audiences", &self.audiences), ("clients", &self.clients)] {
            if list.iter().any(String::is_empty) {
                complain(&[key], "an empty name fits no token", "take it out of the list");
            }
        }
        if self.claim.is_empty() {
            complain(&["claim"], "the claim has no name", "take this line out: `email` is a good value");
        }
        if self.leeway.get() > MAX_LEEWAY {
            complain(
                &["leeway"],
                "the leeway must be 5m at most",
                "let both machines keep time; 30s is a good value",
            );
        }
        if self.introspection_cache.get() > MAX_INTROSPECTION_CACHE {
            complain(
                &["introspection_cache"],
                "this must be 5m at most",
                "it is how long a session that was ended goes on opening mailboxes; 10s is a good value",
            );
        }
        faults
    }
}
