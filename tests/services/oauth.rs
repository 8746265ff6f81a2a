//! Access tokens instead of passwords, issued by a real Keycloak and presented through real mail servers.

mod tokens;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::clients::{imap_token, smtp_capabilities, smtp_token};
use super::mailcow::world::End::{Accept, CannotTell, Refuse};
use super::mailcow::world::{
    Attempt, End, RIGHT, RIGHT_HASH, TEMPLATE, attempt_at, check, connect, domain, log_line, prompt, quote,
};
use super::stage::keydove::{Keydove, remembering};
use super::stage::relay::Conduct;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{Case, LoneCase, ensure, eventually, transport};
pub use tokens::tampered;
use tokens::{header, with_claim, with_header};

/// Whoever has a token for `mailcow` from the client of the case.
pub const OAUTH: &str = "\n[oauth]\naudiences = [\"mailcow\"]\nleeway = \"0\"\nscope = \"mail\"\n";
/// The lifetime of a token that is to be over soon.
const SHORT: Duration = Duration::from_secs(2);

pub const CASES: &[Case] = &[
    ("a_token_opens_what_the_same_person_may_open_with_a_password", |system| {
        let (keydove, address) = (start(system, "oauth1", OAUTH)?, "oauth1@example.org");
        let token = new_person(system, "oauth1", address)?;
        try_token(&keydove, address, &token, Accept("token"))?;
        try_token(&keydove, &address.to_uppercase(), &token, Accept("token"))?;
        attempt_at(&keydove, Attempt::new(address, RIGHT), Accept("keycloak"))?;
        // The service's switch, the mailbox and its source count for both.
        for (change, back, reason) in [
            ("attributes = '{\"imap_access\":\"0\"}'", "attributes = '{}'", "service_forbidden"),
            ("active = 2", "active = 1", "mailbox_disabled"),
            ("authsource = 'mailcow'", "authsource = 'keycloak'", "source_unsupported"),
        ] {
            let set = |columns| {
                system.execute(&format!("UPDATE mailbox SET {columns} WHERE username = '{address}'"))
            };
            set(change)?;
            try_token(&keydove, address, &token, Refuse(reason))?;
            set(back)?;
        }
        system.keycloak.admin().update(address, |user| user["enabled"] = false.into())?;
        try_token(&keydove, address, &token, Refuse("user_disabled"))?;
        let log = keydove.log();
        ensure(!log.contains(&token) && !log.contains(&token[token.len() - 40..]), || {
            "a token is in the log".to_owned()
        })
    }),
    ("a_token_that_is_not_for_this_is_refused_with_its_reason_in_the_log_only", |system| {
        let (keydove, address) = (start(system, "oauth2", OAUTH)?, "oauth2@example.org");
        let admin = system.keycloak.admin();
        let token = new_person(system, "oauth2", address)?;
        admin.make_client(&client("oauth2-for-others", &json!([]), None))?;
        admin.make_client(&client("oauth2-short", &json!([audience()]), Some("1")))?;
        let everything = admin.tokens("oauth2", address, RIGHT)?;
        let short = access(&admin.tokens("oauth2-short", address, RIGHT)?)?;
        let for_others = access(&admin.tokens("oauth2-for-others", address, RIGHT)?)?;
        let text = |key: &str| everything[key].as_str().unwrap_or_default().to_owned();
        sleep(SHORT);
        for (token, reason) in [
            (short, "token_expired"),
            (for_others, "token_audience"),
            (text("id_token"), "token_invalid"),
            (text("refresh_token"), "token_invalid"),
            (tampered(&token), "token_signature"),
            (with_header(&token, |header| header["alg"] = "none".into()), "token_invalid"),
            (with_header(&token, |header| header["alg"] = "HS256".into()), "token_invalid"),
            (with_header(&token, |header| header["alg"] = "RS512".into()), "token_signature"),
            (with_claim(&token, "email", "alice@example.org"), "token_user_mismatch"),
            (with_claim(&token, "family_name", "Mallory"), "token_signature"),
            ("nonsense".to_owned(), "token_invalid"),
        ] {
            try_token(&keydove, address, &token, Refuse(reason))?;
        }
        try_token(&keydove, "alice@example.org", &token, Refuse("token_user_mismatch"))?;
        try_token(
            &keydove,
            "alice@example.org",
            &with_claim(&token, "email", "alice@example.org"),
            Refuse("token_signature"),
        )?;
        try_token(&keydove, address, &token, Accept("token"))
    }),
    ("a_token_opens_mailboxes_of_its_own_realms_domains_only", |system| {
        let admin = system.keycloak.admin();
        let (address, other) = ("oauth3@example.org", "oauth3@oauth3.example");
        admin.make_realm(&other_realm(&[address, other]))?;
        let token = new_person(system, "oauth3", address)?;
        system.execute(&(domain("oauth3.example", "") + &mailbox(other)))?;
        let keydove = system.keydove.beside("oauth3", |text| {
            let secret = text.lines().find(|line| line.starts_with("client_secret_file")).unwrap_or_default().to_owned();
            let second = format!(
                "\n[[keycloak_source]]\nserver_url = \"{}\"\nrealm = \"oauth three\"\nclient_id = \"mailcow\"\n\
                 {secret}\ndomains = [\"oauth3.example\"]\n",
                system.keycloak.url()
            );
            format!("{}{second}{OAUTH}", prompt(&text))
        })?;
        let there = admin.in_realm("oauth three");
        let same_address = access(&there.tokens("oauth3", address, RIGHT)?)?;
        let own = access(&there.tokens("oauth3", other, RIGHT)?)?;
        try_token(&keydove, address, &token, Accept("token"))?;
        try_token(&keydove, address, &same_address, Refuse("token_issuer"))?;
        try_token(&keydove, other, &own, Accept("token"))?;
        try_token(&keydove, other, &token, Refuse("token_issuer"))
    }),
    ("a_token_of_somebody_who_had_the_address_before_opens_nothing", |system| {
        let (keydove, address) = (start(system, "oauth10", OAUTH)?, "oauth10@example.org");
        let admin = system.keycloak.admin();
        let token = new_person(system, "oauth10", address)?;
        admin.delete(address)?;
        try_token(&keydove, address, &token, Refuse("user_gone"))?;
        admin.import(&[person(address)])?;
        try_token(&keydove, address, &token, Refuse("token_subject_mismatch"))?;
        try_token(&keydove, address, &access(&admin.tokens("oauth10", address, RIGHT)?)?, Accept("token"))
    }),
    ("what_rules_out_passwords_does_not_rule_out_tokens", |system| {
        let only = format!("{OAUTH}[app_passwords]\nonly = true\n");
        let (keydove, address) = (start(system, "oauth4", &only)?, "oauth4@example.org");
        let token = new_person(system, "oauth4", address)?;
        attempt_at(&keydove, Attempt::new(address, RIGHT), Refuse("app_password_required"))?;
        try_token(&keydove, address, &token, Accept("token"))
    }),
    ("the_first_login_by_a_token_makes_the_mailbox", |system| {
        let settings = format!("{OAUTH}[provisioning]\nenabled = true\ndefault_template = \"Oauth\"\n");
        let (keydove, address) = (start(system, "oauth5", &settings)?, "oauth5@oauth5.example");
        let template = format!(
            "INSERT INTO templates (template, type, attributes) VALUES ('Oauth', 'mailbox', {});",
            quote(TEMPLATE)
        );
        system.execute(&(domain("oauth5.example", "") + &template))?;
        let token = new_token(system, "oauth5", address)?;
        let rows = || system.query(&format!("SELECT username FROM mailbox WHERE username = '{address}'"));
        try_token(&keydove, address, &tampered(&token), Refuse("token_signature"))?;
        ensure(rows()?.is_empty(), || "a token that nobody signed made a mailbox".to_owned())?;
        try_token(&keydove, address, &token, Accept("token"))?;
        ensure(rows()?.len() == 1, || "there is no mailbox".to_owned())?;
        try_token(&keydove, address, &token, Accept("token"))
    }),
    ("a_session_that_was_ended_is_known_by_introspection", |system| {
        let settings = format!("{OAUTH}introspection = true\nintrospection_cache = \"1s\"\n");
        let settings =
            settings.replace("audiences = [\"mailcow\"]", "clients = [\"oauth6\", \"oauth6-alone\"]");
        let (keydove, address) = (start(system, "oauth6", &settings)?, "oauth6@example.org");
        let admin = system.keycloak.admin();
        let token = new_person(system, "oauth6", address)?;
        try_token(&keydove, address, &token, Accept("token"))?;
        // Keycloak says nothing about tokens that are not for the client that asks.
        admin.make_client(&client("oauth6-alone", &json!([]), None))?;
        let alone = access(&admin.tokens("oauth6-alone", address, RIGHT)?)?;
        try_token(&keydove, address, &alone, CannotTell("keycloak_settings"))?;
        admin.log_out(address)?;
        eventually(|| try_token(&keydove, address, &token, Refuse("token_revoked")))
    }),
    ("keys_are_fetched_once_and_once_more_for_a_new_one", |system| {
        let admin = system.keycloak.admin();
        admin.make_realm(&other_realm_named("oauth-keys", &["oauth7@example.org"]))?;
        system.execute(&mailbox("oauth7@example.org"))?;
        let admin = admin.in_realm("oauth-keys");
        let relay = system.keycloak.relay(Conduct::Pass)?;
        let (url, address) = (system.keycloak.url(), "oauth7@example.org");
        let keydove = system.keydove.beside("oauth7", |text| {
            let server = format!("server_url = \"{url}\"\nrealm = \"mail\"");
            let through =
                format!("server_url = \"{}\"\npublic_url = \"{url}\"\nrealm = \"oauth-keys\"", relay.url());
            remembering(&prompt(&text.replace(&server, &through))) + OAUTH
        })?;
        let fetches = |wanted: usize| {
            let fetched = relay.requests("openid-connect/certs").len();
            ensure(fetched == wanted, || format!("keys were fetched {fetched} times instead of {wanted}"))
        };
        let token = access(&admin.tokens("oauth3", address, RIGHT)?)?;
        for _ in 0..3 {
            try_token(&keydove, address, &token, Accept("token"))?;
        }
        fetches(1)?;
        let before = relay.requests("").len();
        try_token(&keydove, address, &token, Accept("token"))?;
        ensure(relay.requests("").len() == before, || "a known person's token cost a call".to_owned())?;
        admin.rotate_key("oauth7")?;
        let newer = access(&admin.tokens("oauth3", address, RIGHT)?)?;
        ensure(header(&newer)["kid"] != header(&token)["kid"], || "the key was not rotated".to_owned())?;
        try_token(&keydove, address, &newer, Accept("token"))?;
        try_token(&keydove, address, &token, Accept("token"))?;
        fetches(2)?;
        // A key that was made up may be one that is newer still.
        let made_up = with_header(&newer, |header| header["kid"] = "made-up".into());
        try_token(&keydove, address, &made_up, CannotTell("token_key_unknown"))?;
        try_token(&keydove, address, &newer, Accept("token"))?;
        fetches(2)
    }),
];

pub const LONE_CASES: &[LoneCase] = &[
    ("real_mail_programs_log_in_with_tokens_and_are_told_of_refusals_in_two_steps", |system| {
        let address = "oauth8@example.org";
        let token = new_person(system, "oauth8", address)?;
        system.keydove.stop()?;
        system.keydove.start_changed(|text| text + OAUTH)?;
        // A process that took the list of mechanisms before knows the old one.
        system.postfix.reload()?;
        let end = offered(system).and_then(|()| mail_programs(system, address, &token));
        system.keydove.stop()?;
        system.keydove.start_again()?;
        end
    }),
    ("without_keycloak_tokens_are_verified_with_the_keys_that_are_known_and_never_called_wrong", |system| {
        let address = "oauth9@example.org";
        let token = new_person(system, "oauth9", address)?;
        let long = |name| system.keydove.beside(name, |text| remembering(&prompt(&text)) + OAUTH);
        let (known, fresh) = (long("oauth9")?, long("oauth9-fresh")?);
        try_token(&known, address, &token, Accept("token"))?;
        system.keycloak.stop()?;
        let ends = [
            try_token(&known, address, &token, Accept("token")),
            try_token(&known, address, &tampered(&token), Refuse("token_signature")),
            try_token(&fresh, address, &token, CannotTell("keycloak_refused")),
            try_token(&fresh, address, &tampered(&token), CannotTell("keycloak_refused")),
        ];
        system.keycloak.start_again()?;
        system.keycloak.wait_until_ready()?;
        ends.into_iter().collect::<Result<()>>()?;
        eventually(|| try_token(&fresh, address, &token, Accept("token")))
    }),
];

/// Waits until Postfix offers the mechanisms.
fn offered(system: &System) -> Result<()> {
    eventually(|| {
        let lines = transport(smtp_capabilities(system.postfix.submission))?;
        ensure(lines.iter().any(|line| line.contains("AUTH") && line.contains("OAUTHBEARER XOAUTH2")), || {
            lines.join(" ")
        })
    })
}

/// Through Dovecot and through Postfix, by both mechanisms: right, and wrong.
fn mail_programs(system: &System, address: &str, token: &str) -> Result<()> {
    let (imap, smtp) = (system.dovecot.imap, system.postfix.submission);
    type Program = fn(u16, &str, &str, &str) -> std::io::Result<(String, String)>;
    let programs: [(Program, u16, &str, &str); 2] =
        [(imap_token, imap, "OK", "NO [AUTHENTICATIONFAILED]"), (smtp_token, smtp, "235 ", "535 5.7.8")];
    for (program, port, right, wrong) in programs {
        for (mechanism, answer, status) in [("XOAUTH2", "", "401"), ("OAUTHBEARER", "AQ==", "invalid_token")]
        {
            let response = |token: &str| match mechanism {
                "XOAUTH2" => format!("user={address}\x01auth=Bearer {token}\x01\x01"),
                _ => format!("n,a={address},\x01host=localhost\x01port=143\x01auth=Bearer {token}\x01\x01"),
            };
            let (challenge, end) = transport(program(port, mechanism, &response(token), answer))?;
            ensure(challenge.is_empty() && end.starts_with(right), || {
                format!("{mechanism}: {challenge} {end}")
            })?;
            let (challenge, end) = transport(program(port, mechanism, &response(&tampered(token)), answer))?;
            let challenge: Value = serde_json::from_str(&challenge).unwrap_or_default();
            ensure(challenge["status"] == status && challenge["scope"] == "mail", || challenge.to_string())?;
            ensure(end.starts_with(wrong), || format!("{mechanism}: {end}"))?;
        }
    }
    let log = system.keydove.log();
    let told = log.matches("mech=OAUTHBEARER").count();
    ensure(told == 4, || format!("{told} lines about OAUTHBEARER instead of one for each attempt"))
}

/// A keydove without delay that forgets at once, with these settings more.
fn start(system: &System, name: &'static str, settings: &str) -> Result<Keydove> {
    system.keydove.beside(name, |text| prompt(&text) + settings)
}

/// Makes a person with a mailbox and the client of a case, and gets a token.
pub fn new_person(system: &System, name: &str, address: &str) -> Result<String> {
    system.execute(&mailbox(address))?;
    new_token(system, name, address)
}

fn new_token(system: &System, name: &str, address: &str) -> Result<String> {
    let admin = system.keycloak.admin();
    admin.import(&[person(address)])?;
    admin.make_client(&client(name, &json!([audience()]), None))?;
    access(&admin.tokens(name, address, RIGHT)?)
}

/// A person whose password is the same at Keycloak and for mail.
fn person(address: &str) -> Value {
    json!({
        "username": address, "email": address, "enabled": true, "emailVerified": true,
        "firstName": "Token", "lastName": "Person",
        "credentials": [{ "type": "password", "value": RIGHT, "temporary": false }],
        "attributes": { "mailcow_password": [RIGHT_HASH] },
    })
}

/// A client that anybody may use to get tokens by password.
fn client(name: &str, mappers: &Value, lifespan: Option<&str>) -> Value {
    let attributes = lifespan.map_or(json!({}), |lifespan| json!({ "access.token.lifespan": lifespan }));
    json!({
        "clientId": name, "publicClient": true, "directAccessGrantsEnabled": true, "standardFlowEnabled": false,
        "protocolMappers": mappers, "attributes": attributes,
    })
}

/// Tokens are made for `mailcow`.
fn audience() -> Value {
    json!({
        "name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
        "config": { "included.client.audience": "mailcow", "access.token.claim": "true" },
    })
}

fn other_realm(addresses: &[&str]) -> Value {
    other_realm_named("oauth three", addresses)
}

/// A realm with these people, in which keydove's client may see them and a client `oauth3` gets tokens.
fn other_realm_named(name: &str, addresses: &[&str]) -> Value {
    let service_account = json!({
        "username": "service-account-mailcow", "enabled": true, "serviceAccountClientId": "mailcow",
        "clientRoles": { "realm-management": ["view-users"] },
    });
    let users: Vec<Value> =
        addresses.iter().map(|address| person(address)).chain([service_account]).collect();
    json!({
        "realm": name, "enabled": true, "users": users,
        "clients": [
            {
                "clientId": "mailcow", "publicClient": false, "secret": "s3cret", "serviceAccountsEnabled": true,
                "standardFlowEnabled": false,
            },
            client("oauth3", &json!([audience()]), None),
        ],
        "components": { "org.keycloak.userprofile.UserProfileProvider": [
            { "providerId": "declarative-user-profile", "config": { "kc.user.profile.config": [profile()] } }
        ]},
    })
}

/// The usual attributes, and the one that holds the hash.
fn profile() -> String {
    let own =
        |name: &str| json!({ "name": name, "permissions": { "view": ["admin", "user"], "edit": ["admin"] } });
    let hash = json!({ "name": "mailcow_password", "permissions": { "view": ["admin"], "edit": ["admin"] } });
    json!({ "attributes": [own("username"), own("email"), own("firstName"), own("lastName"), hash] })
        .to_string()
}

fn mailbox(address: &str) -> String {
    let (local_part, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    format!(
        "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, kind, authsource, active) \
         VALUES ('{address}', '', '', 0, '{local_part}', '{domain}', '{{}}', '', 'keycloak', 1);"
    )
}

fn access(tokens: &Value) -> Result<String> {
    let token = tokens["access_token"].as_str().map(str::to_owned);
    token.ok_or_else(|| Failure("Keycloak gave no access token".to_owned()))
}

/// Presents a token; the reply and the one line of the log must tell of this end. Only a refusal has a challenge.
fn try_token(keydove: &Keydove, user: &str, token: &str, end: End<'_>) -> Result<()> {
    static SESSION: AtomicU32 = AtomicU32::new(1);
    let session = format!("token{:06}", SESSION.fetch_add(1, Ordering::Relaxed));
    let parameters = format!("service=imap\tsession={session}\trip=192.0.2.9");
    let (reply, was_challenged) = transport(connect(keydove)?.token(&parameters, user, token))?;
    check(Attempt::new(user, ""), end, &reply, &log_line(keydove, &session)?)?;
    ensure(was_challenged == matches!(end, Refuse(_)), || {
        format!("{end:?}, and challenged: {was_challenged}")
    })?;
    ensure(!reply.contains("token="), || format!("the token comes back: {reply}"))
}
