//! The keys of a service, and what a token that they verify grants.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};

use super::denied::AccessDenied;
use super::grant::{Claims, Grant};
use super::key::Key;

/// The keys that access tokens are verified with.
#[derive(Clone, Default)]
pub struct TokenKeys {
    pub(super) keys: Vec<Key>,
    pub(super) unusable: Vec<String>,
}

impl TokenKeys {
    /// For each key of a JWKS that is not used, why not.
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// What this token grants. Its `exp` and `nbf` are checked, with this leeway for clocks that differ.
    ///
    /// # Errors
    /// Says why the token is not valid.
    pub fn verify(&self, token: &str, leeway: Duration) -> Result<Grant, AccessDenied> {
        let header =
            decode_header(token).map_err(|_| AccessDenied::Unauthorized("the token cannot be parsed"))?;
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11: whoever does not understand such an extension must not accept the token.
            return Err(AccessDenied::Unauthorized(
                "the token has critical extensions, and none is understood",
            ));
        }
        let mut has_known_id = false;
        for key in self.keys.iter().filter(|key| key.may_have_signed(&header)) {
            has_known_id |= header.kid.is_some() && key.id == header.kid;
            match decode::<Claims>(token, &key.key, &validation(header.alg, leeway)) {
                Ok(data) => return Ok(Grant::new(data.claims, leeway)),
                Err(problem) => match problem.kind() {
                    ErrorKind::InvalidSignature => {}
                    ErrorKind::ExpiredSignature => {
                        return Err(AccessDenied::Unauthorized("the token has expired"));
                    }
                    ErrorKind::ImmatureSignature => {
                        return Err(AccessDenied::Unauthorized("the token is not valid yet"));
                    }
                    _ => {
                        return Err(AccessDenied::Unauthorized("the claims of the token cannot be parsed"));
                    }
                },
            }
        }
        Err(match has_known_id {
            true => AccessDenied::Unauthorized("the signature of the token is wrong"),
            false => AccessDenied::UnknownKey,
        })
    }
}

impl Key {
    fn may_have_signed(&self, header: &Header) -> bool {
        let is_named = header.kid.is_none() || self.id.is_none() || self.id == header.kid;
        is_named && self.algorithms.contains(&header.alg)
    }
}

/// `exp` and `nbf` are checked if they are present. `aud` is ignored.
fn validation(algorithm: Algorithm, leeway: Duration) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation.leeway = leeway.as_secs();
    validation
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeys({} keys)", self.keys.len())
    }
}
