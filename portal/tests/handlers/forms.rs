//! Forms: where they come from, what they do, and that nothing in them is lost.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, COOKIE};
use keydove_words::portal::{Rejection, Request as Asked, Response};

use super::double::{PASSWORD, answer};
use super::{COOKIE_LINE, DaemonDouble, NOW, Portal, form_request};

const WISH: &str = "name=My+phone&services=imap&services=smtp&days=30&networks=192.0.2.0%2F24";
const CHANGES: [(&str, &str); 7] = [
    ("/app-passwords", WISH),
    ("/app-passwords/revoke", "id=1"),
    ("/app-passwords/revoke-all", ""),
    ("/sessions/end", "id=2"),
    ("/sessions/end-all", ""),
    ("/sign-out", ""),
    ("/language", "language=de"),
];

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let portal = Portal::new(DaemonDouble::of_alice());
    for (path, form) in CHANGES {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://account.example.org")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "none")],
        ] {
            let mut request = Request::post(path)
                .header(COOKIE, COOKIE_LINE)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = portal.send(request.body(Body::from(form)).unwrap()).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
            assert!(
                answer.has("This form came from elsewhere") && answer.headers.get("set-cookie").is_none()
            );
        }
    }
    for kind in [
        "make_app_password",
        "revoke_app_password",
        "revoke_all_app_passwords",
        "end_other",
        "end_all",
        "end_session",
    ] {
        assert_eq!(portal.daemon.count(kind), 0, "{kind}");
    }
}

#[tokio::test]
async fn nothing_changes_on_get() {
    let portal = Portal::new(DaemonDouble::of_alice());
    for (path, form) in CHANGES {
        portal.get(&format!("{path}?{form}")).await;
    }
    for kind in [
        "make_app_password",
        "revoke_app_password",
        "revoke_all_app_passwords",
        "end_other",
        "end_all",
        "end_session",
    ] {
        assert_eq!(portal.daemon.count(kind), 0, "{kind}");
    }
}

#[tokio::test]
async fn a_form_of_more_than_16_kib_is_not_read() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let form = format!("name={}", "x".repeat(16 * 1024));
    assert_eq!(portal.post("/app-passwords", &form).await.status, 413);
    assert_eq!(portal.daemon.count("session"), 0);
}

#[tokio::test]
async fn a_new_app_password_is_shown_in_the_answer_to_the_form_and_never_again() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let made = portal.post("/app-passwords", WISH).await;
    assert_eq!(made.status, 200);
    assert!(made.has(PASSWORD) && made.has("<svg class=\"code\""));
    assert_eq!(made.headers["cache-control"], "no-store");
    let new = &portal.daemon.last("make_app_password")["new"];
    assert_eq!(new["name"], "My phone");
    assert_eq!((&new["days"], &new["networks"][0]), (&30.into(), &"192.0.2.0/24".into()));
    assert_eq!(new["services"], serde_json::json!(["imap", "smtp"]));
    assert!(!portal.get("/app-passwords").await.has(PASSWORD));
}

#[tokio::test]
async fn the_short_forms_take_the_administrators_end_and_give_a_profile_or_a_code() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let profile =
        portal.post("/app-passwords", "name=Apple+Mail&services=imap&services=smtp&program=apple").await;
    assert_eq!(profile.headers[CONTENT_TYPE], "application/x-apple-aspen-config");
    assert!(
        profile.has(PASSWORD) && profile.has("Alice &#60;b&#62;") && profile.has("com.apple.mail.managed")
    );
    assert_eq!(portal.daemon.last("make_app_password")["new"]["days"], 90);
    let code = portal.post("/app-passwords", "name=Phone&services=imap&services=smtp&program=android").await;
    assert!(code.has("<details class=\"card\" open>"));
    // Without a way to send there is no account, and so no code.
    assert!(!portal.post("/app-passwords", "name=x&services=imap&days=30").await.has("<svg class=\"code\""));
}

#[tokio::test]
async fn a_proof_that_is_too_old_is_renewed_and_the_form_waits() {
    let portal = Portal::new(DaemonDouble::new(|request| answer(request, NOW - 301)));
    let away = portal.post("/app-passwords", &format!("{WISH}&program=android")).await;
    assert_eq!(away.status, 303);
    assert!(
        away.location().starts_with("https://sso.example.org/realms/mail/")
            && away.location().contains("max_age=300")
    );
    assert_eq!(portal.daemon.count("make_app_password"), 0);
    let draft = away.cookie("__Host-keydove-draft").unwrap();
    assert!(!draft.contains("phone"));
    // Whoever comes back finds what they filled in.
    let with = |draft: &str| format!("{COOKIE_LINE}; __Host-keydove-draft={draft}");
    let back = Portal::new(DaemonDouble::of_alice());
    let ask =
        |cookies: String| Request::get("/app-passwords").header(COOKIE, cookies).body(Body::empty()).unwrap();
    let page = back.send(ask(with(&draft))).await;
    assert!(
        page.has("value=\"My phone\"")
            && page.has("value=\"192.0.2.0/24\"")
            && page.has("value=\"30\" selected")
    );
    assert!(page.has("name=\"program\" value=\"android\"") && page.has("You have signed in again"));
    // Somebody else's draft is nobody's.
    let other = Portal::new(DaemonDouble::new(|request| match answer(request, NOW) {
        Response::Session(mut session) => {
            session.subject = "id-2".to_owned();
            Response::Session(session)
        }
        other => other,
    }));
    assert!(!other.send(ask(with(&draft))).await.has("My phone"));
    assert!(!back.send(ask(with("forged"))).await.has("You have signed in again"));
    // Once the password is made the draft is gone.
    assert_eq!(back.post("/app-passwords", WISH).await.cookie("__Host-keydove-draft").as_deref(), Some(""));
}

#[tokio::test]
async fn keydove_has_the_last_word_on_the_proof() {
    let portal = Portal::new(DaemonDouble::new(|request| match request {
        Asked::MakeAppPassword { .. } => Response::Stale,
        request => answer(request, NOW),
    }));
    assert!(portal.post("/app-passwords", WISH).await.location().contains("max_age=300"));
}

#[tokio::test]
async fn what_keydove_rejects_comes_back_with_what_was_filled_in() {
    for (field, why, sentence) in [
        ("name", Rejection::Empty, "give it a name."),
        ("networks", Rejection::Malformed, "one of the networks is none"),
        ("days", Rejection::NotAllowed, "it may not last that long"),
        ("services", Rejection::NotAllowed, "does not have all of these uses"),
        ("name", Rejection::TooMany, "as many app passwords as you may have"),
        ("name", Rejection::TooFast, "too many within the last hour"),
    ] {
        let portal = Portal::new(DaemonDouble::new(move |request| match request {
            Asked::MakeAppPassword { .. } => Response::Rejected { field: field.to_owned(), why },
            request => answer(request, NOW),
        }));
        let page = portal.post("/app-passwords", WISH).await;
        assert_eq!(page.status, 422);
        assert!(
            page.has(sentence) && page.has("value=\"My phone\"") && page.has("role=\"alert\""),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn while_keydove_is_away_nothing_that_was_filled_in_is_lost() {
    let portal = Portal::new(DaemonDouble::away());
    let page = portal.post("/app-passwords", "name=%3Cb%3E%22&services=imap&days=30").await;
    assert_eq!(page.status, 503);
    assert!(page.has("action=\"/app-passwords\"") && page.has("name=\"services\" value=\"imap\""));
    assert!(page.has("value=\"&#60;b&#62;&#34;\"") && !page.has("<b>"), "{}", page.body);
    // A backend of keydove's that is away is the same to people.
    let portal = Portal::new(DaemonDouble::new(|request| match request {
        Asked::MakeAppPassword { .. } => Response::Unavailable { code: "sql_unreachable".to_owned() },
        request => answer(request, NOW),
    }));
    let page = portal.post("/app-passwords", WISH).await;
    assert!(page.status == 503 && page.has("value=\"My phone\"") && page.has("<code>sql_unreachable</code>"));
}

#[tokio::test]
async fn revoking_says_when_it_holds() {
    let portal = Portal::new(DaemonDouble::of_alice());
    assert!(portal.post("/app-passwords/revoke", "id=1").await.has("Revoked: 1."));
    assert_eq!(portal.daemon.last("revoke_app_password")["id"], 1);
    assert!(portal.post("/app-passwords/revoke-all", "").await.has("holds within 5 seconds"));
    let gone = portal.post("/app-passwords/revoke", "id=99").await;
    assert!(gone.status == 404 && gone.has("That is no longer there"));
    for form in ["", "id=", "id=x", "id=1%20OR%201"] {
        assert_eq!(portal.post("/app-passwords/revoke", form).await.status, 400, "{form}");
    }
}

#[tokio::test]
async fn a_language_is_remembered_and_leads_back_to_its_page() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let answer = portal.post("/language", "language=de&to=sessions").await;
    assert_eq!(answer.location(), "/sessions");
    assert_eq!(answer.cookie("__Host-keydove-language").as_deref(), Some("de"));
    assert_eq!(portal.post("/language", "language=de&to=//evil.example").await.location(), "/");
    assert_eq!(portal.post("/language", "language=xx").await.status, 400);
    let request = form_request("/app-passwords/revoke", "id=1")
        .header(COOKIE, "__Host-keydove-language=de")
        .body(Body::from("id=1"));
    assert!(portal.send(request.unwrap()).await.has("Widerrufen: 1."));
}
