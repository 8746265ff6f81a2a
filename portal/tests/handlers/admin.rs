//! The administrators' pages: who gets there, what changes something, and that nothing in a form is lost.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, COOKIE};
use keydove_words::portal::admin::{
    AdminObstacle, AdminRequest, AdminResponse, Effect, ObstacleKind, SyncRequest,
};
use keydove_words::portal::{Request as Asked, Response};

use super::admin_double::under_way;
use super::double::{HOSTILE_NAME, answer_administrator};
use super::{COOKIE_LINE, DaemonDouble, NOW, Portal, form_request};

pub(super) const PAGES: [&str; 15] = [
    "/admin",
    "/admin/check",
    "/admin/person",
    "/admin/person?user=alice%40example.org",
    "/admin/person?user=alice%40example.org&service=portal&from=192.0.2.7",
    "/admin/mailboxes",
    "/admin/mailboxes?search=a&domain=example.org&page=1",
    "/admin/domains",
    "/admin/domains/show?domain=example.org",
    "/admin/templates",
    "/admin/templates/show?name=Default",
    "/admin/identity-provider",
    "/admin/sync",
    "/admin/sync/run?number=3",
    "/admin/census",
];
pub(super) const FORMS: [(&str, &str); 7] = [
    ("/admin/person/source", "user=alice%40example.org&source=mailcow"),
    ("/admin/person/state", "user=alice%40example.org&state=receive-only"),
    ("/admin/person/services", "user=alice%40example.org&services=imap"),
    ("/admin/person/revoke", "user=alice%40example.org&id=1"),
    ("/admin/person/revoke-all", "user=alice%40example.org"),
    ("/admin/person/forget", "user=alice%40example.org"),
    ("/admin/person/end-sessions", "user=alice%40example.org"),
];
/// They begin something that changes nothing.
const LOOKS: [&str; 3] = ["/admin/sync/rehearse", "/admin/identity-provider/test", "/admin/census/count"];
const START: &str = "/admin/sync/start";
/// The most that a page may weigh, with its style sheet, its script and its icon.
const MOST_BYTES: usize = 60 * 1024;

pub(super) fn of_administrator(auth_time: u64) -> DaemonDouble {
    DaemonDouble::new(move |request| answer_administrator(request, auth_time))
}

/// How many changes keydove was asked for.
pub(super) fn changes(portal: &Portal) -> usize {
    let asked = portal.daemon.all("administrate");
    let what =
        asked.into_iter().map(|line| serde_json::from_value::<AdminRequest>(line["what"].clone()).unwrap());
    what.filter(|what| what.effect() != Effect::Reads).count()
}

#[tokio::test]
async fn whoever_is_no_administrator_is_refused_everywhere_and_sees_no_menu() {
    let portal = Portal::new(DaemonDouble::of_alice());
    for path in PAGES {
        let page = portal.get(path).await;
        assert_eq!(page.status, 403, "{path}");
        assert!(page.has("This page is for administrators"));
    }
    for (path, form) in FORMS {
        assert_eq!(portal.post(path, form).await.status, 403, "{path}");
    }
    assert_eq!(portal.daemon.count("administrate"), 0);
    assert!(!portal.get("/device").await.has("/admin"));
    let administrators = Portal::new(of_administrator(NOW));
    assert!(administrators.get("/device").await.has("href=\"/admin/mailboxes\""));
}

#[tokio::test]
async fn keydove_has_the_last_word_on_who_is_an_administrator() {
    let portal = Portal::new(DaemonDouble::new(|request| match request {
        Asked::Administrate { .. } => Response::Forbidden,
        request => answer_administrator(request, NOW),
    }));
    for path in PAGES.into_iter().filter(|path| *path != "/admin/person") {
        assert_eq!(portal.get(path).await.status, 403, "{path}");
    }
    for (path, form) in FORMS {
        assert_eq!(portal.post(path, form).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn strangers_are_sent_to_sign_in_and_come_back_to_their_page() {
    let portal = Portal::new(of_administrator(NOW));
    let stranger = portal.get_as_stranger("/admin/mailboxes?search=x").await;
    assert_eq!((stranger.status.as_u16(), stranger.location()), (303, "/sign-in?to=admin/mailboxes"));
    let away = portal.get_as_stranger("/sign-in?to=admin/mailboxes").await;
    assert!(away.location().starts_with("https://sso.example.org/"));
}

#[tokio::test]
async fn pages_are_light_have_nothing_inline_and_show_names_as_text() {
    let portal = Portal::new(of_administrator(NOW));
    let mut around = 0;
    for path in ["/style.css", "/script.js", "/icon.svg"] {
        around += portal.get(path).await.body.len();
    }
    for path in PAGES {
        for language in ["en", "de"] {
            let cookies = format!("{COOKIE_LINE}; __Host-keydove-language={language}");
            let request = Request::get(path).header(COOKIE, cookies).body(Body::empty()).unwrap();
            let page = portal.send(request).await;
            assert_eq!(page.status, 200, "{path}: {}", page.body);
            assert!(page.body.len() + around <= MOST_BYTES, "{path}: {} and {around}", page.body.len());
            assert!(!page.has(HOSTILE_NAME) && !page.has("style=") && !page.has("onclick"), "{path}");
            assert!(!page.has("{}"), "{path} has a gap: {}", page.body);
            assert_eq!(page.headers["cache-control"], "no-store");
        }
    }
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing_and_get_changes_nothing() {
    let portal = Portal::new(of_administrator(NOW));
    for (path, form) in FORMS {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://account.example.org")],
            &[("origin", "null")],
        ] {
            let mut request = Request::post(path)
                .header(COOKIE, COOKIE_LINE)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = portal.send(request.body(Body::from(form)).unwrap()).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
        }
        assert_eq!(portal.get(&format!("{path}?{form}")).await.status, 404, "{path}");
    }
    for path in PAGES {
        portal.get(path).await;
    }
    assert_eq!(changes(&portal), 0);
}

#[tokio::test]
async fn an_old_proof_is_renewed_and_the_form_waits_until_it_is_sent_by_a_click() {
    let portal = Portal::new(of_administrator(NOW - 301));
    for (path, form) in FORMS {
        let away = portal.post(path, form).await;
        assert!(away.status == 303 && away.location().contains("max_age=300"), "{path}");
        let draft = away.cookie("__Host-keydove-draft").unwrap();
        assert!(!draft.contains("alice"));
        let cookies = format!("{COOKIE_LINE}; __Host-keydove-draft={draft}");
        let ask =
            |cookies: &str| Request::get("/confirm").header(COOKIE, cookies).body(Body::empty()).unwrap();
        let back = Portal::new(of_administrator(NOW));
        let page = back.send(ask(&cookies)).await;
        assert!(
            page.has(&format!("action=\"{path}\"")) && page.has("Nothing has been changed yet"),
            "{path}"
        );
        assert!(page.has("name=\"user\" value=\"alice@example.org\"") && !page.has("<h2></h2>"));
        assert_eq!(changes(&back), 0);
        // The role was taken away meanwhile.
        let former = Portal::new(DaemonDouble::of_alice());
        assert_eq!(former.send(ask(&cookies)).await.status, 403);
        // Once it is done, it waits no longer.
        let done = back.post(path, form).await;
        assert_eq!((done.status.as_u16(), done.cookie("__Host-keydove-draft").as_deref()), (200, Some("")));
        assert_eq!(changes(&back), 1);
    }
    assert_eq!(changes(&portal), 0);
    // A draft of an administrator's form does not fill in another page.
    assert_eq!(portal.get("/confirm").await.location(), "/");
}

#[tokio::test]
async fn keydove_has_the_last_word_on_the_proof() {
    let portal = Portal::new(DaemonDouble::new(|request| match request {
        Asked::Administrate { what, .. } if what.effect() != Effect::Reads => Response::Stale,
        request => answer_administrator(request, NOW),
    }));
    let (path, form) = FORMS[0];
    assert!(portal.post(path, form).await.location().contains("max_age=300"));
}

#[tokio::test]
async fn each_form_asks_for_one_change_and_says_when_it_holds() {
    let portal = Portal::new(of_administrator(NOW));
    for (number, (path, form)) in FORMS.into_iter().enumerate() {
        let page = portal.post(path, form).await;
        assert!(page.status == 200 && page.has("on every other server within 30 seconds"), "{path}");
        assert_eq!(changes(&portal), number + 1);
    }
    let asked = portal.daemon.all("administrate");
    let sent = asked.iter().map(|line| line["what"]["people"]["change"]["change"].clone());
    let sent: Vec<_> = sent.filter(|change| !change.is_null()).collect();
    assert_eq!(sent[0], serde_json::json!({ "set_source": "mailcow" }));
    assert_eq!(sent[2], serde_json::json!({ "set_services": ["imap"] }));
    for (path, form, status) in [
        ("/admin/person/source", "user=a%40x.org&source=ldap", 400),
        ("/admin/person/source", "source=keycloak", 400),
        ("/admin/person/revoke", "user=a%40x.org&id=1%20OR%201", 400),
        ("/admin/person/delete", "user=a%40x.org", 404),
    ] {
        assert_eq!(portal.post(path, form).await.status, status, "{path} {form}");
    }
    assert_eq!(changes(&portal), FORMS.len());
}

#[tokio::test]
async fn what_stands_against_a_change_is_told_with_what_to_do() {
    for (kind, sentence) in [
        (ObstacleKind::NoOwnPassword, "Set one on the server first"),
        (ObstacleKind::Unknown, "Open the page again"),
        (ObstacleKind::Other, "&#60;b&#62;"),
    ] {
        let portal = Portal::new(DaemonDouble::new(move |request| match request {
            Asked::Administrate { what, .. } if what.effect() != Effect::Reads => Response::Administration {
                said: AdminResponse::Obstacle(AdminObstacle { kind, detail: "<b>".to_owned() }),
            },
            request => answer_administrator(request, NOW),
        }));
        let (path, form) = FORMS[0];
        let page = portal.post(path, form).await;
        assert!(page.status == 422 && page.has(sentence) && page.has("role=\"alert\""), "{kind:?}");
    }
}

#[tokio::test]
async fn while_the_database_is_away_the_form_is_not_lost() {
    let portal = Portal::new(DaemonDouble::new(|request| match request {
        Asked::Administrate { .. } => Response::Unavailable { code: "sql_unreachable".to_owned() },
        request => answer_administrator(request, NOW),
    }));
    let page = portal.post("/admin/person/source", FORMS[0].1).await;
    assert_eq!(page.status, 503);
    assert!(page.has("action=\"/admin/person/source\"") && page.has("name=\"source\" value=\"mailcow\""));
}

#[tokio::test]
async fn a_person_is_explained_with_what_to_do() {
    let portal = Portal::new(of_administrator(NOW));
    let page = portal.get("/admin/person?user=+alice%40example.org&service=smtp&from=192.0.2.7").await;
    assert!(page.has("A login would be refused.") && page.has("<code>mailbox_disabled</code>"));
    assert!(page.has("switch it on") && page.has("value=\"smtp\" selected"));
    let asked = portal.daemon.last("administrate")["what"]["people"]["explain"].clone();
    assert_eq!((&asked["service"], &asked["remote"]), (&"smtp".into(), &"192.0.2.7".into()));
    assert!(
        portal.get("/admin/person?user=alice%40example.org&from=here").await.has("That is no IP address")
    );
    // The administrator's own mailbox can be closed to them, so they are told.
    assert!(page.has("This is your own mailbox"));
    let odd = Portal::new(DaemonDouble::new(|request| match request {
        Asked::Administrate { .. } => Response::Administration {
            said: AdminResponse::Obstacle(AdminObstacle {
                kind: ObstacleKind::Malformed,
                detail: String::new(),
            }),
        },
        request => answer_administrator(request, NOW),
    }));
    assert!(odd.get("/admin/person?user=%3Cb%3E").await.has("That is no mail address"));
    assert!(odd.get("/admin/mailboxes?domain=x").await.has("That is no domain"));
}

#[tokio::test]
async fn a_draft_of_one_form_does_not_fill_in_another_page() {
    let portal = Portal::new(of_administrator(NOW - 301));
    let draft = portal.post("/admin/person/forget", "user=a%40x.org&name=evil").await;
    let cookies =
        format!("{COOKIE_LINE}; __Host-keydove-draft={}", draft.cookie("__Host-keydove-draft").unwrap());
    let request = Request::get("/app-passwords").header(COOKIE, cookies).body(Body::empty()).unwrap();
    assert!(!portal.send(request).await.has("evil"));
    // Somebody who signs in elsewhere meanwhile finds nothing of it.
    let forged = form_request("/confirm", "").header(COOKIE, "__Host-keydove-draft=forged");
    assert_eq!(portal.send(forged.body(Body::empty()).unwrap()).await.status, 404);
}

#[tokio::test]
async fn what_takes_long_is_begun_by_a_form_and_its_page_shows_itself_again() {
    let portal = Portal::new(of_administrator(NOW));
    for path in LOOKS.into_iter().chain([START]) {
        let begun = portal.post(path, "").await;
        let (page, _) = path.rsplit_once('/').unwrap();
        assert_eq!((begun.status.as_u16(), begun.location()), (303, page), "{path}");
        assert_ne!(portal.get(path).await.status, 200, "{path}");
        let request = Request::post(path).header(COOKIE, COOKIE_LINE).header("sec-fetch-site", "cross-site");
        assert_eq!(portal.send(request.body(Body::empty()).unwrap()).await.status, 403, "{path}");
    }
    assert_eq!(changes(&portal), 1);
    let page = portal.get("/admin/sync").await;
    assert_eq!(page.headers["refresh"], "2; url=/admin/sync");
    assert!(page.has("50 of 120 users gone through"));
    assert!(portal.get("/admin/census").await.headers.get("refresh").is_none());
    let page = portal.get("/admin/identity-provider").await;
    assert!(!page.has("hunter2") && page.has("set, and never shown") && page.has("What to do:"));
    let run = portal.get("/admin/sync/run?number=3").await;
    assert!(run.has("Keycloak has no address for them") && run.has("<code>provision_domain_full</code>"));
}

#[tokio::test]
async fn a_run_waits_for_a_new_proof_and_nobody_else_begins_one() {
    let portal = Portal::new(of_administrator(NOW - 301));
    let away = portal.post(START, "").await;
    assert!(away.status == 303 && away.location().contains("max_age=300"));
    let draft = away.cookie("__Host-keydove-draft").unwrap();
    let cookies = format!("{COOKIE_LINE}; __Host-keydove-draft={draft}");
    let request = Request::get("/confirm").header(COOKIE, cookies).body(Body::empty()).unwrap();
    let page = Portal::new(of_administrator(NOW)).send(request).await;
    assert!(page.has("action=\"/admin/sync/start\"") && page.has("Start a run"));
    assert_eq!(changes(&portal), 0);
    let others = Portal::new(DaemonDouble::of_alice());
    for path in LOOKS.into_iter().chain([START]) {
        assert_eq!(others.post(path, "").await.status, 403, "{path}");
    }
    assert_eq!(others.daemon.count("administrate"), 0);
}

#[tokio::test]
async fn a_second_run_is_told_that_one_is_under_way() {
    let portal = Portal::new(DaemonDouble::new(|request| match request {
        Asked::Administrate {
            what: AdminRequest::Sync(SyncRequest::Start | SyncRequest::Rehearse), ..
        } => Response::Administration { said: under_way() },
        request => answer_administrator(request, NOW),
    }));
    for path in [START, "/admin/sync/rehearse"] {
        let page = portal.post(path, "").await;
        assert!(page.status == 200 && page.has("Another one can begin when it has ended"), "{path}");
        assert!(!page.has(HOSTILE_NAME));
    }
}
