//! Limits of domains and templates: each change is one request that names what was filled in.

use super::admin::{changes, of_administrator};
use super::{DaemonDouble, NOW, Portal};

#[tokio::test]
async fn the_limits_of_a_domain_are_changed_by_one_request_that_names_what_was_filled_in() {
    let portal = Portal::new(of_administrator(NOW));
    let page = portal.get("/admin/domains/show?domain=example.org").await;
    assert!(page.has("name=\"default_quota\" value=\"3072\"") && page.has("name=\"mailboxes\" value=\"10\""));
    let done = portal.post("/admin/domains/set", "domain=example.org&mailboxes=20&active=1").await;
    assert!(done.status == 200 && done.has("within 30 seconds"));
    let asked = portal.daemon.all("administrate");
    let set = asked.iter().find_map(|line| line["what"]["hosting"].get("set_domain")).unwrap();
    let values = [["mailboxes", "20"], ["active", "1"]];
    assert_eq!(*set, serde_json::json!({ "domain": "example.org", "values": values }));
    assert_eq!(portal.post("/admin/domains/set", "mailboxes=20").await.status, 400);
    assert_eq!(portal.get("/admin/domains/show").await.status, 404);
    assert_eq!(changes(&portal), 1);
    let old = Portal::new(of_administrator(NOW - 301));
    let away = old.post("/admin/domains/set", "domain=example.org&mailboxes=20").await;
    assert!(away.status == 303 && away.location().contains("max_age=300") && changes(&old) == 0);
}

#[tokio::test]
async fn a_template_is_replaced_after_it_was_compared_and_what_is_wrong_with_a_text_is_shown_beside_it() {
    let portal = Portal::new(of_administrator(NOW));
    let compare = "/admin/templates/compare";
    let page = portal.post(compare, "name=Default&text=%7B%22quota%22%3A0%7D").await;
    assert!(page.status == 200 && page.has("id=\"differences\"") && page.has(">missing</td>"));
    assert!(
        page.has("name=\"of\" value=\"digest\"") && page.has("name=\"text\" value=\"{&#34;quota&#34;:0}\"")
    );
    assert_eq!(changes(&portal), 0);
    let wrong = portal.post(compare, "name=Default&text=%3C%2Ftextarea%3Ey").await;
    assert!(wrong.status == 422 && wrong.has("Nothing was changed") && wrong.has("&#60;/textarea&#62;y"));
    assert!(!wrong.has("id=\"replace\""));
    let form = "name=Default&text=%7B%22quota%22%3A0%7D&of=digest";
    let done = portal.post("/admin/templates/replace", form).await;
    assert!(done.status == 200 && done.has("Mailboxes get it as it is now"));
    let asked = portal.daemon.all("administrate");
    let sent = asked.iter().find_map(|line| line["what"]["templates"].get("replace")).unwrap();
    assert_eq!(*sent, serde_json::json!({ "name": "Default", "text": "{\"quota\":0}", "of": "digest" }));
    assert_eq!(portal.post("/admin/templates/replace", "name=Default&text=%7B%7D").await.status, 400);
    assert_eq!(changes(&portal), 1);
    let old = Portal::new(of_administrator(NOW - 301));
    assert!(old.post("/admin/templates/replace", form).await.location().contains("max_age=300"));
    assert_eq!(changes(&old), 0);
    let others = Portal::new(DaemonDouble::of_alice());
    assert_eq!(others.post(compare, form).await.status, 403);
}

#[tokio::test]
async fn a_template_is_changed_by_one_request_that_names_what_was_filled_in() {
    let portal = Portal::new(of_administrator(NOW));
    let page = portal.get("/admin/templates/show?name=Default").await;
    assert!(page.has("<option selected>1</option>") && page.has("selected>not set</option>"));
    let done = portal.post("/admin/templates/set", "name=Default&pop3_access=0&tags=a").await;
    assert!(done.status == 200 && done.has("Mailboxes get it as it is now"));
    let asked = portal.daemon.all("administrate");
    let set = asked.iter().find_map(|line| line["what"]["templates"].get("set")).unwrap();
    let wanted = serde_json::json!({ "name": "Default", "values": [["pop3_access", "0"], ["tags", "a"]] });
    assert_eq!(*set, wanted);
    assert_eq!(portal.post("/admin/templates/add", "name=Staff").await.status, 200);
    assert_eq!(portal.post("/admin/templates/drop", "name=Staff").await.status, 404);
    assert_eq!(portal.post("/admin/templates/set", "pop3_access=0").await.status, 400);
    assert_eq!(changes(&portal), 2);
    let old = Portal::new(of_administrator(NOW - 301));
    let away = old.post("/admin/templates/set", "name=Default&pop3_access=0").await;
    assert!(away.status == 303 && away.location().contains("max_age=300") && changes(&old) == 0);
}
