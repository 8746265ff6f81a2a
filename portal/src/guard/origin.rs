//! Which site sent a form.

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;

use crate::problem::Problem;

/// Whether one of our own pages sent this. Browsers say so in `Sec-Fetch-Site`, older ones in `Origin`; a request that
/// says neither is refused.
///
/// Our pages have the policy `same-origin`, so that older browsers name us in `Origin`. Where a proxy or an add-on makes
/// that `no-referrer`, a browser writes `Origin: null` for our own forms (Fetch, 3.2), as it does for those of a sandbox:
/// that counts for nothing either way.
pub(super) fn check(headers: &HeaderMap, own: &str) -> Result<(), Problem> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).into_iter();
        let value = values.next().map(|value| value.to_str().unwrap_or("?"));
        if values.next().is_some() { Some("?") } else { value }
    };
    let site = one("sec-fetch-site").map(|site| site == "same-origin");
    let origin = one(ORIGIN.as_str()).filter(|origin| *origin != "null").map(|origin| origin == own);
    match (site, origin) {
        (Some(true), None | Some(true)) | (None, Some(true)) => Ok(()),
        _ => Err(Problem::CrossSite),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_forms_of_our_own_pages_are_taken() {
        let own = "https://account.example.org";
        for (site, origin, is_taken) in [
            (Some("same-origin"), None, true),
            (Some("same-origin"), Some(own), true),
            (Some("same-origin"), Some("null"), true),
            (None, Some(own), true),
            (None, None, false),
            (None, Some("null"), false),
            (Some("same-origin"), Some("https://evil.example"), false),
            (Some("same-site"), Some(own), false),
            (Some("cross-site"), Some(own), false),
            (Some("none"), None, false),
            (Some("none"), Some(own), false),
            (Some(""), None, false),
            (None, Some("https://account.example.org.evil.example"), false),
            (None, Some("http://account.example.org"), false),
            (None, Some("https://account.example.org:444"), false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(check(&headers, own).is_ok(), is_taken, "{site:?} {origin:?}");
        }
        let mut twice = HeaderMap::new();
        twice.append("sec-fetch-site", HeaderValue::from_static("same-origin"));
        twice.append("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert!(check(&twice, own).is_err());
    }
}
