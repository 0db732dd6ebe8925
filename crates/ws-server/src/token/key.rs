//! A key, and the algorithms that it may be used with.

use jsonwebtoken::{Algorithm, DecodingKey};

use super::public_key::PublicKey;

/// A key with the algorithms of its own kind only, so that a public key is never used as a shared secret.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// The shortest shared secret, in bytes.
const MIN_SECRET: usize = 16;

impl Key {
    pub(super) fn public(key: PublicKey) -> Self {
        Self { id: None, algorithms: key.algorithms().to_vec(), key: key.into_decoding_key() }
    }

    pub(super) fn is_secret(&self) -> bool {
        self.algorithms
            .iter()
            .any(|algorithm| matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512))
    }

    /// A shared secret. One that is shorter than the hash of an algorithm is not used for it (RFC 7518, section 3.2), but for
    /// HS256 half of that is enough.
    pub(super) fn secret(secret: &[u8]) -> Result<Self, String> {
        let limits = [(Algorithm::HS256, MIN_SECRET), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];
        let algorithms: Vec<_> = limits
            .into_iter()
            .filter(|(_, min)| secret.len() >= *min)
            .map(|(algorithm, _)| algorithm)
            .collect();
        if algorithms.is_empty() {
            return Err(format!("a secret of at least {MIN_SECRET} bytes"));
        }
        Ok(Self { id: None, algorithms, key: DecodingKey::from_secret(secret) })
    }
}
