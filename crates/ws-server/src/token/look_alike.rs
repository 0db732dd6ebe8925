//! Forms in which people hold keys. None of them may be used as a shared secret: whoever knows a public key could then
//! sign tokens.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::der;

const TOLERANT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// What this is called, if it is a key of the public-key kind, or what contains one.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    if der::is_key(bytes) {
        return Some("a key in DER: `openssl pkey -pubin -inform DER` makes PEM of a public key");
    }
    let text = decode_text(bytes)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    let compact: String =
        text.replace("\\n", "").replace("\\r", "").chars().filter(|c| !c.is_whitespace()).collect();
    let decoded = decode_base64(&compact);
    if text.contains("---BEGIN") || text.contains("--- BEGIN") {
        Some("a key in PEM or SSH2, where it does not belong")
    } else if is_ssh(text) {
        Some("an SSH public key: `ssh-keygen -e -m pkcs8 -f FILE` makes PEM of it")
    } else if text.starts_with("PuTTY-User-Key-File") {
        Some("a key of PuTTY: PuTTYgen exports it")
    } else if is_json(text) {
        Some("JSON, where it does not belong")
    } else if text.starts_with('<') && text.contains("RSAKeyValue") {
        Some("a key in XML: a JWK of it is usable")
    } else if decode_hex(&compact).is_some_and(|bytes| der::is_key(&bytes)) {
        Some("a key in DER, written in hexadecimal: PEM of it is usable")
    } else if decoded.as_deref().is_some_and(der::is_key) {
        Some("a key in DER, written in base64: between the lines BEGIN and END of PEM it is usable")
    } else if decoded.as_deref().is_some_and(|bytes| name(bytes).is_some()) {
        Some("a key that was encoded in base64 once too often: `base64 -d` undoes it")
    } else {
        None
    }
}

/// UTF-8, or the UTF-16 that Windows writes.
fn decode_text(bytes: &[u8]) -> Option<String> {
    let utf16 = |decode: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| decode([pair[0], pair[1]]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or('?')).collect()
    };
    match bytes {
        [0xff, 0xfe, ..] => Some(utf16(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => Some(utf16(u16::from_be_bytes)),
        _ => std::str::from_utf8(bytes).ok().map(str::to_owned),
    }
}

/// A line of `id_rsa.pub`, `authorized_keys` or `known_hosts`, or the key alone. The key begins with its own type and the
/// length of it.
fn is_ssh(text: &str) -> bool {
    let types =
        ["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNhLXNoYTIt", "AAAAGnNrLXNzaC1", "AAAAInNrLWVjZHNhLXNoYTIt"];
    let prefixes = ["ssh-rsa ", "ssh-dss ", "ssh-ed25519 ", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    text.split_whitespace().any(|word| types.iter().any(|kind| word.starts_with(kind)))
        || prefixes.iter().any(|prefix| text.starts_with(prefix))
}

fn is_json(text: &str) -> bool {
    text.starts_with(['{', '[']) && serde_json::from_str::<serde_json::Value>(text).is_ok()
}

fn decode_base64(compact: &str) -> Option<Vec<u8>> {
    let with = |alphabet| GeneralPurpose::new(alphabet, TOLERANT).decode(compact).ok();
    with(&STANDARD).or_else(|| with(&URL_SAFE)).filter(|bytes| !bytes.is_empty())
}

fn decode_hex(compact: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = compact
        .trim_start_matches("0x")
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
