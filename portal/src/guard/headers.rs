//! The headers of every answer.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Config;

/// The headers, made once.
#[derive(Debug)]
pub struct Policy {
    content: HeaderValue,
    is_tls: bool,
}

impl Policy {
    /// Those of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        // Addresses in the configuration have no character that means something here.
        let content = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self' {}; \
             frame-ancestors 'none'; base-uri 'none'",
            config.keycloak.issuer.origin()
        );
        let content =
            HeaderValue::from_str(&content).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { content, is_tls: config.portal.public_url.as_str().starts_with("https://") }
    }

    /// Puts them on an answer. What names its own life in caches keeps it: style sheet and script.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_SECURITY_POLICY, self.content.clone());
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        for (name, value) in [
            // Other sites learn nothing. With `no-referrer` browsers would write `Origin: null` for the portal's own forms,
            // and Safari before 16.4 says nothing else by which they could be told from forms of others.
            (REFERRER_POLICY, "same-origin"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.is_tls {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
    }
}
