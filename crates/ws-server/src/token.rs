//! Access tokens: JSON Web Tokens (JWT) whose claim `runs` says which runs a client may watch.

mod key;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;

pub use key::TokenKey;

use crate::reply::Reply;
use crate::response::Response;
use crate::wildcard;

/// Why a client may not watch a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDenied {
    /// The token is missing or not valid, for this reason. The response is a 401.
    Unauthorized(&'static str),
    /// The token is valid, but for other runs. The response is a 403.
    Forbidden,
}

impl TokenKey {
    /// Checks that a client with this token may watch the run.
    ///
    /// # Errors
    /// Says why it may not.
    pub fn check(&self, token: Option<&str>, run: &str) -> Result<(), AccessDenied> {
        let token =
            token.filter(|token| !token.is_empty()).ok_or(AccessDenied::Unauthorized("a token is needed"))?;
        let header =
            decode_header(token).map_err(|_| AccessDenied::Unauthorized("the token cannot be parsed"))?;
        let mut error = AccessDenied::Unauthorized("the token is not signed with a known key");
        for key in &self.0 {
            let may_have_signed = header.kid.is_none() || key.id.is_none() || key.id == header.kid;
            if !may_have_signed || !key.algorithms.contains(&header.alg) {
                continue;
            }
            match decode::<Claims>(token, &key.key, &validation(header.alg)) {
                Ok(data) if data.claims.runs.allow(run) => return Ok(()),
                Ok(_) => return Err(AccessDenied::Forbidden),
                Err(problem) => {
                    error = AccessDenied::Unauthorized(match problem.kind() {
                        ErrorKind::InvalidSignature => continue,
                        ErrorKind::ExpiredSignature => "the token has expired",
                        ErrorKind::ImmatureSignature => "the token is not valid yet",
                        _ => "the claims of the token cannot be parsed",
                    });
                }
            }
        }
        Err(error)
    }
}

/// `exp` and `nbf` are checked if they are present. `aud` is ignored.
fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation.leeway = 0;
    validation
}

#[derive(Deserialize)]
struct Claims {
    runs: Runs,
}

/// Runs, or wildcard patterns for them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Runs {
    One(String),
    Many(Vec<String>),
}

impl Runs {
    fn allow(&self, run: &str) -> bool {
        match self {
            Self::One(pattern) => wildcard::matches(pattern, run),
            Self::Many(patterns) => patterns.iter().any(|pattern| wildcard::matches(pattern, run)),
        }
    }
}

impl From<AccessDenied> for Reply {
    fn from(denied: AccessDenied) -> Self {
        match denied {
            AccessDenied::Unauthorized(reason) => {
                Response::text(401, reason).header("WWW-Authenticate", "Bearer").into()
            }
            AccessDenied::Forbidden => Response::text(403, "the token is for other runs").into(),
        }
    }
}

#[cfg(test)]
mod tests;
