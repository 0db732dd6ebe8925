//! The key that verifies tokens, in the forms in which a setting may give it.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};

const HMAC: &[Algorithm] = &[Algorithm::HS256];
const RSA: &[Algorithm] = &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256];
const EC: &[Algorithm] = &[Algorithm::ES256, Algorithm::ES384];

const MUST_BE: &str =
    "must be a secret of at least 16 bytes, a public key in PEM, a JWKS, or file:PATH of one of them";

/// The key that access tokens are verified with: one key, or the keys of a JWKS.
#[derive(Clone)]
pub struct TokenKey(pub(super) Vec<Key>);

/// A key and the algorithms that it may be used with. They are those of its own kind only, so that a public key is never
/// used as a shared secret.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) algorithms: &'static [Algorithm],
    pub(super) key: DecodingKey,
}

impl TokenKey {
    /// Parses a key: a public key in PEM, a JWKS in JSON, `file:PATH` of either or of a secret, or else a secret for HS256.
    ///
    /// # Errors
    /// Says what the key must be. The message never contains the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("file:") {
            Some(path) => {
                let content = std::fs::read_to_string(path)
                    .map_err(|e| format!("must name a file that can be read: {e}"))?;
                Self::parse_content(content.trim())
            }
            None => Self::parse_content(text.trim()),
        }
    }

    fn parse_content(text: &str) -> Result<Self, String> {
        if text.starts_with("-----BEGIN") {
            parse_pem(text)
        } else if text.starts_with('{') {
            parse_jwks(text)
        } else if text.len() < 16 {
            Err(MUST_BE.to_owned())
        } else {
            let key = DecodingKey::from_secret(text.as_bytes());
            Ok(Self(vec![Key { id: None, algorithms: HMAC, key }]))
        }
    }
}

/// Also accepts `\n` for line ends, because a PEM in an environment file is often on one line.
fn parse_pem(text: &str) -> Result<TokenKey, String> {
    let pem = text.replace("\\n", "\n");
    let rsa = DecodingKey::from_rsa_pem(pem.as_bytes()).map(|key| (RSA, key));
    let (algorithms, key) = rsa
        .or_else(|_| DecodingKey::from_ec_pem(pem.as_bytes()).map(|key| (EC, key)))
        .map_err(|e| format!("{MUST_BE}: {e}"))?;
    Ok(TokenKey(vec![Key { id: None, algorithms, key }]))
}

fn parse_jwks(text: &str) -> Result<TokenKey, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|e| format!("{MUST_BE}: {e}"))?;
    let keys = set.keys.iter().map(|jwk| {
        let algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(_) => EC,
            AlgorithmParameters::OctetKey(_) => HMAC,
            _ => return Err(format!("{MUST_BE}: a key of the JWKS has an unknown type")),
        };
        let key = DecodingKey::from_jwk(jwk).map_err(|e| format!("{MUST_BE}: {e}"))?;
        Ok(Key { id: jwk.common.key_id.clone(), algorithms, key })
    });
    let keys = keys.collect::<Result<Vec<_>, String>>()?;
    if keys.is_empty() { Err(format!("{MUST_BE}: the JWKS is empty")) } else { Ok(TokenKey(keys)) }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({} keys)", self.0.len())
    }
}
