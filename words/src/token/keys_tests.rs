use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _,
};
use serde_json::{Value, json};

use super::*;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn sign(algorithm: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let header = json!({"alg": algorithm, "kid": "k"}).to_string();
    let signed = format!("{}.{}", encode(header), encode(r#"{"sub":"1"}"#));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature))
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm, name: &str, curve: &str) -> (String, Value) {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    let token = sign(name, |signed| pair.sign(&random, signed).unwrap().as_ref().to_vec());
    let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
    (
        token,
        json!({"kid": "k", "kty": "EC", "crv": curve, "use": "sig", "alg": name, "x": encode(x), "y": encode(y)}),
    )
}

fn ed25519() -> (String, Value) {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let token = sign("EdDSA", |signed| pair.sign(signed).as_ref().to_vec());
    (token, json!({"kid": "k", "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key())}))
}

fn verify(token: &str, jwk: &Value) -> Result<(), Denial> {
    let keys = Keys::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    let token = Token::parse(token.as_bytes())?;
    match keys.signer(&token) {
        Signer::Known(key) => key.verify(&token),
        Signer::Unknown => panic!("no such key"),
    }
}

#[test]
fn what_a_key_has_signed_is_verified_and_nothing_else() {
    for (token, jwk) in [
        ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "ES256", "P-256"),
        ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "ES384", "P-384"),
        ed25519(),
    ] {
        assert_eq!(verify(&token, &jwk), Ok(()), "{jwk}");
        let last_dot = token.rfind('.').unwrap();
        for at in [last_dot - 3, last_dot + 1, last_dot + 20] {
            let mut tampered = token.clone().into_bytes();
            tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
            let end = verify(std::str::from_utf8(&tampered).unwrap(), &jwk);
            assert!(matches!(end, Err(Denial::TokenSignature | Denial::TokenInvalid)), "{at}: {end:?}");
        }
        let cut = format!("{}.{}", &token[..last_dot], encode([0; 64]));
        assert_eq!(verify(&cut, &jwk), Err(Denial::TokenSignature));
    }
}

#[test]
fn another_persons_key_of_the_same_name_does_not_fit() {
    let (token, _) = ed25519();
    let (_, other) = ed25519();
    assert_eq!(verify(&token, &other), Err(Denial::TokenSignature));
}

#[test]
fn a_key_is_for_its_own_algorithm_only() {
    let (token, jwk) = ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "ES256", "P-256");
    let mut for_another = jwk.clone();
    for_another["alg"] = "ES384".into();
    assert_eq!(verify(&token, &for_another), Err(Denial::TokenSignature));
    let mut for_any = jwk;
    for_any.as_object_mut().unwrap().remove("alg");
    assert_eq!(verify(&token, &for_any), Ok(()));
    // A public key is no shared secret, whatever the token says, and RSA's do not verify curves'.
    let rsa = json!({"kid": "k", "kty": "RSA", "n": encode([0xFF; 256]), "e": "AQAB"});
    assert_eq!(verify(&token, &rsa), Err(Denial::TokenSignature));
}

/// RFC 7515, A.2: RS256.
#[test]
fn the_rsa_example_of_the_standard_is_verified() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let key =
        Key::read(serde_json::from_value(json!({"kid": "k", "kty": "RSA", "n": n, "e": "AQAB"})).unwrap())
            .unwrap();
    let signed = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let token = |algorithm| Token {
        algorithm,
        key_id: "k".to_owned(),
        signed: signed.as_bytes(),
        signature: BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap(),
        payload: serde_json::Map::new(),
    };
    assert_eq!(key.verify(&token(Algorithm::Rs256)), Ok(()));
    for other in [Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa] {
        assert_eq!(key.verify(&token(other)), Err(Denial::TokenSignature), "{other:?}");
    }
}

#[test]
fn keys_that_sign_nothing_are_left_out() {
    let good = json!({"kid": "k", "kty": "RSA", "n": "AQAB", "e": "AQAB"});
    let with = |key: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[key] = value;
        jwk
    };
    let count = |jwk: Value| Keys::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap().0.len();
    assert_eq!(count(good.clone()), 1);
    for jwk in [
        with("use", "enc".into()),
        with("alg", "RSA-OAEP".into()),
        with("alg", "HS256".into()),
        with("kty", "oct".into()),
        with("kid", 7.into()),
        with("n", "!".into()),
        json!({"kid": "k", "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"}),
        json!({"kid": "k", "kty": "EC", "crv": "secp256k1", "x": "AQAB", "y": "AQAB"}),
        json!("x"),
    ] {
        assert_eq!(count(jwk.clone()), 0, "{jwk}");
    }
    for wrong in [&b""[..], b"[]", b"{}", b"<html>"] {
        assert!(Keys::parse(wrong).is_none());
    }
}
