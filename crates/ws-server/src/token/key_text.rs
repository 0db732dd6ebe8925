//! Keys from the text or the file that holds them. What kind of key it is must be known beyond doubt.

use super::key::Key;
use super::keys::TokenKeys;
use super::{jwk, look_alike, pem};

/// Why a text holds no key that can be used. It completes "must be …", and never contains the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {must_be}, and is {found}")]
pub struct KeyError {
    must_be: &'static str,
    found: String,
}

const PUBLIC: &str = "a public key or certificate in PEM, or a JWKS";
const SECRET: &str = "a secret of at least 16 bytes that is no key of another kind";

impl TokenKeys {
    /// Public keys: PEM (keys, or one certificate), a JWK, a JWKS, or an array of JWKs. A JWK may also be a shared secret.
    ///
    /// # Errors
    /// It is anything else. A bare text is no secret: nothing shows that it was meant to be one.
    pub fn public(content: &[u8]) -> Result<Self, KeyError> {
        let refuse = |found: String| KeyError { must_be: PUBLIC, found };
        let text = std::str::from_utf8(content).unwrap_or_default().trim_start_matches('\u{feff}').trim();
        if text.contains("-----BEGIN ") {
            pem::parse(text).map_err(refuse)
        } else if text.starts_with(['{', '[']) {
            jwk::parse(text).map_err(refuse)
        } else {
            let found = look_alike::name(content);
            Err(refuse(
                found.unwrap_or("neither; a secret is written as secret:TEXT or secret:file:PATH").to_owned(),
            ))
        }
    }

    /// As [`public`](Self::public), for what was fetched: a secret among the keys is not used.
    ///
    /// # Errors
    /// As [`public`](Self::public), and if there are only secrets.
    pub fn published(content: &[u8]) -> Result<Self, KeyError> {
        let mut found = Self::public(content)?;
        let count = found.keys.len();
        found.keys.retain(|key| !key.is_secret());
        if found.keys.is_empty() {
            return Err(KeyError { must_be: PUBLIC, found: "a secret that is published".to_owned() });
        }
        if found.keys.len() < count {
            let reason = "a secret of the JWKS is not used: whoever can fetch it could sign tokens";
            found.unusable.push(reason.to_owned());
        }
        Ok(found)
    }

    /// A secret that is shared with whoever signs the tokens, for HS256, and HS384 and HS512 if it is long enough.
    ///
    /// # Errors
    /// It is too short, or looks like a key of another kind, which strangers may know.
    pub fn secret(secret: &[u8]) -> Result<Self, KeyError> {
        let refuse = |found: &str| KeyError { must_be: SECRET, found: found.to_owned() };
        if let Some(name) = look_alike::name(secret) {
            return Err(refuse(name));
        }
        let key = Key::secret(secret).map_err(|_| refuse("shorter"))?;
        Ok(Self { keys: vec![key], unusable: Vec::new() })
    }
}
