//! Access tokens: signed statements (JWT) of which runs a client may watch.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use crate::response::{Reply, Response};
use crate::wildcard;

const RSA: &[Algorithm] = &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256];
const EC: &[Algorithm] = &[Algorithm::ES256, Algorithm::ES384];

/// The key that tokens are checked with. Each key takes the algorithms of its own kind only, so a public key can never
/// be mistaken for a shared secret.
#[derive(Clone)]
pub struct TokenKey(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

/// Why a client may not watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No token, or not a good one: 401, with what is wrong.
    Unauthorized(&'static str),
    /// A good token, for other runs: 403.
    Forbidden,
}

#[derive(Deserialize)]
struct Claims {
    runs: Runs,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Runs {
    One(String),
    Many(Vec<String>),
}

impl TokenKey {
    /// Reads a key: a public key in PEM, a JWKS as JSON, `file:PATH` of either or of a secret, or else a secret for HS256.
    ///
    /// # Errors
    /// Says what the key must be; never repeats it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("file:") {
            let content = std::fs::read_to_string(path)
                .map_err(|e| format!("must name a file that can be read: {e}"))?;
            return Self::parse_text(content.trim());
        }
        Self::parse_text(text.trim())
    }

    fn parse_text(text: &str) -> Result<Self, String> {
        const MUST_BE: &str =
            "must be a secret of at least 16 bytes, a public key in PEM, a JWKS, or file:PATH of one of them";
        if text.starts_with("-----BEGIN") {
            let pem = text.replace("\\n", "\n");
            let rsa = DecodingKey::from_rsa_pem(pem.as_bytes()).map(|key| (RSA, key));
            let (algorithms, key) = rsa
                .or_else(|_| DecodingKey::from_ec_pem(pem.as_bytes()).map(|key| (EC, key)))
                .map_err(|e| format!("{MUST_BE}: {e}"))?;
            return Ok(Self(vec![Key { id: None, algorithms, key }]));
        }
        if text.starts_with('{') {
            let set: JwkSet = serde_json::from_str(text).map_err(|e| format!("{MUST_BE}: {e}"))?;
            let keys = set.keys.iter().map(|jwk| {
                use jsonwebtoken::jwk::AlgorithmParameters as Kind;
                let algorithms = match &jwk.algorithm {
                    Kind::RSA(_) => RSA,
                    Kind::EllipticCurve(_) => EC,
                    Kind::OctetKey(_) => &[Algorithm::HS256][..],
                    _ => return Err(format!("{MUST_BE}: a key of the JWKS is of an unknown kind")),
                };
                let key = DecodingKey::from_jwk(jwk).map_err(|e| format!("{MUST_BE}: {e}"))?;
                Ok(Key { id: jwk.common.key_id.clone(), algorithms, key })
            });
            let keys = keys.collect::<Result<Vec<_>, String>>()?;
            return if keys.is_empty() {
                Err(format!("{MUST_BE}: the JWKS is empty"))
            } else {
                Ok(Self(keys))
            };
        }
        if text.len() < 16 {
            return Err(MUST_BE.to_owned());
        }
        Ok(Self(vec![Key {
            id: None,
            algorithms: &[Algorithm::HS256],
            key: DecodingKey::from_secret(text.as_bytes()),
        }]))
    }

    /// Whether a client with this token may watch the run.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, token: Option<&str>, run: &str) -> Result<(), Denied> {
        let token =
            token.filter(|token| !token.is_empty()).ok_or(Denied::Unauthorized("a token is needed"))?;
        let header = decode_header(token).map_err(|_| Denied::Unauthorized("the token cannot be read"))?;
        let mut outcome = Err(Denied::Unauthorized("the token is not signed with a key that is known here"));
        for key in &self.0 {
            let is_candidate = header.kid.is_none() || key.id.is_none() || key.id == header.kid;
            if !is_candidate || !key.algorithms.contains(&header.alg) {
                continue;
            }
            let mut rules = Validation::new(header.alg);
            rules.required_spec_claims.clear();
            rules.validate_nbf = true;
            rules.validate_aud = false;
            rules.leeway = 0;
            match decode::<Claims>(token, &key.key, &rules) {
                Ok(data) => return data.claims.runs.allow(run).then_some(()).ok_or(Denied::Forbidden),
                Err(error) => match error.kind() {
                    ErrorKind::ExpiredSignature => {
                        outcome = Err(Denied::Unauthorized("the token has expired"))
                    }
                    ErrorKind::ImmatureSignature => {
                        outcome = Err(Denied::Unauthorized("the token is not valid yet"))
                    }
                    ErrorKind::InvalidSignature => {}
                    _ => outcome = Err(Denied::Unauthorized("the token's claims cannot be read")),
                },
            }
        }
        outcome
    }
}

impl Runs {
    fn allow(&self, run: &str) -> bool {
        match self {
            Self::One(pattern) => wildcard::matches(pattern, run),
            Self::Many(patterns) => patterns.iter().any(|pattern| wildcard::matches(pattern, run)),
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({} keys)", self.0.len())
    }
}

impl From<Denied> for Reply {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unauthorized(why) => Response::text(401, why).header("WWW-Authenticate", "Bearer").into(),
            Denied::Forbidden => Response::text(403, "the token is for other runs").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use serde_json::{Value, json};

    const SECRET: &str = "a secret of sixteen bytes or more";
    const RSA_KEY: &str = include_str!("token/test-rsa.pem");
    const RSA_PUBLIC: &str = include_str!("token/test-rsa-public.pem");

    fn signed(claims: Value, algorithm: Algorithm) -> String {
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(RSA_KEY.as_bytes()).unwrap(),
            _ => EncodingKey::from_secret(SECRET.as_bytes()),
        };
        encode(&Header::new(algorithm), &claims, &key).unwrap()
    }

    fn check(claims: Value, run: &str) -> Result<(), Denied> {
        let key = TokenKey::parse(SECRET).unwrap();
        key.check(Some(&signed(claims, Algorithm::HS256)), run)
    }

    #[test]
    fn the_claim_names_runs_or_patterns() {
        assert_eq!(check(json!({"runs": "run-1"}), "run-1"), Ok(()));
        assert_eq!(check(json!({"runs": "run-1"}), "run-2"), Err(Denied::Forbidden));
        assert_eq!(check(json!({"runs": ["a", "batch;;*"]}), "batch;;x;;1"), Ok(()));
        assert_eq!(check(json!({"runs": []}), "a"), Err(Denied::Forbidden));
        assert!(matches!(check(json!({"sub": "ann"}), "a"), Err(Denied::Unauthorized(_))));
    }

    #[test]
    fn a_token_holds_from_nbf_to_exp() {
        let now = get_current_timestamp();
        assert_eq!(check(json!({"runs": "*", "exp": now + 60, "nbf": now - 60}), "a"), Ok(()));
        let expired = Err(Denied::Unauthorized("the token has expired"));
        assert_eq!(check(json!({"runs": "*", "exp": now - 2}), "a"), expired);
        let early = Err(Denied::Unauthorized("the token is not valid yet"));
        assert_eq!(check(json!({"runs": "*", "nbf": now + 60}), "a"), early);
    }

    #[test]
    fn without_a_good_token_nothing_is_allowed() {
        let key = TokenKey::parse(SECRET).unwrap();
        let none = r#"eyJhbGciOiJub25lIn0.eyJydW5zIjoiKiJ9."#;
        for token in [None, Some(""), Some("garbage"), Some("a.b.c"), Some(none)] {
            assert!(matches!(key.check(token, "a"), Err(Denied::Unauthorized(_))), "{token:?}");
        }
        let other = TokenKey::parse("another secret of many bytes").unwrap();
        let token = signed(json!({"runs": "*"}), Algorithm::HS256);
        assert!(matches!(other.check(Some(&token), "a"), Err(Denied::Unauthorized(_))));
    }

    #[test]
    fn a_public_key_checks_what_its_private_key_signed_and_is_no_shared_secret() {
        let token = signed(json!({"runs": "a"}), Algorithm::RS256);
        for text in [
            RSA_PUBLIC.to_owned(),
            RSA_PUBLIC.replace('\n', "\\n"),
            include_str!("token/test-jwks.json").to_owned(),
        ] {
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
    fn a_key_that_cannot_be_used_is_refused_without_being_repeated() {
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
}
