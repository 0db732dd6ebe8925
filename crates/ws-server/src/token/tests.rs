use super::*;
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

const SECRET: &str = "a secret of sixteen bytes or more";
const RSA_KEY: &str = include_str!("test-rsa.pem");
const RSA_PUBLIC: &str = include_str!("test-rsa-public.pem");

fn sign(claims: Value, algorithm: Algorithm) -> String {
    let key = match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(RSA_KEY.as_bytes()).unwrap(),
        _ => EncodingKey::from_secret(SECRET.as_bytes()),
    };
    encode(&Header::new(algorithm), &claims, &key).unwrap()
}

fn check(claims: Value, run: &str) -> Result<(), AccessDenied> {
    let key = TokenKey::parse(SECRET).unwrap();
    key.check(Some(&sign(claims, Algorithm::HS256)), run)
}

#[test]
fn the_runs_claim_is_a_run_a_pattern_or_a_list_of_them() {
    assert_eq!(check(json!({"runs": "run-1"}), "run-1"), Ok(()));
    assert_eq!(check(json!({"runs": "run-1"}), "run-2"), Err(AccessDenied::Forbidden));
    assert_eq!(check(json!({"runs": ["a", "batch;;*"]}), "batch;;x;;1"), Ok(()));
    assert_eq!(check(json!({"runs": []}), "a"), Err(AccessDenied::Forbidden));
    assert!(matches!(check(json!({"sub": "ann"}), "a"), Err(AccessDenied::Unauthorized(_))));
}

#[test]
fn a_token_is_valid_from_nbf_to_exp() {
    let now = get_current_timestamp();
    assert_eq!(check(json!({"runs": "*", "exp": now + 60, "nbf": now - 60}), "a"), Ok(()));
    let expired = Err(AccessDenied::Unauthorized("the token has expired"));
    assert_eq!(check(json!({"runs": "*", "exp": now - 2}), "a"), expired);
    let early = Err(AccessDenied::Unauthorized("the token is not valid yet"));
    assert_eq!(check(json!({"runs": "*", "nbf": now + 60}), "a"), early);
}

#[test]
fn without_a_valid_token_nothing_is_allowed() {
    let key = TokenKey::parse(SECRET).unwrap();
    let none = r#"eyJhbGciOiJub25lIn0.eyJydW5zIjoiKiJ9."#;
    for token in [None, Some(""), Some("garbage"), Some("a.b.c"), Some(none)] {
        assert!(matches!(key.check(token, "a"), Err(AccessDenied::Unauthorized(_))), "{token:?}");
    }
    let other = TokenKey::parse("another secret of many bytes").unwrap();
    let token = sign(json!({"runs": "*"}), Algorithm::HS256);
    assert!(matches!(other.check(Some(&token), "a"), Err(AccessDenied::Unauthorized(_))));
}

#[test]
fn a_public_key_verifies_its_private_keys_tokens_and_is_never_used_as_a_secret() {
    let token = sign(json!({"runs": "a"}), Algorithm::RS256);
    for text in
        [RSA_PUBLIC.to_owned(), RSA_PUBLIC.replace('\n', "\\n"), include_str!("test-jwks.json").to_owned()]
    {
        let key = TokenKey::parse(&text).unwrap();
        assert_eq!(key.check(Some(&token), "a"), Ok(()));
        let forged = encode(
            &Header::new(Algorithm::HS256),
            &json!({"runs": "a"}),
            &EncodingKey::from_secret(RSA_PUBLIC.as_bytes()),
        );
        assert!(key.check(Some(&forged.unwrap()), "a").is_err());
    }
}

#[test]
fn an_unusable_key_is_refused_and_the_error_does_not_contain_it() {
    for text in [
        "short",
        "-----BEGIN PUBLIC KEY-----\nhush\n-----END PUBLIC KEY-----",
        r#"{"keys":[]}"#,
        "file:/no/such",
    ] {
        let error = TokenKey::parse(text).unwrap_err();
        assert!(error.starts_with("must ") && !error.contains("hush"), "{error}");
    }
}
