//! What administrators ask at the portal's socket: who may, that each change leaves its line, and that it holds.

use keydove::portal::admin::{AdminRequest, Effect};
use serde_json::{Value, json};

use super::super::control::make_person;
use super::super::mailcow::world::End::{Accept, Refuse};
use super::super::mailcow::world::{Attempt, OTHER, OTHER_HASH, RIGHT, attempt_at};
use super::super::stage::keydove::remembering;
use super::super::stage::system::System;
use super::super::stage::{Failure, Result};
use super::super::{Case, ensure};
use super::{Stand, now};

const ADMINISTRATOR: &str = "root@example.org";
const USER: &str = "user@example.org";
const ADMINISTRATORS: &str = "[portal]\nadministrators = true\n";

pub const CASES: &[Case] = &[
    ("no_request_of_administrators_is_answered_to_anybody_else", |system| {
        let stand = stand(system, "not-admin", ADMINISTRATORS)?;
        stand.sign_in(USER, json!({}))?;
        for what in AdminRequest::examples() {
            let refused = ask(&stand, &what)?;
            ensure(refused == json!({ "answer": "forbidden" }), || format!("{what:?}: {refused}"))?;
        }
        let log = stand.keydove.log();
        let lines = log.matches("no administrator asked for").count();
        ensure(lines == AdminRequest::examples().len(), || format!("{lines}: {log}"))?;
        // Without a session nobody is anything.
        stand.ask("end_session", json!({}))?;
        for what in AdminRequest::examples() {
            let refused = ask(&stand, &what)?;
            ensure(refused["answer"] == "no_session", || format!("{what:?}: {refused}"))?;
        }
        Ok(())
    }),
    ("nobody_is_an_administrator_unless_the_configuration_says_so", |system| {
        let stand = stand(system, "admin-off", "")?;
        let session = stand.sign_in(ADMINISTRATOR, json!({ "administrator": true }))?;
        ensure(session["administrator"] == false, || session.to_string())?;
        let refused = ask(&stand, &AdminRequest::examples()[0])?;
        ensure(refused["answer"] == "forbidden", || refused.to_string())
    }),
    ("no_change_is_made_on_an_old_proof_and_every_look_is_answered", |system| {
        let stand = stand(system, "admin-stale", ADMINISTRATORS)?;
        // Five minutes and a second: a role that was taken away meanwhile changes nothing any more.
        stand.sign_in(ADMINISTRATOR, json!({ "administrator": true, "auth_time": now() - 301 }))?;
        for what in AdminRequest::examples() {
            let answer = ask(&stand, &what)?;
            let wanted = if what.effect() == Effect::Reads { "administration" } else { "stale" };
            ensure(answer["answer"] == wanted, || format!("{what:?}: {answer}"))?;
        }
        let log = stand.keydove.log();
        ensure(!log.contains("an administrator wanted a change"), || log)
    }),
    ("a_proof_lasts_no_longer_where_keycloaks_clock_is_ahead", |system| {
        let stand = stand(system, "admin-ahead", ADMINISTRATORS)?;
        let session =
            stand.sign_in(ADMINISTRATOR, json!({ "administrator": true, "auth_time": now() + 25 }))?;
        let proven = session["auth_time"].as_u64().unwrap_or(u64::MAX);
        ensure(proven <= now(), || session.to_string())
    }),
    ("each_change_is_made_and_leaves_one_line_that_says_who_what_and_from_where", |system| {
        let stand = stand(system, "admin-line", ADMINISTRATORS)?;
        stand.sign_in(ADMINISTRATOR, json!({ "administrator": true }))?;
        for what in AdminRequest::examples() {
            let Effect::Changes(change) = what.effect() else { continue };
            let answer = ask(&stand, &what)?;
            // What stands against a change is told, and noted too.
            ensure(answer["answer"] == "administration", || format!("{what:?}: {answer}"))?;
            let log = stand.keydove.log();
            let lines: Vec<_> = log.lines().filter(|line| line.contains("wanted a change")).collect();
            let of_this = lines.iter().filter(|line| line.contains(&format!("action=\"{}\"", change.action)));
            let of_this: Vec<_> = of_this.collect();
            let is_right = of_this.len() == 1
                && of_this[0].contains(&format!("user=\"{ADMINISTRATOR}\""))
                && of_this[0].contains("subject=")
                && of_this[0].contains(&format!("row=\"{}\"", change.row))
                && of_this[0].contains("remote=203.0.113.5")
                && of_this[0].contains("end=");
            ensure(is_right, || format!("{change:?}: {of_this:?}"))?;
        }
        Ok(())
    }),
];

/// What is written into rows.
pub const ROWS: &[Case] = &[
    ("an_administrator_switches_who_verifies_the_password_and_the_stored_one_is_kept", |system| {
        let stand = stand(system, "admin-source", ADMINISTRATORS)?;
        stand.sign_in(ADMINISTRATOR, json!({ "administrator": true }))?;
        let login =
            |password: &str, end| attempt_at(&stand.keydove, Attempt::new(USER, password), end).map(drop);
        login(RIGHT, Accept("keycloak"))?;
        // A mailbox that nobody could open with a password of its own is not given away.
        let refused = change(&stand, json!({ "set_source": "mailcow" }))?;
        ensure(refused["obstacle"]["kind"] == "no_own_password", || refused.to_string())?;
        system.execute(&format!("UPDATE mailbox SET password = '{OTHER_HASH}' WHERE username = '{USER}'"))?;
        done(&change(&stand, json!({ "set_source": "mailcow" }))?)?;
        login(RIGHT, Refuse("password_mismatch"))?;
        login(OTHER, Accept("mailbox"))?;
        done(&change(&stand, json!({ "set_source": "keycloak" }))?)?;
        login(OTHER, Refuse("password_mismatch"))?;
        login(RIGHT, Accept("keycloak"))?;
        let rows = system.query(&format!("SELECT password FROM mailbox WHERE username = '{USER}'"))?;
        ensure(rows == [[OTHER_HASH]], || format!("{rows:?}"))
    }),
    ("an_administrator_sees_and_changes_a_person", |system| {
        let stand = stand(system, "admin-person", ADMINISTRATORS)?;
        stand.sign_in(USER, json!({}))?;
        let made = stand.make("phone", &["imap"])?;
        let password = made["password"].as_str().unwrap_or_default().to_owned();
        // The same browser signs in as somebody else, whose session begins; the other one's ends.
        stand.sign_in(ADMINISTRATOR, json!({ "administrator": true }))?;
        let login = |end| attempt_at(&stand.keydove, Attempt::new(USER, &password), end).map(drop);
        login(Accept("app_password"))?;
        let person = show(&stand)?;
        ensure(person["mailbox"]["source"] == "keycloak" && person["mailbox"]["state"] == "on", || {
            person.to_string()
        })?;
        ensure(person["app_passwords"][0]["name"] == "phone", || person.to_string())?;
        let explained = explain(&stand, "imap")?;
        ensure(explained["verdict"] == "accept", || explained.to_string())?;

        let main = |end| attempt_at(&stand.keydove, Attempt::new(USER, RIGHT), end).map(drop);
        done(&change(&stand, json!({ "set_services": ["smtp"] }))?)?;
        main(Refuse("service_forbidden"))?;
        // An app password has switches of its own.
        login(Accept("app_password"))?;
        done(&change(&stand, json!({ "set_services": ["smtp", "imap"] }))?)?;
        main(Accept("keycloak"))?;
        done(&change(&stand, json!({ "set_state": "off" }))?)?;
        login(Refuse("mailbox_disabled"))?;
        let explained = explain(&stand, "imap")?;
        let has_cure = explained["cure"].as_str().is_some_and(|cure| !cure.is_empty());
        ensure(explained["reason"] == "mailbox_disabled" && has_cure, || explained.to_string())?;
        done(&change(&stand, json!({ "set_state": "on" }))?)?;
        login(Accept("app_password"))?;
        done(&change(&stand, json!({ "revoke_app_password": made["id"] }))?)?;
        login(Refuse("password_mismatch"))?;
        let gone = change(&stand, json!({ "revoke_app_password": 999_999 }))?;
        ensure(gone["obstacle"]["kind"] == "unknown", || gone.to_string())?;
        done(&change(&stand, json!("forget"))?)?;
        let refused = show(&stand)?["refused"][0].clone();
        ensure(refused["code"] == "password_mismatch", || refused.to_string())?;
        let person = show(&stand)?;
        ensure(person["app_passwords"] == json!([]), || person.to_string())?;
        // Their own sessions end too, and the next request says so.
        let own = json!({ "people": { "change": { "user": ADMINISTRATOR, "change": "end_sessions" } } });
        done(&say(&stand, &own)?["said"])?;
        let over = stand.ask("session", json!({}))?;
        ensure(over["answer"] == "no_session", || over.to_string())
    }),
    ("an_administrator_searches_mailboxes_and_sees_what_is_left", |system| {
        let stand = stand(system, "admin-lists", ADMINISTRATORS)?;
        stand.sign_in(ADMINISTRATOR, json!({ "administrator": true }))?;
        let search = |text: &str, domain: Option<&str>| {
            let asked = json!({ "search": text, "domain": domain, "page": 0 });
            Ok::<_, Failure>(say(&stand, &json!({ "hosting": { "mailboxes": asked } }))?["said"].clone())
        };
        let found = search("user@", None)?;
        ensure(found["mailboxes"]["rows"][0]["address"] == USER, || found.to_string())?;
        // Nothing in it is a wildcard.
        let found = search("%", Some("example.org"))?;
        ensure(found["mailboxes"]["rows"] == json!([]), || found.to_string())?;
        let odd = search("", Some("no domain"))?;
        ensure(odd["obstacle"]["kind"] == "malformed", || odd.to_string())?;
        let domains = say(&stand, &json!({ "hosting": { "domains": { "search": "example", "page": 0 } } }))?;
        let rows = domains["said"]["domains"]["rows"].as_array().cloned().unwrap_or_default();
        let one = rows.iter().find(|row| row["name"] == "example.org").cloned().unwrap_or_default();
        ensure(one["mailboxes_used"].as_u64().is_some_and(|used| used > 0), || domains.to_string())
    }),
    ("an_administrator_changes_the_limits_of_a_domain_and_no_limit_below_what_is_in_use", |system| {
        let stand = stand(system, "admin-limits", ADMINISTRATORS)?;
        stand.sign_in(ADMINISTRATOR, json!({ "administrator": true }))?;
        let set = |values: Value| {
            let asked = json!({ "domain": "example.org", "values": values });
            Ok::<_, Failure>(say(&stand, &json!({ "hosting": { "set_domain": asked } }))?["said"].clone())
        };
        let said = set(json!([["mailboxes", "1000"], ["max_quota", "20480"], ["quota", "204800"]]))?;
        done(&said)?;
        let rows =
            system.query("SELECT mailboxes, maxquota, quota FROM domain WHERE domain = 'example.org'")?;
        ensure(rows == [["1000", "20480", "204800"]], || format!("{rows:?}"))?;
        let same = set(json!([["mailboxes", "1000"], ["max_quota", "20480"]]))?;
        ensure(same["done"]["count"] == 0, || same.to_string())?;
        for (values, words) in [
            (json!([["mailboxes", "1"]]), "mailboxes already"),
            (json!([["max_quota", "500000"]]), "more than that of all"),
            (json!([["quota", "much"]]), "`quota` cannot be `much`"),
        ] {
            let refused = set(values)?["obstacle"].clone();
            ensure(refused["detail"].as_str().is_some_and(|detail| detail.contains(words)), || {
                refused.to_string()
            })?;
        }
        let unknown = json!({ "hosting": { "domain": { "domain": "elsewhere.example" } } });
        let unknown = say(&stand, &unknown)?;
        ensure(unknown["said"]["obstacle"]["kind"] == "unknown", || unknown.to_string())
    }),
    ("a_template_is_replaced_as_it_was_compared_and_not_after_another_change", |system| {
        let stand = stand(system, "admin-replace", ADMINISTRATORS)?;
        stand.sign_in(ADMINISTRATOR, json!({ "administrator": true }))?;
        let templates =
            |asked: Value| Ok::<_, Failure>(say(&stand, &json!({ "templates": asked }))?["said"].clone());
        done(&templates(json!({ "add": { "name": "Replaced" } }))?)?;
        let text = "{\"quota\": 5242880, \"tags\": [\"new\"]}";
        let wrong = templates(json!({ "compare": { "name": "Replaced", "text": "{\"colour\": 1}" } }))?;
        ensure(wrong["obstacle"]["detail"].as_str().is_some_and(|detail| detail.contains("colour")), || {
            wrong.to_string()
        })?;
        let found = templates(json!({ "compare": { "name": "Replaced", "text": text } }))?;
        let of = found["compared"]["of"].clone();
        let keys = found["compared"]["keys"].as_array().cloned().unwrap_or_default();
        ensure(keys.iter().any(|key| key["key"] == "quota" && key["after"] == "5242880"), || {
            found.to_string()
        })?;
        let values = json!([["tags", "other"]]);
        done(&templates(json!({ "set": { "name": "Replaced", "values": values } }))?)?;
        let replace =
            |of: &Value| templates(json!({ "replace": { "name": "Replaced", "text": text, "of": of } }));
        let refused = replace(&of)?;
        ensure(refused["obstacle"].is_object(), || refused.to_string())?;
        let again = templates(json!({ "compare": { "name": "Replaced", "text": text } }))?;
        done(&replace(&again["compared"]["of"])?)?;
        let stored = system.query("SELECT attributes FROM templates WHERE template = 'Replaced'")?;
        ensure(stored == [[text]], || format!("{stored:?}"))
    }),
    ("the_overview_names_what_was_changed_on_disk_since_the_start", |system| {
        let stand = stand(system, "admin-disk", ADMINISTRATORS)?;
        stand.sign_in(ADMINISTRATOR, json!({ "administrator": true }))?;
        let look = || {
            let said = say(&stand, &json!({ "overview": "show" }))?;
            Ok::<_, Failure>(said["said"]["overview"]["on_disk"].clone())
        };
        let now = look()?;
        ensure(now == json!({ "changed": [], "unusable": false }), || now.to_string())?;
        let path = stand.keydove.config();
        let text = std::fs::read_to_string(path).map_err(|error| Failure(error.to_string()))?;
        let write = |text: String| std::fs::write(path, text).map_err(|error| Failure(error.to_string()));
        write(text.replace("administrators = true", "administrators = true\nsession_idle = \"9m\""))?;
        let changed = look()?;
        ensure(changed == json!({ "changed": ["[portal]"], "unusable": false }), || changed.to_string())?;
        write(format!("colour = 1\n{text}"))?;
        let unusable = look()?;
        ensure(unusable["unusable"] == true, || unusable.to_string())
    }),
];

fn stand<'a>(system: &'a System, name: &'static str, settings: &str) -> Result<Stand<'a>> {
    let stand = Stand::start_with(system, name, |text| format!("{settings}{}", remembering(&text)))?;
    for user in [ADMINISTRATOR, USER] {
        make_person(system, user)?;
    }
    Ok(stand)
}

fn ask(stand: &Stand<'_>, what: &AdminRequest) -> Result<Value> {
    let what = serde_json::to_value(what).map_err(|error| Failure(error.to_string()))?;
    say(stand, &what)
}

fn say(stand: &Stand<'_>, what: &Value) -> Result<Value> {
    stand.ask("administrate", json!({ "what": what, "remote": "203.0.113.5" }))
}

fn change(stand: &Stand<'_>, change: Value) -> Result<Value> {
    let what = json!({ "people": { "change": { "user": USER, "change": change } } });
    Ok(say(stand, &what)?["said"].clone())
}

fn done(said: &Value) -> Result<()> {
    ensure(said["done"].is_object(), || said.to_string())
}

fn show(stand: &Stand<'_>) -> Result<Value> {
    let said = say(stand, &json!({ "people": { "show": { "user": USER } } }))?["said"]["person"].clone();
    ensure(said["user"] == USER, || said.to_string())?;
    Ok(said)
}

fn explain(stand: &Stand<'_>, service: &str) -> Result<Value> {
    let asked = json!({ "user": USER, "service": service, "remote": "192.0.2.9" });
    Ok(say(stand, &json!({ "people": { "explain": asked } }))?["said"]["explained"].clone())
}
