//! Templates as mailcow stores them, and as people edit them.

use super::*;

/// The template that mailcow seeds.
pub(in crate::provision) const DEFAULT: &str = r#"{"tags":[],"quota":0,"quarantine_notification":"hourly","quarantine_category":"reject","rl_frame":"s","rl_value":"","force_pw_update":0,"force_tfa":0,"sogo_access":1,"active":1,"tls_enforce_in":0,"tls_enforce_out":0,"imap_access":1,"pop3_access":1,"smtp_access":1,"sieve_access":1,"eas_access":1,"dav_access":1,"acl_spam_alias":1,"acl_tls_policy":1,"acl_spam_score":1,"acl_spam_policy":1,"acl_delimiter_action":1,"acl_syncjobs":0,"acl_eas_reset":1,"acl_sogo_profile_reset":0,"acl_pushover":1,"acl_quarantine":1,"acl_quarantine_attachments":1,"acl_quarantine_notification":1,"acl_quarantine_category":1,"acl_app_passwds":1}"#;

fn stored(name: &str, attributes: &str) -> StoredTemplate {
    StoredTemplate { name: name.to_owned(), attributes: attributes.to_owned() }
}

fn read(attributes: &str) -> TemplateAttributes {
    let templates = [stored("Default", DEFAULT), stored("x", attributes)];
    Template::find(&templates, "x").unwrap().attributes
}

fn alone(attributes: &str) -> TemplateAttributes {
    Template::find(&[stored("x", attributes)], "x").unwrap().attributes
}

/// Edge case 56; the sums are PHP 8.2's.
#[test]
fn the_hash_is_phps() {
    for (text, hash) in [
        ("{}", "361e62c2867dd0ef6df55af608898e82b4d020f4"),
        (r#"{"tags":["a/b","ü"],"quota":0}"#, "53ed8ad4160e8f3b7c863e037f906d439ff0c538"),
        (r#"{"tags":["\\/","\u00fc","😀"],"quota":"1"}"#, "8bf492dba745542ffe5269cbfe28f5c2dfaf4356"),
        ("{\"x\":\"\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}\"}", "e9fc5be15f66ec92fac3e35345b8aeee7df22789"),
        ("{\"k\":\"<>&'\"}", "6e4d826066ecb6385b0e29090c5f13c02cef655c"),
        ("\u{2028}\u{2029}\u{0}", "f5e07ce9b83e3dc13cd71527ad30fbd577a8f461"),
    ] {
        assert_eq!(attribute_hash(text), hash, "{text}");
    }
    assert_ne!(attribute_hash("{}"), attribute_hash("{ }"), "edge case 57");
}

#[test]
fn mailcows_own_template_is_read() {
    let attributes = alone(DEFAULT);
    assert_eq!(attributes.switches, SWITCH_DEFAULTS);
    assert_eq!((attributes.quota_mib, attributes.active), (0, 1));
    assert_eq!((attributes.rate_limit, attributes.tagged_mail), (RateLimit::Clear, None));
    let expected = UserAcl::from_fn(|right| !matches!(right, "syncjobs" | "sogo_profile_reset" | "pw_reset"));
    assert_eq!(attributes.acl, expected);
}

#[test]
fn a_missing_key_is_the_first_templates_and_then_mailcows() {
    let first = r#"{"imap_access":0,"quarantine_category":"all","tags":["one"],"quota":1048576,"rl_frame":"h","rl_value":5,"acl_syncjobs":1,"pop3_access":null,"tagged_mail_handler":"subject"}"#;
    let templates = [stored("first", first), stored("x", r#"{"imap_access":null,"pop3_access":"1"}"#)];
    let attributes = Template::find(&templates, "x").unwrap().attributes;
    let switch = |key| attributes.switches[SWITCHES.iter().position(|switch| *switch == key).unwrap()];
    assert_eq!((switch("imap_access"), switch("pop3_access"), switch("smtp_access")), (0, 1, 1));
    assert_eq!(attributes.quarantine_category, "all");
    assert_eq!(attributes.quarantine_notification, "hourly");
    assert_eq!(attributes.tags, ["one"]);
    assert_eq!(attributes.rate_limit, RateLimit::Set("5 / 1h".to_owned()));
    assert_eq!(attributes.quota_mib, 0, "not inherited");
    assert_eq!(attributes.acl, UserAcl::from_fn(|_| false), "not inherited");
    assert_eq!(attributes.tagged_mail, None, "not inherited");
}

/// Edge cases 48 and 49.
#[test]
fn the_quota_is_cut_down_to_whole_mebibytes() {
    for (quota, mib) in [
        ("0", 0),
        ("1048575", 0),
        ("1048576", 1),
        ("3222274047", 3072),
        ("\"5242880\"", 5),
        ("1.5e6", 1),
        ("null", 0),
        ("\"\"", 0),
    ] {
        assert_eq!(read(&format!("{{\"quota\":{quota}}}")).quota_mib, mib, "{quota}");
    }
}

/// Edge case 54.
#[test]
fn the_first_26_tags_are_used() {
    let thirty: Vec<_> = (0..30).map(|number| format!("\"tag{number}\"")).collect();
    let tags = read(&format!("{{\"tags\":[{}]}}", thirty.join(","))).tags;
    assert_eq!((tags.len(), tags.last().map(String::as_str)), (26, Some("tag25")));
    assert_eq!(read(r#"{"tags":["a","","0",7,null]}"#).tags, ["a", "7"]);
    assert_eq!(read(r#"{"tags":{"10":"c","2":"b","26":"z"}}"#).tags, ["b", "c"]);
    assert!(read(r#"{"tags":"a"}"#).tags.is_empty());
}

/// Edge case 55.
#[test]
fn a_rate_limit_is_set_or_cleared() {
    for (json, limit) in [
        (r#""rl_value":"10","rl_frame":"h""#, RateLimit::Set("10 / 1h".to_owned())),
        (r#""rl_value":3,"rl_frame":"d""#, RateLimit::Set("3 / 1d".to_owned())),
        (r#""rl_value":"","rl_frame":"h""#, RateLimit::Clear),
        (r#""rl_value":"0","rl_frame":"h""#, RateLimit::Clear),
        (r#""rl_value":"10","rl_frame":"w""#, RateLimit::Leave),
        (r#""rl_value":"","rl_frame":"""#, RateLimit::Leave),
    ] {
        assert_eq!(read(&format!("{{{json}}}")).rate_limit, limit, "{json}");
    }
}

#[test]
fn tagged_mail_goes_where_the_template_says() {
    for (value, wanted) in [
        ("\"subfolder\"", Some(TaggedMail::Subfolder)),
        ("\"subject\"", Some(TaggedMail::Subject)),
        ("\"none\"", Some(TaggedMail::Inbox)),
        ("null", None),
    ] {
        assert_eq!(read(&format!("{{\"tagged_mail_handler\":{value}}}")).tagged_mail, wanted, "{value}");
    }
}

#[test]
fn names_are_found_whatever_their_case_and_the_first_counts() {
    let templates = [stored("Gold", "{\"active\":2}"), stored("gold", "{\"active\":0}")];
    assert_eq!(Template::find(&templates, "GOLD").unwrap().attributes.active, 2);
    for (name, attributes) in [("silver", "{}"), ("list", "[]"), ("cut", "{"), ("text", "\"x\"")] {
        let templates = [stored("Gold", "{}"), stored(if name == "silver" { "x" } else { name }, attributes)];
        assert_eq!(Template::find(&templates, name), Err(ProvisionRefusal::TemplateMissing), "{name}");
    }
}
