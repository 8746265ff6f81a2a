//! `keydove check`: each mistake is made for real, and the command names it and its cure.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json as json_of};

use super::mailcow::world::{RIGHT_HASH, TEMPLATE};
use super::stage::keydove::Keydove;
use super::stage::{Failure, Result, attempt};
use super::{Case, ensure};

/// Exit codes.
const SOUND: i32 = 0;
const FAULT: i32 = 1;

/// A mistake in the file: its name, what stands there in place of what, and what is said of it.
type Mistake = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// Mistakes in `[keycloak]`. `URL` is the address of the real Keycloak.
const MISTAKES: &[Mistake] = &[
    ("realm", "realm = \"mail\"", "realm = \"Mail\"", &["answered 404", "it has no realm of this name"]),
    ("base", "URL\"", "URL/auth\"", &["answered 404", "set server_url = \"URL\""]),
    ("client", "client_id = \"mailcow\"", "client_id = \"Mailcow\"", &["client_id is wrong"]),
    ("public", "client_id = \"mailcow\"", "client_id = \"admin-cli\"", &["answered 401", "service account"]),
    ("dns", "URL\"", "http://sso.invalid\"", &["cannot resolve the host"]),
    ("tls", "http://127.0.0.1", "https://127.0.0.1", &["no TLS for the token request"]),
    ("port", "URL\"", "http://127.0.0.1:1\"", &["cannot connect", "is Keycloak running"]),
    (
        "attribute",
        "realm = \"mail\"",
        "realm = \"mail\"\npassword_attribute = \"mailcow_pasword\"",
        &["`mailcow_pasword` is not declared", "nobody in a sample of people shows the attribute"],
    ),
];

pub const CASES: &[Case] = &[
    ("check_names_each_mistake_about_keycloak_and_its_cure", |system| {
        let right = system.keycloak.url();
        for (name, was, is, said) in MISTAKES {
            let (was, is) = (was.replace("URL", &right), is.replace("URL", &right));
            let keydove = system.keydove.beside(name_of(name), |text| text.replacen(&was, &is, 1))?;
            let text = check(&keydove, FAULT, &[])?;
            for part in *said {
                let part = part.replace("URL", &right);
                ensure(text.contains(&part), || format!("{name}: no `{part}` in\n{text}"))?;
            }
            ensure(text.contains("fault: "), || format!("{name}: no fault in\n{text}"))?;
        }
        Ok(())
    }),
    ("check_names_what_is_wrong_with_the_client", |system| {
        let admin = system.keycloak.admin();
        let client = |id: &str, service_account: bool| {
            json_of!({
                "clientId": id, "secret": "s3cret", "publicClient": false, "standardFlowEnabled": false,
                "directAccessGrantsEnabled": false, "serviceAccountsEnabled": service_account,
            })
        };
        admin.make_client(&client("roleless", true))?;
        admin.make_client(&client("accountless", false))?;
        for (id, said) in [
            ("roleless", "give the client's service account the role view-users"),
            ("accountless", "no service account"),
        ] {
            let keydove = system
                .keydove
                .beside(if id == "roleless" { "check-roleless" } else { "check-accountless" }, |text| {
                    text.replace("client_id = \"mailcow\"", &format!("client_id = \"{id}\""))
                })?;
            let text = check(&keydove, FAULT, &[])?;
            ensure(text.contains(said), || format!("{id}: no `{said}` in\n{text}"))?;
        }
        let secret = system.stage().write("keydove/check.secret", "wr0ng")?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        attempt("close", &secret, std::fs::set_permissions(&secret, mode))?;
        let keydove = system.keydove.beside("check-secret", |text| {
            let own = text.lines().find(|line| line.starts_with("client_secret_file")).unwrap_or_default();
            text.replace(own, &format!("client_secret_file = \"{}\"", secret.display()))
        })?;
        let text = check(&keydove, FAULT, &[])?;
        ensure(text.contains("the client secret is wrong"), || text.clone())?;
        ensure(!text.contains("wr0ng") && !text.contains("s3cret"), || "a secret is shown".to_owned())
    }),
    ("check_tells_each_way_of_not_reaching_the_realm_apart", |system| {
        let admin = system.keycloak.admin();
        let people = vec![super::mailcow::world::person("want27@want27.example")];
        admin.make_realm(&super::sync::realm("my realm", people)?)?;
        // Nobody of the other realm, or nobody could log in.
        system.execute(&format!(
            "DELETE FROM mailbox; {}
             INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, kind, authsource, active)
             VALUES ('want27@want27.example', '', '', 0, 'want27', 'want27.example', '{{}}', '', 'keycloak', 1)",
            super::mailcow::world::domain("want27.example", "")
        ))?;
        let (url, seen) = (system.keycloak.url(), "Keycloak answers, and the service account sees people");
        let secret = system.stage().write("keydove/want27.secret", "wr0ng")?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        attempt("close", &secret, std::fs::set_permissions(&secret, mode))?;
        let wrong_secret = format!("client_secret_file = \"{}\"", secret.display());
        let moved = format!("set server_url = \"{url}\"");
        let (slash, auth) = (format!("{url}/"), format!("{url}/auth"));
        let mut told = std::collections::BTreeSet::new();
        for (name, server, realm, client, secret, said) in [
            ("want27-right", &url, "my realm", "mailcow", "", seen),
            ("want27-slash", &slash, "my realm", "mailcow", "", seen),
            ("want27-auth", &auth, "my realm", "mailcow", "", moved.as_str()),
            ("want27-secret", &url, "my realm", "mailcow", &*wrong_secret, "the client secret is wrong"),
            ("want27-blind", &url, "my realm", "doctor-no-roles", "", "the role view-users"),
            ("want27-realm", &url, "my other realm", "mailcow", "", "it has no realm of this name"),
        ] {
            let keydove = system.keydove.beside(name, |text| {
                let own =
                    text.lines().find(|line| line.starts_with("client_secret_file")).unwrap_or_default();
                let secret = if secret.is_empty() { own } else { secret };
                text.replace(&format!("\"{url}\""), &format!("\"{server}\""))
                    .replace("realm = \"mail\"", &format!("realm = \"{realm}\""))
                    .replace("client_id = \"mailcow\"", &format!("client_id = \"{client}\""))
                    .replace(own, secret)
            })?;
            let text = check(&keydove, if said == seen { SOUND } else { FAULT }, &[])?;
            ensure(text.contains(said), || format!("{name}: no `{said}` in\n{text}"))?;
            ensure(text.contains(seen) == (said == seen), || format!("{name}:\n{text}"))?;
            told.insert(said.to_owned());
        }
        ensure(told.len() == 5, || format!("{told:?}"))
    }),
    ("check_looks_at_one_person", |system| {
        let keydove = system.keydove.beside("check-person", |text| text)?;
        for (user, code, said) in [
            ("alice@example.org", SOUND, "imap: the right password opens the mailbox (keycloak)"),
            ("disabled@example.org", FAULT, "is refused: user_disabled"),
            ("nohash@example.org", FAULT, "is refused: password_missing"),
            ("badscheme@example.org", FAULT, "is told to try again: hash_unusable"),
            ("nobody@example.org", FAULT, "is refused: mailbox_unknown"),
        ] {
            let text = check(&keydove, code, &["--user", user])?;
            ensure(text.contains(said), || format!("{user}: no `{said}` in\n{text}"))?;
        }
        Ok(())
    }),
    ("check_looks_at_sockets_database_domains_and_templates", |system| {
        let edit = |text: String| {
            format!(
                "{text}\n[provisioning]\nenabled = true\ndefault_template = \"CheckDefault\"\n\
                 [provisioning.mappings]\nsilver = \"CheckSilver\"\n"
            )
        };
        let mut keydove = system.keydove.beside("check-parts", edit)?;
        let text = check(&keydove, FAULT, &[])?;
        for part in [
            "`CheckDefault` is not there",
            "`silver` means the template `CheckSilver`, which is not there",
            "nobody has the value `silver`",
        ] {
            ensure(text.contains(part), || format!("no `{part}` in\n{text}"))?;
        }
        for name in ["CheckDefault", "CheckSilver"] {
            system.execute(&format!(
                "INSERT INTO templates (template, type, attributes) VALUES ('{name}', 'mailbox', '{TEMPLATE}')"
            ))?;
        }
        let person = json_of!({
            "email": "silver@example.org", "username": "silver@example.org", "enabled": true,
            "attributes": { "mailcow_password": [RIGHT_HASH], "mailcow_template": ["silver"] },
        });
        system.keycloak.admin().import(&[person])?;
        let text = check(&keydove, SOUND, &["--user", "silver@example.org"])?;
        for part in ["template: `CheckSilver`: ", "domain example.org: ", " answers", "2 of "] {
            ensure(text.contains(part), || format!("no `{part}` in\n{text}"))?;
        }
        ensure(!text.contains("nobody has the value"), || text.clone())?;
        keydove.stop()?;
        let text = check(&keydove, FAULT, &[])?;
        ensure(text.contains("nobody serves it") || text.contains("nobody answers on it"), || text.clone())
    }),
    ("check_reads_the_mail_servers_own_settings", |system| {
        let keydove = &system.keydove;
        let dovecot = system.dovecot.config().display().to_string();
        system.postfix.start();
        let postfix = system.stage().path("postfix/etc").display().to_string();
        let arguments = ["--dovecot-config", dovecot.as_str(), "--postfix-config", postfix.as_str()];
        let text = check(keydove, SOUND, &arguments)?;
        for part in ["Dovecot's login processes ask keydove", "asks keydove"] {
            ensure(text.contains(part), || format!("no `{part}` in\n{text}"))?;
        }
        ensure(!text.contains("no service of this machine's Postfix"), || text.clone())?;
        ensure(text.contains("and dovenull may open it") && text.contains("and postfix may open it"), || {
            text.clone()
        })
    }),
    ("check_speaks_json_and_can_be_strict", |system| {
        let keydove = system.keydove.beside("check-json", |text| text)?;
        let text = check(&keydove, SOUND, &["--json"])?;
        let findings: Vec<Value> =
            serde_json::from_str(&text).map_err(|error| Failure(format!("{error}: {text}")))?;
        let areas = |area: &str| findings.iter().filter(|finding| finding["area"] == area).count();
        ensure(areas("keycloak") > 0 && areas("database") > 0 && areas("sockets") == 1, || text.clone())?;
        // Keycloak is asked without TLS here, which is worth a warning.
        check(&keydove, FAULT, &["--strict"])?;
        let offline = check(&keydove, SOUND, &["--offline"])?;
        ensure(!offline.contains("database:"), || offline)
    }),
    ("check_looks_at_the_command_that_ends_sessions", |system| {
        for (name, program, words) in [
            ("check-kick", "/usr/bin/true", "open sessions are ended by /usr/bin/true; it works, tried with"),
            (
                "check-no-kick",
                "/nonexistent",
                "warning: [kick] /nonexistent fails (/nonexistent cannot be started",
            ),
        ] {
            let kick = format!("\n[kick]\ncommand = [\"{program}\", \"{{user}}\"]\n");
            let keydove = system.keydove.beside(name, |text| text + &kick)?;
            let said = check(&keydove, SOUND, &[])?;
            ensure(said.contains(words), || format!("no `{words}` in {said}"))?;
        }
        Ok(())
    }),
];

/// `beside` wants names that live as long as the program.
fn name_of(mistake: &str) -> &'static str {
    match mistake {
        "realm" => "check-realm",
        "base" => "check-base",
        "client" => "check-client",
        "public" => "check-public",
        "dns" => "check-dns",
        "tls" => "check-tls",
        "port" => "check-port",
        _ => "check-attribute",
    }
}

/// What the command prints; it must end with this code.
fn check(keydove: &Keydove, code: i32, arguments: &[&str]) -> Result<String> {
    let mut command: Command = keydove.command("check");
    let output = attempt("run", Path::new("keydove check"), command.args(arguments).output())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.code() == Some(code), || {
        format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(text)
}
