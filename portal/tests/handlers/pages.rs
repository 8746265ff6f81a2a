//! What is on pages, and around them.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE};
use keydove_words::portal::Response;

use super::double::HOSTILE_NAME;
use super::{COOKIE_LINE, DaemonDouble, Portal};

const PAGES: [&str; 8] = [
    "/",
    "/help",
    "/signed-out",
    "/device",
    "/device?program=thunderbird",
    "/app-passwords",
    "/sign-ins",
    "/sessions",
];
/// The most that a page may weigh, with its style sheet, its script and its icon.
const MOST_BYTES: usize = 60 * 1024;

#[tokio::test]
async fn every_answer_has_the_headers() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let mut answers = Vec::new();
    for path in PAGES.into_iter().chain([
        "/nowhere",
        "/style.css",
        "/mail/config-v1.1.xml",
        "/sign-in",
        "/sign-in/done",
    ]) {
        answers.push((path, portal.get(path).await));
    }
    answers.push(("/sign-out", portal.post("/sign-out", "").await));
    answers.push(("away", Portal::new(DaemonDouble::away()).get("/device").await));
    for (path, answer) in answers {
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             form-action 'self' https://sso.example.org; frame-ancestors 'none'; base-uri 'none'"
        );
        for (name, value) in [
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        let kept = path == "/style.css";
        assert_eq!(answer.headers["cache-control"] == "no-store", !kept, "{path}");
    }
}

#[tokio::test]
async fn pages_weigh_little_and_have_nothing_inline() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let mut around = 0;
    for path in ["/style.css", "/script.js", "/icon.svg"] {
        around += portal.get(path).await.body.len();
    }
    for path in PAGES {
        let page = portal.get(path).await;
        assert!(page.body.len() + around <= MOST_BYTES, "{path}: {} and {around}", page.body.len());
        assert!(
            !page.has("style=") && !page.has("<style") && !page.has("onclick") && !page.has("javascript:"),
            "{path}"
        );
        assert_eq!(
            page.body.matches("<script").count(),
            page.body.matches("<script src=\"/script.js").count(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn each_page_is_whole_in_each_language() {
    let portal = Portal::new(DaemonDouble::of_alice());
    for (language, word) in [("en", "Set up a device"), ("de", "Gerät einrichten")] {
        for path in &PAGES[3..] {
            let request = Request::get(*path).header(COOKIE, COOKIE_LINE).header(ACCEPT_LANGUAGE, language);
            let page = portal.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(page.status, 200, "{path}");
            assert!(page.has(&format!("<html lang=\"{language}\">")) && page.has(word), "{path}");
            assert_eq!(page.body.matches("<h1>").count(), 1, "{path}");
            assert!(page.body.trim_end().ends_with("</html>") && !page.has("{}"), "{path}");
        }
    }
}

#[tokio::test]
async fn names_are_only_names() {
    let portal = Portal::new(DaemonDouble::of_alice());
    for path in ["/app-passwords", "/sign-ins"] {
        let page = portal.get(path).await;
        assert!(!page.has(HOSTILE_NAME) && !page.has("<script>alert"), "{path}");
        assert!(page.has("&#60;script&#62;alert(1)"), "{path}");
    }
}

#[tokio::test]
async fn the_device_page_says_which_password_and_how() {
    let portal = Portal::new(DaemonDouble::of_alice());
    let page = portal.get("/device").await;
    assert!(page.has("<strong>An app password, not the password you sign in with here.</strong>"));
    assert!(page.has("mail.example.org") && page.has("993") && page.has("<bdi>alice@example.org</bdi>"));
    // Sieve is on for the mailbox, but the configuration names no server for it.
    assert!(!page.has("ManageSieve"));
    assert!(portal.get("/device?program=thunderbird").await.has("/device/thunderbird.xpi"));
    assert!(portal.get("/device?program=apple").await.has("name=\"program\" value=\"apple\""));
    assert!(portal.get("/device?program=android").await.has("name=\"program\" value=\"android\""));
    assert_eq!(portal.get("/device?program=%3Cscript%3E").await.status, 200);
    let add_on = portal.get("/device/thunderbird.xpi").await;
    assert!(add_on.has("oauth_provider") && add_on.body.starts_with("PK"));
}

#[tokio::test]
async fn what_anybody_may_fetch_is_the_same_for_everybody() {
    let portal = Portal::new(DaemonDouble::away());
    let path = "/.well-known/autoconfig/mail/config-v1.1.xml";
    let known = portal.get_as_stranger(&format!("{path}?emailaddress=alice@example.org")).await;
    let unknown = portal.get_as_stranger("/mail/config-v1.1.xml?emailaddress=%3Cx%3E@nowhere.example").await;
    assert_eq!((known.status.as_u16(), &known.body), (200, &unknown.body));
    let json = portal.get_as_stranger("/.well-known/user-agent-configuration.json").await;
    assert!(json.has("\"protocols\"") && json.headers["content-type"] == "application/json");
    // Outlook posts without any header of browsers.
    let form = "<Request><EMailAddress>alice@example.org</EMailAddress></Request>";
    let request = Request::post("/Autodiscover/Autodiscover.xml").header("content-type", "text/xml");
    let answer = portal.send(request.body(Body::from(form)).unwrap()).await;
    assert!(answer.status == 200 && answer.has("<LoginName>alice@example.org</LoginName>"));
    assert!(portal.get_as_stranger("/autodiscover/autodiscover.json?Email=x").await.has("AutodiscoverV1"));
}

#[tokio::test]
async fn every_problem_is_a_page_that_says_who_can_mend_it() {
    for (code, heading) in [
        ("provision_max_mailbox_exceeded", "There is no room for another mailbox"),
        ("provision_template_missing", "Nothing says what your mailbox should be like"),
        ("user_disabled", "Your mailbox is switched off"),
        ("role_missing", "You may not use mail here"),
    ] {
        let portal = Portal::new(DaemonDouble::new(move |_| Response::Refused { code: code.to_owned() }));
        let page = portal.get("/device").await;
        assert!(
            page.status == 403 && page.has(heading) && page.has(&format!("<code>{code}</code>")),
            "{code}"
        );
        assert!(page.has("dministrator") && page.has("openid-connect/logout"), "{code}");
    }
    let portal = Portal::new(DaemonDouble::new(|_| Response::Error { detail: "secret detail".to_owned() }));
    let page = portal.get("/device").await;
    assert!(page.status == 502 && page.has("different versions") && !page.has("secret detail"));
    assert_eq!(portal.get("/nowhere").await.status, 404);
}
