//! `POST /auth-policy`: Dovecot's questions to an auth policy server (`auth_policy_server_url`).

use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::{Request, StatusCode, Uri};
use tokio::time::Instant;

use super::token::BearerToken;
use crate::auth::DefaultDomain;
use crate::login::throttle::{PolicyAnswer, PolicyRequest, Throttle};

/// Largest body: names, an address and a few words.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// What Dovecot wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Allow,
    Report,
}

impl Command {
    /// Dovecot puts `?command=` behind its URL whatever that ends with, unless it is `&`.
    fn of(uri: &Uri) -> Option<Self> {
        let parameters = uri.query()?.split(['&', '?']);
        match parameters.filter_map(|one| one.strip_prefix("command=")).next_back()? {
            "allow" => Some(Self::Allow),
            "report" => Some(Self::Report),
            _ => None,
        }
    }
}

/// Answers, as JSON; a name without a domain is one of the default domain, as in every other protocol. The body of whoever has not the token is not read.
///
/// # Errors
/// The status that says what is wrong; Dovecot goes on then as if nobody had been asked.
pub(super) async fn answer<B: Body<Error: std::error::Error + Send + Sync + 'static>>(
    token: &BearerToken,
    (throttle, default_domain): (&Throttle, &DefaultDomain),
    request: Request<B>,
) -> Result<String, StatusCode> {
    if !token.is_in_either(request.headers()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let command = Command::of(request.uri()).ok_or(StatusCode::BAD_REQUEST)?;
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?.to_bytes();
    let asked: PolicyRequest = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let asked = asked.with_domain(default_domain);
    let now = Instant::now().into_std();
    let answer = match command {
        Command::Allow => throttle.policy_allow(&asked, now),
        Command::Report => {
            throttle.policy_report(&asked, now);
            PolicyAnswer::GO_ON
        }
    };
    serde_json::to_string(&answer).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;
    use crate::login::throttle::Config;

    const TOKEN: &str = "0123456789abcdef";

    async fn post(throttle: &Throttle, path: &str, key: &str, body: &str) -> Result<String, StatusCode> {
        let request = Request::post(path).header("X-API-Key", key).body(body.to_owned()).unwrap();
        let default_domain = DefaultDomain::new(Some("e.org")).unwrap();
        answer(&BearerToken::new(Secret::from(TOKEN)).unwrap(), (throttle, &default_domain), request).await
    }

    #[test]
    fn the_command_is_found_behind_whatever_url_dovecot_was_given() {
        for (uri, command) in [
            ("/auth-policy?command=allow", Some(Command::Allow)),
            ("/auth-policy??command=allow", Some(Command::Allow)),
            ("/auth-policy?command=report", Some(Command::Report)),
            ("/auth-policy?node=1&command=report", Some(Command::Report)),
            ("/auth-policy?node=1?command=report", Some(Command::Report)),
            ("/auth-policy?command=", None),
            ("/auth-policy", None),
        ] {
            assert_eq!(Command::of(&uri.parse().unwrap()), command, "{uri}");
        }
    }

    #[tokio::test]
    async fn dovecot_is_told_to_go_on_until_too_much_was_wrong() {
        let now = Instant::now().into_std();
        let throttle = Throttle::new(&Config::default(), now).unwrap();
        let body = |number: u32| {
            format!(
                r#"{{"login":"a@e.org","pwhash":"{number:04x}","remote":"198.51.100.1","success":false}}"#
            )
        };
        let go_on = Ok(r#"{"status":0,"msg":""}"#.to_owned());
        assert_eq!(post(&throttle, "/auth-policy?command=allow", TOKEN, &body(0)).await, go_on);
        for number in 0..12 {
            let end = post(&throttle, "/auth-policy?command=report", TOKEN, &body(number)).await;
            assert_eq!(end, go_on);
        }
        let end = post(&throttle, "/auth-policy??command=allow", TOKEN, &body(0)).await;
        assert_eq!(end.as_deref(), Ok(r#"{"status":-1,"msg":"throttled: try again later"}"#));
    }

    #[tokio::test]
    async fn a_name_without_a_domain_is_counted_as_the_whole_one() {
        let throttle = Throttle::new(&Config::default(), Instant::now().into_std()).unwrap();
        let body = |name: &str, number: u32| {
            format!(r#"{{"login":"{name}","pwhash":"{number:04x}","remote":"198.51.100.1","success":false}}"#)
        };
        for number in 0..12 {
            let name = if number % 2 == 0 { "a" } else { "a@e.org" };
            post(&throttle, "/auth-policy?command=report", TOKEN, &body(name, number)).await.unwrap();
        }
        for name in ["a", "A@E.org"] {
            let end = post(&throttle, "/auth-policy?command=allow", TOKEN, &body(name, 0)).await;
            assert_eq!(end.as_deref(), Ok(r#"{"status":-1,"msg":"throttled: try again later"}"#), "{name}");
        }
    }

    #[tokio::test]
    async fn strangers_and_nonsense_are_turned_away() {
        let throttle = Throttle::disabled();
        for (path, key, body, status) in [
            ("/auth-policy?command=allow", "x", "{}", StatusCode::UNAUTHORIZED),
            ("/auth-policy?command=x", TOKEN, "{}", StatusCode::BAD_REQUEST),
            ("/auth-policy?command=allow", TOKEN, "[", StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(post(&throttle, path, key, body).await, Err(status), "{path} {body}");
        }
        let large = "x".repeat(MAX_BODY_BYTES + 1);
        let end = post(&throttle, "/auth-policy?command=allow", TOKEN, &large).await;
        assert_eq!(end, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }
}
