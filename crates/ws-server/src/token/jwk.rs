//! JSON Web Keys (RFC 7517): one, a set, or an array of them.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::key::Key;
use super::keys::TokenKeys;
use super::public_key::PublicKey;

const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys of a JSON text that can verify tokens. Others are left out, as RFC 7517 (section 5) wants it, and named.
///
/// # Errors
/// There is none, or the text is something else.
pub(super) fn parse(text: &str) -> Result<TokenKeys, String> {
    let not_a_key = || "JSON that is no JWK, JWKS or array of JWKs".to_owned();
    let json: Value = serde_json::from_str(text).map_err(|_| not_a_key())?;
    let values = match json {
        Value::Array(values) => values,
        Value::Object(mut object) if !object.contains_key("kty") => match object.remove("keys") {
            Some(Value::Array(values)) => values,
            _ => return Err(not_a_key()),
        },
        single @ Value::Object(_) => vec![single],
        _ => return Err(not_a_key()),
    };
    let mut found = TokenKeys::default();
    for (index, value) in values.into_iter().enumerate() {
        let name = value.get("kid").and_then(Value::as_str).map_or_else(
            || format!("key {} of the JWKS", index + 1),
            |id| format!("the key {id:?} of the JWKS"),
        );
        match parse_key(value) {
            Ok(key) => found.keys.push(key),
            Err(reason) => found.unusable.push(format!("{name} is not used: {reason}")),
        }
    }
    match (found.keys.is_empty(), found.unusable.first()) {
        (false, _) => Ok(found),
        (true, Some(_)) => Err(format!("a JWKS that can verify nothing ({})", found.unusable.join("; "))),
        (true, None) => Err("an empty JWKS".to_owned()),
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    k: Option<String>,
    /// Only in a private key.
    d: Option<Value>,
}

fn parse_key(value: Value) -> Result<Key, String> {
    let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it is no JWK")?;
    if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return Err("its \"use\" is not \"sig\"".to_owned());
    }
    if jwk.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|o| o == "verify")) {
        return Err("its \"key_ops\" are without \"verify\"".to_owned());
    }
    if jwk.d.is_some() {
        return Err("it is a private key; only the public one belongs here".to_owned());
    }
    let mut key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Key::public(PublicKey::from_rsa_components(&decode(&jwk.n)?, &decode(&jwk.e)?)?),
        ("EC", Some("P-256")) => Key::public(PublicKey::p256(&point(&jwk)?)?),
        ("EC", Some("P-384")) => Key::public(PublicKey::p384(&point(&jwk)?)?),
        ("OKP", Some("Ed25519")) => Key::public(PublicKey::ed25519(&decode(&jwk.x)?)?),
        ("oct", _) => Key::secret(&decode(&jwk.k)?).map_err(|must_be| format!("it must be {must_be}"))?,
        ("EC" | "OKP", curve) => {
            return Err(format!("its curve {:?} is not supported", curve.unwrap_or_default()));
        }
        (kind, _) => return Err(format!("its type {kind:?} is not known")),
    };
    if let Some(name) = jwk.alg {
        let algorithm = name.parse::<Algorithm>().ok().filter(|algorithm| key.algorithms.contains(algorithm));
        key.algorithms = vec![algorithm.ok_or_else(|| format!("its \"alg\" {name:?} cannot be used"))?];
    }
    key.id = jwk.kid;
    Ok(key)
}

fn point(jwk: &Jwk) -> Result<Vec<u8>, String> {
    Ok([vec![4], decode(&jwk.x)?, decode(&jwk.y)?].concat())
}

fn decode(part: &Option<String>) -> Result<Vec<u8>, String> {
    let text = part.as_deref().ok_or("a part of it is missing")?;
    BASE64URL.decode(text).map_err(|_| "a part of it is no base64url".to_owned())
}
