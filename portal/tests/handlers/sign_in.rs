//! To Keycloak and back, as far as it goes without Keycloak.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::COOKIE;
use keydove_words::portal::{NoSession, Response};

use super::{DaemonDouble, Portal};

const ISSUER: &str = "https://sso.example.org/realms/mail";
const ATTEMPT: &str = "__Host-keydove-attempt";

fn parameter(address: &str, name: &str) -> String {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let found = form_urlencoded::parse(query.as_bytes()).find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn come_back(portal: &Portal, attempt: &str, query: &str) -> super::Answer {
    let request =
        Request::get(format!("/sign-in/done?{query}")).header(COOKIE, format!("{ATTEMPT}={attempt}"));
    portal.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_page_of_a_person_leads_a_stranger_to_keycloak_and_to_that_page_again() {
    let portal = Portal::new(DaemonDouble::of_alice());
    for page in ["device", "app-passwords", "sign-ins", "sessions"] {
        let answer = portal.get_as_stranger(&format!("/{page}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.location()),
            (303, format!("/sign-in?to={page}").as_str())
        );
    }
    assert_eq!(portal.get_as_stranger("/device/thunderbird.xpi").await.status, 303);
    assert_eq!(portal.daemon.count("session"), 0);
}

#[tokio::test]
async fn a_sign_in_leads_to_the_configured_keycloak_whatever_the_request_says() {
    let portal = Portal::new(DaemonDouble::of_alice());
    for path in [
        "/sign-in",
        "/sign-in?to=//evil.example",
        "/sign-in?to=https://evil.example&redirect_uri=https://evil.example",
    ] {
        let request =
            Request::get(path).header("host", "evil.example").header("x-forwarded-host", "evil.example");
        let answer = portal.send(request.body(Body::empty()).unwrap()).await;
        let location = answer.location();
        assert!(location.starts_with(&format!("{ISSUER}/protocol/openid-connect/auth?")), "{location}");
        assert_eq!(parameter(location, "redirect_uri"), "https://account.example.org/sign-in/done");
        assert!(!location.contains("evil") && !answer.body.contains("evil"));
        assert_eq!(parameter(location, "code_challenge_method"), "S256");
    }
    let (one, other) = (portal.get("/sign-in").await, portal.get("/sign-in").await);
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(parameter(one.location(), name), parameter(other.location(), name), "{name}");
    }
    let sealed = one.cookie(ATTEMPT).unwrap();
    assert!(!sealed.contains(&parameter(one.location(), "state")));
}

#[tokio::test]
async fn an_answer_of_no_sign_in_of_this_browser_signs_nobody_in() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let start = portal.get_as_stranger("/sign-in").await;
    let (attempt, state) = (start.cookie(ATTEMPT).unwrap(), parameter(start.location(), "state"));
    let good = format!("state={state}&code=c&iss={ISSUER}");
    for (cookie, query) in [
        ("", good.clone()),
        ("nonsense", good.clone()),
        (attempt.as_str(), format!("state=other&code=c&iss={ISSUER}")),
        (attempt.as_str(), format!("code=c&iss={ISSUER}")),
        (attempt.as_str(), format!("state={state}&code=c")),
        (attempt.as_str(), format!("state={state}&code=c&iss=https://evil.example")),
        (attempt.as_str(), format!("state={state}&iss={ISSUER}")),
    ] {
        let answer = come_back(&portal, cookie, &query).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.cookie("__Host-keydove"), None);
        assert!(answer.has("href=\"/sign-in\""), "there is a way to begin again");
    }
    // The right one goes as far as Keycloak, which is away: that is said, and nobody is signed in.
    let answer = come_back(&portal, &attempt, &good).await;
    assert_eq!(answer.status, 503);
    assert!(answer.has("The sign-in service does not answer"));
    assert_eq!((answer.cookie("__Host-keydove"), portal.daemon.count("sign_in")), (None, 0));
}

#[tokio::test]
async fn keycloaks_no_is_a_page_with_its_code() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let start = portal.get_as_stranger("/sign-in").await;
    let (attempt, state) = (start.cookie(ATTEMPT).unwrap(), parameter(start.location(), "state"));
    let answer =
        come_back(&portal, &attempt, &format!("state={state}&error=access_denied&iss={ISSUER}")).await;
    assert_eq!(answer.status, 403);
    assert!(answer.has("<code>access_denied</code>"));
    let query = format!("state={state}&error=%3Cscript%3E&error_description=%3Cb%3E&iss={ISSUER}");
    let answer = come_back(&portal, &attempt, &query).await;
    assert!(!answer.has("<script>") && !answer.has("<b>"));
}

#[tokio::test]
async fn a_session_that_is_over_leads_to_keycloak_and_a_disabled_person_is_told() {
    for (why, status) in [
        (NoSession::Unknown, 303),
        (NoSession::Idle, 303),
        (NoSession::Expired, 303),
        (NoSession::Disabled, 403),
    ] {
        let portal = Portal::new(DaemonDouble::new(move |_| Response::NoSession { why }));
        let answer = portal.get("/app-passwords").await;
        assert_eq!(answer.status, status, "{why:?}");
        assert_eq!(answer.has("Your account is switched off"), status == 403);
    }
}

#[tokio::test]
async fn ten_thousand_sign_ins_of_one_address_leave_room_for_others() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let from = |address: &str| {
        let mut request = Request::get("/sign-in").body(Body::empty()).unwrap();
        request.extensions_mut().insert(keydove_portal::guard::Peer::At(address.parse().unwrap()));
        request
    };
    let mut refused = 0;
    for _ in 0..10_000 {
        refused += u32::from(portal.send(from("192.0.2.1")).await.status == 429);
    }
    assert_eq!(refused, 10_000 - 240);
    assert_eq!(portal.send(from("192.0.2.2")).await.status, 303);
}

#[tokio::test]
async fn signing_out_ends_the_session_at_keydove_and_in_the_browser() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let answer = portal.post("/sign-out", "").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/signed-out"));
    assert_eq!(
        (answer.cookie("__Host-keydove").as_deref(), portal.daemon.count("end_session")),
        (Some(""), 1)
    );
    let page = portal.get_as_stranger("/signed-out").await;
    assert!(page.has("/protocol/openid-connect/logout?client_id=keydove-portal"));
    // While keydove is away the session goes on, so the page says so and the cookie stays for another try.
    let portal = Portal::new(DaemonDouble::away());
    let answer = portal.post("/sign-out", "").await;
    assert_eq!((answer.status.as_u16(), answer.cookie("__Host-keydove")), (503, None));
}

#[tokio::test]
async fn a_logout_token_that_nobody_signed_ends_nothing() {
    let portal = Portal::new(DaemonDouble::of_alice());
    for form in ["", "logout_token=", "logout_token=a.b.c", "other=1"] {
        // Keycloak sends no header of browsers.
        let request =
            Request::post("/back-channel-logout").header("content-type", "application/x-www-form-urlencoded");
        let answer = portal.send(request.body(Body::from(form)).unwrap()).await;
        assert_eq!(answer.status, 400, "{form}");
    }
    assert_eq!(portal.daemon.count("back_channel"), 0);
}
