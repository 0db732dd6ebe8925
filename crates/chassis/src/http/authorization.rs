//! The header `Authorization`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

/// Whether the header `Authorization` has this token: as a bearer token (RFC 6750), or as a password (RFC 7617).
pub fn has_token(authorization: Option<&str>, expected: &str) -> bool {
    authorization.and_then(token).is_some_and(|given| is_token(&given, expected))
}

/// Whether it is this token. The comparison takes a time that does not tell where two texts differ.
pub fn is_token(given: &str, expected: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// The token of `Bearer TOKEN` (RFC 6750), or the password of `Basic …` (RFC 7617), whatever the user's name is.
fn token(authorization: &str) -> Option<String> {
    let bearer = authorization.strip_prefix("Bearer ").map(str::to_owned);
    bearer.or_else(|| password(authorization))
}

fn password(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_user, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn the_password_is_what_follows_the_first_colon() {
        for (authorization, expected) in [
            ("Basic b3BlcmF0b3I6c2VjcmV0", Some("secret")), // operator:secret
            ("basic OmE6Yg==", Some("a:b")),                // :a:b
            ("Basic b3BlcmF0b3I=", None),                   // operator
            ("Basic ?", None),
            ("Bearer secret", None),
            ("", None),
        ] {
            assert_eq!(password(authorization).as_deref(), expected, "{authorization}");
        }
    }
}
