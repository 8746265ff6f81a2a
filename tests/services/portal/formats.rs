//! What the portal sends, held against other programs' idea of it: every page against the validator of HTML (vnu), the files
//! for mail programs against schemas, by the RELAX NG validator inside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::super::stage::process::run;
use super::super::stage::system::System;
use super::super::stage::{Failure, Result, attempt, source_tree};
use super::super::{LoneCase, ensure};
use super::browser::{Browser, Scripts};
use super::{ALICE, Portal, sign_in, start};

/// What `tests/setup` has fetched.
const VNU: &str = ".stage/download/vnu-26.9.27.jar";
const RELAX_NG: &str = "nu.validator.vendor.thaiopensource.relaxng.util.Driver";
/// For anybody.
const OPEN_PAGES: [&str; 4] = ["/", "/help", "/signed-out", "/nowhere"];
const PAGES: [&str; 9] = [
    "/device",
    "/device?program=thunderbird",
    "/device?program=apple",
    "/device?program=outlook",
    "/device?program=android",
    "/device?program=other",
    "/app-passwords",
    "/sign-ins",
    "/sessions",
];
const MADE: &str = "name=my+phone&services=imap&services=smtp&days=30&networks=";
const REFUSED: &str = "name=&services=lmtp&days=0&networks=here";

pub const CASES: &[LoneCase] =
    &[("every_page_is_valid_html_and_every_file_for_mail_programs_follows_its_schema", |system| {
        let mut portal = start(system)?;
        let path = system.stage().path("keydove/portal.toml");
        let text = attempt("read", &path, fs::read_to_string(&path))?;
        let more = "[portal]\nhelp = \"https://help.example.org\"\nname = \"Müller & <Söhne> \\\"\"\n";
        let text = text.replace("[portal]\n", more) + "\n[oauth]\nclient_id = \"thunderbird\"\n";
        attempt("write", &path, fs::write(&path, text))?;
        portal.stop();
        portal.start_again()?;
        let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
        sign_in(&browser, &portal, ALICE, "device")?;
        let cookie = browser.cookies()?;
        drop(browser);
        let folder = system.stage().folder("pages")?;
        let mut pages = Vec::new();
        for language in ["en", "de"] {
            for path in OPEN_PAGES {
                let page = fetch(&portal, path, &[("Accept-Language", language)], None)?;
                pages.push(keep(&folder, &format!("{language}-open{}.html", path.replace('/', "-")), &page)?);
            }
            for (number, path) in PAGES.iter().enumerate() {
                let page = fetch(&portal, path, &[("Cookie", &cookie), ("Accept-Language", language)], None)?;
                pages.push(keep(&folder, &format!("{language}-{number}.html"), &page)?);
            }
            for (name, form) in [("made", MADE), ("refused", REFUSED)] {
                let headers =
                    [("Cookie", &*cookie), ("Accept-Language", language), ("Origin", &*portal.address)];
                let page = fetch(&portal, "/app-passwords", &headers, Some(form))?;
                ensure(page.contains("id=\"password\"") == (name == "made"), || page.clone())?;
                pages.push(keep(&folder, &format!("{language}-{name}.html"), &page)?);
            }
        }
        is_valid_html(&pages)?;
        follows_schema(system, &folder, &portal)
    })];

/// A page, as a browser gets it; it is sent to be read and no redirect.
fn fetch(portal: &Portal, path: &str, headers: &[(&str, &str)], form: Option<&str>) -> Result<String> {
    let mut curl = Command::new("/usr/bin/curl");
    curl.args(["-sS", "--noproxy", "*", "--max-time", "60"]);
    for (name, value) in headers {
        curl.arg("-H").arg(format!("{name}: {value}"));
    }
    if let Some(form) = form {
        curl.arg("-d").arg(form);
    }
    let page = run(curl.arg(format!("{}{path}", portal.address)))?;
    ensure(page.trim_end().ends_with('>') || page.starts_with('{'), || format!("{path} is empty: {page}"))?;
    Ok(page)
}

fn keep(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    attempt("write", &path, fs::write(&path, text))?;
    Ok(path)
}

fn java() -> Result<(Command, PathBuf)> {
    let vnu = source_tree().join(VNU);
    ensure(vnu.is_file(), || format!("there is no {}: run tests/setup", vnu.display()))?;
    let mut java = Command::new("java");
    java.args(["-Xss8m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    Ok((java, vnu))
}

/// All in one run: Java takes its time to start.
fn is_valid_html(pages: &[PathBuf]) -> Result<()> {
    let validate = |pages: &[PathBuf]| {
        let (mut java, vnu) = java()?;
        run(java.arg("-jar").arg(vnu).arg("--errors-only").args(pages)).map(drop)
    };
    validate(pages)?;
    let [first, ..] = pages else { return Err(Failure("there is no page".to_owned())) };
    let text = attempt("read", first, fs::read_to_string(first))?;
    let broken = first.with_file_name("broken.html");
    attempt("write", &broken, fs::write(&broken, text.replace("</main>", "")))?;
    ensure(validate(&[broken]).is_err(), || "the validator finds nothing in a broken page".to_owned())
}

fn follows_schema(system: &System, folder: &Path, portal: &Portal) -> Result<()> {
    let here = source_tree().join("tests/services/portal");
    let asked = "<Request><EMailAddress>alice@example.org</EMailAddress></Request>";
    for (schema, path, form) in [
        ("autoconfig.rnc", "/mail/config-v1.1.xml?emailaddress=alice@example.org", None),
        ("autoconfig.rnc", "/.well-known/autoconfig/mail/config-v1.1.xml", None),
        ("autodiscover.rnc", "/autodiscover/autodiscover.xml", Some(asked)),
        ("autodiscover.rnc", "/Autodiscover/Autodiscover.xml", None),
    ] {
        let file = keep(folder, "program.xml", &fetch(portal, path, &[("Content-Type", "text/xml")], form)?)?;
        let (mut java, vnu) = java()?;
        let validate = java.arg("-cp").arg(vnu).arg(RELAX_NG).arg("-c").arg(here.join(schema)).arg(file);
        run(validate).map_err(|failure| Failure(format!("{path} against {schema}: {}", failure.0)))?;
    }
    let text = fetch(portal, "/.well-known/user-agent-configuration.json", &[], None)?;
    let document: Value = serde_json::from_str(&text).map_err(|error| Failure(format!("{error}: {text}")))?;
    is_pacc(&document).map_err(|what| Failure(format!("{what}: {text}")))?;
    // Nothing in them is a secret of the system's.
    ensure(!text.contains("secret") && !system.stage().path("pages/secret").exists(), || text.clone())
}

/// The rules of draft-ietf-mailmaint-pacc for what we write: objects by the names of the draft, hosts without ports, addresses
/// of the web, one way to log in at least.
fn is_pacc(document: &Value) -> std::result::Result<(), String> {
    let object = |value: &Value, known: &[&str], required: &[&str]| {
        let object = value.as_object().ok_or_else(|| format!("{value} is no object"))?;
        let unknown = object.keys().find(|key| !known.contains(&key.as_str()));
        let missing = required.iter().find(|key| !object.contains_key(**key));
        match (unknown, missing) {
            (None, None) => Ok(object.clone()),
            (unknown, missing) => Err(format!("unknown: {unknown:?}, missing: {missing:?}")),
        }
    };
    let top = ["authentication", "info", "protocols"];
    object(document, &top, &top)?;
    let authentication = object(&document["authentication"], &["password", "oauth-public"], &[])?;
    let takes_password = authentication.get("password") == Some(&Value::Bool(true));
    if !takes_password && !authentication.contains_key("oauth-public") {
        return Err("nobody can log in".to_owned());
    }
    object(&document["info"], &["provider", "help"], &["provider"])?;
    object(&document["info"]["provider"], &["name", "shortName", "logo"], &["name"])?;
    let known = ["imap", "pop3", "smtp", "managesieve", "sieve", "jmap", "caldav", "carddav"];
    for (name, protocol) in object(&document["protocols"], &known, &["smtp"])? {
        let is_host = |host: &str| !host.is_empty() && !host.contains([':', '/', ' ']);
        let is_good = match (protocol["host"].as_str(), protocol["url"].as_str()) {
            (Some(host), None) => is_host(host),
            (None, Some(url)) => url.starts_with("https://"),
            _ => false,
        };
        if !is_good {
            return Err(format!("{name} is {protocol}"));
        }
    }
    Ok(())
}
