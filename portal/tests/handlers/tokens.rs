//! The end of a sign-in: which tokens are taken, and what keydove is told.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{COOKIE, SET_COOKIE};
use keydove_words::portal::{Request as Asked, Response};
use serde_json::{Value, json};

use super::double::{alice, answer};
use super::keycloak_double::{ISSUER, KeycloakDouble, claims};
use super::{Answer, COOKIE_LINE, DaemonDouble, NOW, Portal};

/// A sign-in that has been begun in a browser.
struct Begun {
    cookie: String,
    state: String,
    nonce: String,
}

fn parameter(address: &str, name: &str) -> String {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let found = form_urlencoded::parse(query.as_bytes()).find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn begun(answer: &Answer) -> Begun {
    let cookie = answer.cookie("__Host-keydove-attempt").unwrap();
    Begun {
        cookie,
        state: parameter(answer.location(), "state"),
        nonce: parameter(answer.location(), "nonce"),
    }
}

async fn finish(portal: &Portal, begun: &Begun) -> Answer {
    let uri = format!("/sign-in/done?state={}&code=c&iss={ISSUER}", begun.state);
    let cookies = format!("{COOKIE_LINE}; __Host-keydove-attempt={}", begun.cookie);
    let request = Request::get(uri).header(COOKIE, cookies).header("user-agent", "Firefox/140 Linux");
    portal.send(request.body(Body::empty()).unwrap()).await
}

/// keydove takes every sign-in.
fn daemon() -> DaemonDouble {
    DaemonDouble::new(|request| match request {
        Asked::SignIn(_) => Response::Session(Box::new(alice(NOW))),
        request => answer(request, NOW),
    })
}

fn with(claims: &Value, change: &Value) -> Value {
    let mut claims = claims.clone();
    for (key, value) in change.as_object().unwrap() {
        claims[key] = value.clone();
    }
    claims
}

#[tokio::test]
async fn a_good_token_begins_a_session_with_a_new_id_and_leads_to_the_page() {
    let keycloak = KeycloakDouble::start().await;
    let portal = Portal::at(daemon(), &keycloak.url);
    let begun = begun(&portal.get("/sign-in?to=sessions").await);
    keycloak.issue(&with(
        &claims(&begun.nonce),
        &json!({"resource_access": {"keydove-portal": {"roles": ["administrator"]}}}),
    ));
    let done = finish(&portal, &begun).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/sessions"));
    let value = done.cookie("__Host-keydove").unwrap();
    assert!(value.len() == 43 && value != "value");
    let lines: Vec<_> =
        done.headers.get_all(SET_COOKIE).into_iter().map(|line| line.to_str().unwrap()).collect();
    assert!(lines.iter().all(|line| line.contains("; Path=/; Secure; HttpOnly; SameSite=Lax")), "{lines:?}");
    assert_eq!(done.cookie("__Host-keydove-attempt").as_deref(), Some(""));
    let told = portal.daemon.last("sign_in");
    assert_eq!((&told["subject"], &told["email"]), (&"id-1".into(), &"alice@example.org".into()));
    assert_eq!((&told["administrator"], &told["browser"]), (&true.into(), &"Firefox, Linux".into()));
    assert_eq!(told["session"], keydove_portal::cookie::session_key(&value).0);
    assert_eq!(told["replaces"], keydove_portal::cookie::session_key("value").0);
    let form = keycloak.last_form();
    assert!(
        form.contains("code_verifier=")
            && form.contains("redirect_uri=https%3A%2F%2Faccount.example.org%2Fsign-in%2Fdone")
    );
}

#[tokio::test]
async fn a_token_that_is_not_for_this_sign_in_signs_nobody_in() {
    let keycloak = KeycloakDouble::start().await;
    let portal = Portal::at(daemon(), &keycloak.url);
    let begun = begun(&portal.get("/sign-in").await);
    let good = claims(&begun.nonce);
    for change in [
        json!({"nonce": "of another sign-in"}),
        json!({"aud": "thunderbird"}),
        json!({"azp": "thunderbird"}),
        json!({"iss": "https://evil.example/realms/mail"}),
        json!({"exp": NOW - 31}),
        json!({"typ": "Bearer"}),
    ] {
        keycloak.issue(&with(&good, &change));
        assert_eq!(finish(&portal, &begun).await.status, 502, "{change}");
    }
    // Somebody else has signed it, or nobody.
    let token = keycloak.sign(&good);
    let (signed, _) = token.rsplit_once('.').unwrap();
    for forged in [format!("{signed}.{}", "A".repeat(86)), format!("{signed}."), "x".to_owned()] {
        keycloak.say(200, &json!({"id_token": forged}).to_string());
        assert_eq!(finish(&portal, &begun).await.status, 502, "{forged}");
    }
    // A code that was used before, a client that is not known, a Keycloak in trouble.
    for (status, body, shown) in [
        (400, r#"{"error":"invalid_grant"}"#, 400),
        (401, r#"{"error":"unauthorized_client"}"#, 502),
        (500, "", 503),
    ] {
        keycloak.say(status, body);
        assert_eq!(finish(&portal, &begun).await.status, shown, "{status}");
    }
    keycloak.issue(&with(&good, &json!({"email": ""})));
    assert_eq!(finish(&portal, &begun).await.status, 403);
    assert_eq!(portal.daemon.count("sign_in"), 0);
}

#[tokio::test]
async fn a_stripped_max_age_proves_nothing() {
    let keycloak = KeycloakDouble::start().await;
    let portal = Portal::at(
        DaemonDouble::new(|request| match request {
            Asked::SignIn(_) => Response::Session(Box::new(alice(NOW))),
            request => answer(request, NOW - 301),
        }),
        &keycloak.url,
    );
    let begun = begun(&portal.post("/app-passwords", "name=x&services=imap&days=30").await);
    // The browser left `max_age` out, so Keycloak was content with a sign-in of this morning.
    keycloak.issue(&with(&claims(&begun.nonce), &json!({"auth_time": NOW - 20_000})));
    let refused = finish(&portal, &begun).await;
    assert!(refused.status == 403 && refused.has("You were not asked to sign in again"));
    assert_eq!((portal.daemon.count("sign_in"), refused.cookie("__Host-keydove")), (0, None));
    keycloak.issue(&claims(&begun.nonce));
    assert_eq!(finish(&portal, &begun).await.location(), "/app-passwords");
}

#[tokio::test]
async fn whoever_is_refused_is_told_why_and_can_become_somebody_else() {
    let keycloak = KeycloakDouble::start().await;
    let refusing =
        DaemonDouble::new(|_| Response::Refused { code: "provision_max_mailbox_exceeded".to_owned() });
    let portal = Portal::at(refusing, &keycloak.url);
    let begun = begun(&portal.get_as_stranger("/sign-in").await);
    keycloak.issue(&claims(&begun.nonce));
    let page = finish(&portal, &begun).await;
    assert!(
        page.status == 403
            && page.has("There is no room for another mailbox")
            && page.has("Sign in as somebody else")
    );
    assert_eq!(page.cookie("__Host-keydove"), None);
}

#[tokio::test]
async fn keycloaks_logout_ends_the_persons_sessions() {
    let keycloak = KeycloakDouble::start().await;
    let portal = Portal::at(daemon(), &keycloak.url);
    let good = json!({
        "iss": ISSUER, "aud": "keydove-portal", "iat": NOW, "exp": NOW + 60, "sub": "id-1", "sid": "s-1", "typ": "Logout",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    for (change, status) in [
        (json!({}), 200),
        (json!({"aud": "thunderbird"}), 400),
        (json!({"nonce": "n"}), 400),
        (json!({"events": {}}), 400),
        (json!({"iat": NOW - 1000, "exp": NOW - 900}), 400),
    ] {
        let form = format!("logout_token={}", keycloak.sign(&with(&good, &change)));
        let request =
            Request::post("/back-channel-logout").header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(portal.send(request.body(Body::from(form)).unwrap()).await.status, status, "{change}");
    }
    assert_eq!(portal.daemon.count("back_channel"), 1);
    assert_eq!(portal.daemon.last("back_channel")["subject"], "id-1");
}
