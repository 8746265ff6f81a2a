use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::super::double::{Double, Play, TOKEN, pass};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A key of the realm.
struct Pair {
    name: &'static str,
    pair: Ed25519KeyPair,
}

impl Pair {
    fn new(name: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { name, pair: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap() }
    }

    fn token(&self) -> String {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.name);
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(&header), encode("{}"));
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes())))
    }
}

/// The realm shows these keys.
fn shows(pairs: &[&Pair]) -> Play {
    let show = |pair: &&Pair| {
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.pair.public_key());
        format!(r#"{{"kid":"{}","kty":"OKP","crv":"Ed25519","x":"{x}"}}"#, pair.name)
    };
    let keys: Vec<String> = pairs.iter().map(show).collect();
    Play::Answer(200, format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
}

async fn verify(client: &Client, pair: &Pair) -> Result<Signature, Error> {
    client.verify_signature(&Token::parse(pair.token().as_bytes()).unwrap()).await
}

#[tokio::test]
async fn fifty_first_tokens_share_one_fetch_and_later_ones_need_none() {
    let pair = Pair::new("a");
    let double = Double::start(TOKEN, vec![shows(&[&pair])]).await;
    let client = Arc::new(double.client());
    let ends = join_all((0..50).map(|_| verify(&client, &pair))).await;
    assert!(ends.into_iter().all(|end| end == Ok(Signature::Right)));
    pass(3000 * SECOND).await;
    assert_eq!(verify(&client, &pair).await, Ok(Signature::Right));
    assert_eq!(double.searches().len(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_once_in_five_minutes() {
    let (old, new, newest, made_up) = (Pair::new("a"), Pair::new("b"), Pair::new("c"), Pair::new("x"));
    let script = vec![shows(&[&old]), shows(&[&new, &old]), shows(&[&newest, &new])];
    let double = Double::start(TOKEN, script).await;
    let client = double.client();
    assert_eq!(verify(&client, &old).await, Ok(Signature::Right));
    assert_eq!(verify(&client, &new).await, Ok(Signature::Right), "fetched at once, for the first one");
    assert_eq!(verify(&client, &made_up).await, Ok(Signature::Paused));
    assert_eq!(
        verify(&client, &newest).await,
        Ok(Signature::Paused),
        "it may be right, so it is not refused"
    );
    pass(299 * SECOND).await;
    assert_eq!(verify(&client, &newest).await, Ok(Signature::Paused));
    assert_eq!(double.searches().len(), 2);
    pass(2 * SECOND).await;
    assert_eq!(verify(&client, &made_up).await, Ok(Signature::Wrong(Denial::TokenSignature)));
    assert_eq!(verify(&client, &newest).await, Ok(Signature::Right));
    // What the realm no longer shows is unknown now.
    assert_eq!(verify(&client, &old).await, Ok(Signature::Paused));
    assert_eq!(double.searches().len(), 3);
}

#[tokio::test]
async fn a_key_that_is_not_among_those_just_fetched_is_unknown() {
    let (known, made_up) = (Pair::new("a"), Pair::new("x"));
    let double = Double::start(TOKEN, vec![shows(&[&known])]).await;
    let client = double.client();
    assert_eq!(verify(&client, &made_up).await, Ok(Signature::Wrong(Denial::TokenSignature)));
    assert_eq!(double.searches().len(), 1);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_no_refusal_and_are_not_asked_for_by_everybody() {
    let pair = Pair::new("a");
    let script =
        vec![Play::Answer(500, String::new()), Play::Answer(200, "<html>".to_owned()), shows(&[&pair])];
    let double = Double::start(TOKEN, script).await;
    let client = double.client();
    for _ in 0..20 {
        assert!(matches!(verify(&client, &pair).await, Err(Error::ServerError { .. })));
    }
    assert_eq!(double.searches().len(), 1);
    pass(120 * SECOND).await;
    assert!(matches!(verify(&client, &pair).await, Err(Error::BadAnswer { .. })));
    pass(120 * SECOND).await;
    assert_eq!(verify(&client, &pair).await, Ok(Signature::Right));
}

#[tokio::test]
async fn old_keys_are_fetched_anew_and_serve_on_while_nobody_answers() {
    let (old, new) = (Pair::new("a"), Pair::new("b"));
    let script = vec![shows(&[&old]), Play::Close, shows(&[&new])];
    let double = Double::start(TOKEN, script).await;
    let client = double.client();
    assert_eq!(verify(&client, &old).await, Ok(Signature::Right));
    pass(3700 * SECOND).await;
    assert_eq!(verify(&client, &old).await, Ok(Signature::Right));
    assert_eq!(double.searches().len(), 2);
    pass(120 * SECOND).await;
    // The realm has withdrawn it, as the keys say that have just been fetched.
    assert_eq!(verify(&client, &old).await, Ok(Signature::Wrong(Denial::TokenSignature)));
    assert_eq!(verify(&client, &new).await, Ok(Signature::Right));
}
