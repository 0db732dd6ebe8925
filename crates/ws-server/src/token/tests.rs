use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

const SECRET: &str = "a secret of sixteen bytes or more";
const NO_LEEWAY: Duration = Duration::ZERO;

fn signed(claims: &Value, header: &Header) -> String {
    let pem = |text: &str| text.as_bytes().to_vec();
    let key = match header.alg {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => EncodingKey::from_secret(SECRET.as_bytes()),
        Algorithm::ES256 => EncodingKey::from_ec_pem(&pem(include_str!("test-p256.pem"))).unwrap(),
        Algorithm::ES384 => EncodingKey::from_ec_pem(&pem(include_str!("test-p384.pem"))).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(&pem(include_str!("test-ed25519.pem"))).unwrap(),
        _ => EncodingKey::from_rsa_pem(&pem(include_str!("test-rsa.pem"))).unwrap(),
    };
    encode(header, claims, &key).unwrap()
}

fn sign(claims: Value, algorithm: Algorithm) -> String {
    signed(&claims, &Header::new(algorithm))
}

fn check(claims: Value, run: &str, leeway: Duration) -> Result<(), AccessDenied> {
    let grant =
        TokenKeys::secret(SECRET.as_bytes()).unwrap().verify(&sign(claims, Algorithm::HS256), leeway)?;
    if grant.allows(run) { Ok(()) } else { Err(AccessDenied::Forbidden) }
}

/// The files with keys in one of the folders of `test-keys`.
fn key_files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/token/test-keys").join(folder);
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn the_runs_claim_is_a_run_a_pattern_or_a_list_of_them() {
    assert_eq!(check(json!({"runs": "run-1"}), "run-1", NO_LEEWAY), Ok(()));
    assert_eq!(check(json!({"runs": "run-1"}), "run-2", NO_LEEWAY), Err(AccessDenied::Forbidden));
    assert_eq!(check(json!({"runs": ["a", "batch;;*"]}), "batch;;x;;1", NO_LEEWAY), Ok(()));
    assert_eq!(check(json!({"runs": []}), "a", NO_LEEWAY), Err(AccessDenied::Forbidden));
    assert!(matches!(check(json!({"sub": "ann"}), "a", NO_LEEWAY), Err(AccessDenied::Unauthorized(_))));
}

#[test]
fn a_token_is_valid_from_nbf_to_exp_and_so_much_longer_as_clocks_may_differ() {
    let now = get_current_timestamp();
    assert_eq!(check(json!({"runs": "*", "exp": now + 60, "nbf": now - 60}), "a", NO_LEEWAY), Ok(()));
    let expired = Err(AccessDenied::Unauthorized("the token has expired"));
    assert_eq!(check(json!({"runs": "*", "exp": now - 2}), "a", NO_LEEWAY), expired);
    let early = Err(AccessDenied::Unauthorized("the token is not valid yet"));
    assert_eq!(check(json!({"runs": "*", "nbf": now + 60}), "a", NO_LEEWAY), early);
    let minute = Duration::from_secs(60);
    assert_eq!(check(json!({"runs": "*", "exp": now - 50, "nbf": now + 50}), "a", minute), Ok(()));
    assert_eq!(check(json!({"runs": "*", "exp": now - 70}), "a", minute), expired);
    for exp in [json!("soon"), json!(-1), json!([now])] {
        assert!(check(json!({"runs": "*", "exp": exp}), "a", minute).is_err(), "{exp}");
    }
}

#[test]
fn access_ends_at_exp_and_the_leeway() {
    let keys = TokenKeys::secret(SECRET.as_bytes()).unwrap();
    let end = |exp: Value| {
        let grant =
            keys.verify(&sign(json!({"runs": "*", "exp": exp}), Algorithm::HS256), Duration::from_secs(60));
        grant.unwrap().expires_at().map(|time| time.duration_since(std::time::UNIX_EPOCH).unwrap())
    };
    assert_eq!(end(json!(4_000_000_000u64)), Some(Duration::from_secs(4_000_000_060)));
    assert_eq!(end(json!(4_000_000_000.5)), Some(Duration::from_millis(4_000_000_060_500)));
    assert_eq!(end(json!(1e19)), None, "too far away to be represented");
}

#[test]
fn without_a_valid_token_nothing_is_allowed() {
    let keys = TokenKeys::secret(SECRET.as_bytes()).unwrap();
    let none = "eyJhbGciOiJub25lIn0.eyJydW5zIjoiKiJ9.";
    for token in ["", "garbage", "a.b.c", none] {
        assert!(matches!(keys.verify(token, NO_LEEWAY), Err(AccessDenied::Unauthorized(_))), "{token:?}");
    }
    let other = TokenKeys::secret(b"another secret of many bytes").unwrap();
    let token = sign(json!({"runs": "*"}), Algorithm::HS256);
    assert_eq!(other.verify(&token, NO_LEEWAY).unwrap_err(), AccessDenied::UnknownKey);
}

#[test]
fn a_token_with_critical_extensions_is_refused() {
    let keys = TokenKeys::secret(SECRET.as_bytes()).unwrap();
    for crit in [vec!["b64".to_owned()], vec![]] {
        let header = Header { crit: Some(crit), ..Header::new(Algorithm::HS256) };
        assert!(keys.verify(&signed(&json!({"runs": "*"}), &header), NO_LEEWAY).is_err());
    }
}

#[test]
fn every_form_of_a_usable_key_verifies_with_all_algorithms_of_its_kind_and_no_other() {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    let rsa = [RS256, RS384, RS512, PS256, PS384, PS512];
    for (name, content) in key_files("usable") {
        let keys = TokenKeys::public(&content).unwrap_or_else(|problem| panic!("{name} {problem}"));
        let expected = match name.split(['.', '-']).next().unwrap() {
            "rsa" => rsa.to_vec(),
            "p256" => vec![ES256],
            "p384" => vec![ES384],
            "ed25519" => vec![EdDSA],
            "oct" => vec![HS256],
            "two" => [&rsa[..], &[ES256]].concat(),
            "jwks" if name.contains("unknown") => rsa.to_vec(),
            _ => [&rsa[..], &[ES256, EdDSA]].concat(),
        };
        for algorithm in [HS256, HS384, HS512, ES256, ES384, EdDSA].into_iter().chain(rsa) {
            let verified = keys.verify(&sign(json!({"runs": "a"}), algorithm), NO_LEEWAY);
            assert_eq!(verified.is_ok(), expected.contains(&algorithm), "{name} {algorithm:?}");
        }
        assert_eq!(
            keys.unusable().len(),
            if name.contains("unknown") { 4 } else { 0 },
            "{:?}",
            keys.unusable()
        );
    }
}

#[test]
fn whatever_form_a_key_has_its_text_signs_no_token_and_it_is_refused_by_name() {
    let forms = key_files("usable").into_iter().chain(key_files("refused"));
    for (name, content) in forms {
        let trimmed = content.trim_ascii().to_vec();
        let as_public = TokenKeys::public(&content);
        for secret in [&content, &trimmed] {
            if let Ok(keys) = &as_public {
                let key = EncodingKey::from_secret(secret);
                for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                    let forged = encode(&Header::new(algorithm), &json!({"runs": "*"}), &key).unwrap();
                    assert!(keys.verify(&forged, NO_LEEWAY).is_err(), "{name}");
                }
            }
            if name != "bare-secret.txt" {
                let refused =
                    TokenKeys::secret(secret).err().unwrap_or_else(|| panic!("{name} is taken for a secret"));
                assert!(
                    refused.to_string().starts_with("must be a secret of at least 16 bytes"),
                    "{refused}"
                );
            }
        }
    }
    for (name, content) in key_files("refused") {
        let refused =
            TokenKeys::public(&content).err().unwrap_or_else(|| panic!("{name} is accepted")).to_string();
        assert!(
            refused.starts_with("must be a public key or certificate in PEM, or a JWKS, and is "),
            "{refused}"
        );
        println!("{name}: {refused}");
        assert!(!refused.contains("MIIB") && !refused.contains("sixteen"), "{name}: {refused}");
    }
}

#[test]
fn a_secret_that_is_published_is_not_used() {
    let file = |name: &str| {
        fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/token/test-keys/usable").join(name))
            .unwrap()
    };
    assert!(TokenKeys::published(&file("oct.jwk.json")).is_err());
    let (secret, public) = (file("oct.jwk.json"), file("p256.jwk.json"));
    let both = [b"[".as_slice(), &secret, b",", &public, b"]"].concat();
    let keys = TokenKeys::published(&both).unwrap();
    assert_eq!(keys.unusable().len(), 1);
    assert!(keys.verify(&sign(json!({"runs": "a"}), Algorithm::ES256), NO_LEEWAY).is_ok());
    assert!(keys.verify(&sign(json!({"runs": "a"}), Algorithm::HS256), NO_LEEWAY).is_err());
}

#[test]
fn a_bare_secret_is_refused_with_the_way_to_write_it() {
    let refused = TokenKeys::public(SECRET.as_bytes()).unwrap_err().to_string();
    assert!(refused.ends_with("a secret is written as secret:TEXT or secret:file:PATH"), "{refused}");
    assert!(TokenKeys::secret(b"fifteen bytes..").is_err());
    for secret in [
        "0123456789abcdef",
        "c2VjcmV0IG9mIHNpeHRlZW4gYnl0ZXMgb3IgbW9yZQ==",
        "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ] {
        assert!(TokenKeys::secret(secret.as_bytes()).is_ok(), "{secret}");
    }
}

#[test]
fn the_key_that_a_token_names_is_the_only_one_that_is_tried() {
    let jwks =
        fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/src/token/test-keys/usable/jwks.json")).unwrap();
    let keys = TokenKeys::public(&jwks).unwrap();
    let verify = |id: &str| {
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::RS256) };
        keys.verify(&signed(&json!({"runs": "*"}), &header), NO_LEEWAY).map(|_| ())
    };
    assert_eq!(verify("r"), Ok(()));
    assert_eq!(verify("new"), Err(AccessDenied::UnknownKey));
    assert_eq!(verify("e"), Err(AccessDenied::UnknownKey), "it is of another kind");
}
