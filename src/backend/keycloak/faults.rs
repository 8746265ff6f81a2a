//! Faults that a real Keycloak does not show on demand, played by a scripted double on loopback.
//!
//! Whatever a real one can show is tested against a real one, in `tests/services`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use super::double::{Double, Play, TOKEN, client, client_with, pass, person, spawn};
use super::{Error, Lookup};
use crate::auth::{TempFailReason, Username};

fn bob() -> Username {
    Username::parse(b"bob@example.org").unwrap()
}

async fn reason(script: Vec<Play>) -> TempFailReason {
    let hangs = script.iter().any(|play| matches!(play, Play::Hang));
    let double = Double::start(TOKEN, script).await;
    let client = match hangs {
        true => client_with(&format!("http://{}", double.address), "request_timeout = \"300ms\""),
        false => double.client(),
    };
    client.find_person(&bob()).await.unwrap_err().temp_fail().reason
}

#[tokio::test]
async fn every_fault_has_its_own_reason_and_none_says_unknown() {
    let answer = |status, body: &str| vec![Play::Answer(status, body.to_owned())];
    let cases = [
        (answer(401, "{}"), TempFailReason::KeycloakUnauthorized),
        (answer(403, r#"{"error":"HTTP 403 Forbidden"}"#), TempFailReason::KeycloakForbidden),
        (answer(404, r#"{"error":"Realm not found."}"#), TempFailReason::KeycloakNotFound),
        (answer(429, ""), TempFailReason::KeycloakRateLimited),
        (answer(500, r#"{"error":"unknown_error"}"#), TempFailReason::KeycloakServerError),
        (answer(503, "<html>"), TempFailReason::KeycloakServerError),
        (answer(302, ""), TempFailReason::KeycloakBadAnswer),
        (answer(204, ""), TempFailReason::KeycloakBadAnswer),
        (answer(200, "<html>Sign in</html>"), TempFailReason::KeycloakBadAnswer),
        (answer(200, r#"{"error":"x"}"#), TempFailReason::KeycloakBadAnswer),
        (answer(200, "null"), TempFailReason::KeycloakBadAnswer),
        (answer(200, r#"[{"id":"1","email":"bob@example.org"}]"#), TempFailReason::KeycloakBadAnswer),
        (answer(200, &format!("[{}", person("1", "bob@example.org"))), TempFailReason::KeycloakBadAnswer),
        (answer(200, &" ".repeat(2 << 20)), TempFailReason::KeycloakBadAnswer),
        (vec![Play::CutOff("[]".to_owned())], TempFailReason::KeycloakReset),
        (vec![Play::Hang], TempFailReason::KeycloakTimeout),
        (vec![Play::Close], TempFailReason::KeycloakReset),
    ];
    for (index, (script, expected)) in cases.into_iter().enumerate() {
        assert_eq!(reason(script).await, expected, "case {index}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_has_its_own_reason() {
    // Bound, so that nobody else gets the port, and nobody listens there.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error =
        client(&format!("http://{}", closed.local_addr().unwrap())).find_person(&bob()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    // RFC 6761: `invalid` never resolves. A resolver may take its time to say so.
    let nowhere = client("http://no-such-host.invalid");
    let error = nowhere.find_person(&bob()).await.unwrap_err();
    assert!(matches!(error, Error::Dns { .. }), "{error:?}");
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let error = client(&format!("https://{address}")).find_person(&bob()).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_is_used_again_and_replaced_once_when_refused() {
    let none = || Play::Answer(200, "[]".to_owned());
    let double = Double::start(TOKEN, vec![none(), Play::Answer(401, String::new()), none()]).await;
    let client = double.client();
    for _ in 0..3 {
        assert!(matches!(client.find_person(&bob()).await, Ok(Lookup::Unknown(_))));
    }
    let bearer = |request: &String| Some(request.split_once(": Bearer ")?.1.lines().next()?.to_owned());
    let used: Vec<String> = double.searches().iter().filter_map(bearer).collect();
    assert_eq!(used, ["token-1", "token-1", "token-2", "token-2"]);
    assert_eq!(double.tokens.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_that_is_never_accepted_is_fetched_twice_and_no_more() {
    let double = Double::start(TOKEN, vec![Play::Answer(401, String::new())]).await;
    assert!(double.client().find_person(&bob()).await.is_err());
    assert_eq!((double.tokens.load(Ordering::SeqCst), double.searches().len()), (2, 2));
}

#[tokio::test]
async fn a_short_lived_token_is_renewed_before_its_end() {
    let token = r#"{"access_token":"token-#","expires_in":60}"#;
    let double = Double::start(token, vec![Play::Answer(200, "[]".to_owned())]).await;
    let client = double.client();
    client.find_person(&bob()).await.unwrap();
    client.find_person(&bob()).await.unwrap();
    assert_eq!(double.tokens.load(Ordering::SeqCst), 1);
    pass(Duration::from_secs(51)).await;
    client.find_person(&bob()).await.unwrap();
    assert_eq!(double.tokens.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn fifty_lookups_at_once_share_one_token() {
    let double = Double::start(TOKEN, vec![Play::Answer(200, "[]".to_owned())]).await;
    let client = Arc::new(double.client());
    let lookups = (0..50).map(|_| {
        let client = Arc::clone(&client);
        async move { client.find_person(&bob()).await.is_ok() }
    });
    assert!(futures_util::future::join_all(lookups).await.into_iter().all(|ok| ok));
    assert_eq!(double.tokens.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_ignores_exact_opens_nobody_elses_mailbox() {
    let list = |people: &[String]| vec![Play::Answer(200, format!("[{}]", people.join(",")))];
    let look_alike = person("1", "a-xbob@example.org");
    let double = Double::start(TOKEN, list(std::slice::from_ref(&look_alike))).await;
    assert!(matches!(double.client().find_person(&bob()).await, Ok(Lookup::Unknown(_))));
    let double = Double::start(TOKEN, list(&[look_alike.clone(), person("2", "Bob@Example.org")])).await;
    match double.client().find_person(&bob()).await {
        Ok(Lookup::Found(person)) => assert_eq!(person.id(), "2"),
        other => panic!("{other:?}"),
    }
    let twins = [person("2", "bob@example.org"), person("3", "BOB@example.org")];
    let double = Double::start(TOKEN, list(&twins)).await;
    assert!(matches!(double.client().find_person(&bob()).await, Ok(Lookup::Conflict)));
}

#[tokio::test]
async fn the_query_is_exact_and_escaped() {
    let double = Double::start(TOKEN, vec![Play::Answer(200, "[]".to_owned())]).await;
    double.client().find_person(&Username::parse(b"plus+tag@example.org").unwrap()).await.unwrap();
    let line = double.searches()[0].lines().next().unwrap().to_owned();
    let expected = "GET /admin/realms/mail/users?email=plus%2Btag%40example.org&exact=true&max=20\
                    &briefRepresentation=false HTTP/1.1";
    assert_eq!(line, expected);
}

#[tokio::test]
async fn an_international_domain_is_asked_in_both_forms() {
    let stored = person("7", "bob@münchen.example");
    let script = vec![Play::Answer(200, "[]".to_owned()), Play::Answer(200, format!("[{stored}]"))];
    let double = Double::start(TOKEN, script).await;
    let user = Username::parse("bob@münchen.example".as_bytes()).unwrap();
    match double.client().find_person(&user).await {
        Ok(Lookup::Found(person)) => assert_eq!(person.address.as_str(), "bob@xn--mnchen-3ya.example"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_account_that_sees_nobody_makes_nobody_unknown() {
    let double = Double::start_with_sight(TOKEN, vec![Play::Answer(200, "[]".to_owned())], true).await;
    let client = double.client();
    assert_eq!(client.find_person(&bob()).await.unwrap_err(), Error::Blind);
    assert_eq!(client.check().await, Err(Error::Blind));
}

#[tokio::test]
async fn having_seen_somebody_is_proof_for_a_while() {
    let double = Double::start(TOKEN, vec![Play::Answer(200, "[]".to_owned())]).await;
    let client = double.client();
    for _ in 0..3 {
        assert!(matches!(client.find_person(&bob()).await, Ok(Lookup::Unknown(_))));
    }
    assert_eq!(double.searches().len(), 3, "the proof is not asked of the script");
}

/// Two people without the password attribute, and the double that plays them until `rest` follows.
async fn without_attribute(rest: Vec<Play>) -> Double {
    let plain = |id, email| format!(r#"{{"id":"{id}","email":"{email}","enabled":true}}"#);
    let bob = plain("1", "bob@example.org");
    let both = format!("[{bob},{}]", plain("2", "carol@example.org"));
    let mut script = vec![Play::Answer(200, format!("[{bob}]")), Play::Answer(200, both)];
    script.extend(rest);
    Double::start(TOKEN, script).await
}

#[tokio::test]
async fn an_attribute_that_nobody_shows_is_told_with_the_person() {
    let bob_again = Play::Answer(200, r#"[{"id":"1","email":"bob@example.org","enabled":true}]"#.to_owned());
    let double = without_attribute(vec![bob_again]).await;
    let client = double.client();
    for _ in 0..2 {
        let Ok(Lookup::Found(person)) = client.find_person(&bob()).await else { panic!("bob is there") };
        let hidden = person.password_hidden.unwrap();
        assert_eq!(hidden.reason, TempFailReason::KeycloakAttributeHidden);
        assert!(hidden.detail.contains("`mailcow_password`"), "{hidden}");
    }
    assert!(client.is_attribute_hidden());
    let searches = double.searches();
    assert_eq!(searches.len(), 3, "the sample is asked for once");
    let sample = "GET /admin/realms/mail/users?enabled=true&max=50&briefRepresentation=false ";
    assert!(searches[1].starts_with(sample), "{}", searches[1]);
}

#[tokio::test]
async fn one_person_without_a_password_among_others_who_have_one_is_no_trouble() {
    let nobody_like_bob = r#"{"id":"1","email":"bob@example.org","enabled":true}"#;
    let with_other = format!("[{nobody_like_bob},{}]", person("2", "carol@example.org"));
    for sample in [with_other, format!("[{nobody_like_bob}]")] {
        let script = vec![Play::Answer(200, format!("[{nobody_like_bob}]")), Play::Answer(200, sample)];
        let double = Double::start(TOKEN, script).await;
        let client = double.client();
        let Ok(Lookup::Found(person)) = client.find_person(&bob()).await else { panic!("bob is there") };
        assert!(person.password.is_none() && person.password_hidden.is_none());
        assert!(!client.is_attribute_hidden());
    }
}

#[tokio::test]
async fn an_attribute_that_vanishes_for_everybody_is_a_fault_of_the_call() {
    let plain = r#"[{"id":"1","email":"bob@example.org","enabled":true},{"id":"2","email":"c@example.org","enabled":true}]"#;
    let seen = format!("[{}]", person("1", "bob@example.org"));
    let script = vec![Play::Answer(200, seen.clone()), Play::Answer(200, plain.to_owned())];
    let double = Double::start(
        TOKEN,
        [script, vec![Play::Answer(200, plain.to_owned()); 2], vec![Play::Answer(200, seen)]].concat(),
    )
    .await;
    let client = double.client();
    assert!(matches!(client.find_person(&bob()).await, Ok(Lookup::Found(_))));
    pass(Duration::from_secs(61)).await;
    let error = client.find_person(&bob()).await.unwrap_err();
    assert!(matches!(error, Error::AttributeHidden { .. }), "{error}");
    let witness = &double.searches()[2];
    assert!(witness.contains("/users?search=id:1&"), "{witness}");
    // Somebody shows it again.
    assert!(matches!(client.find_person(&bob()).await, Ok(Lookup::Found(_))));
    assert!(!client.is_attribute_hidden());
}
