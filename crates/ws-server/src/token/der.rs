//! Recognises DER, the binary form of keys and certificates, without parsing it.

/// Whether these bytes are one SEQUENCE of DER that begins with a SEQUENCE or an INTEGER, as all keys and certificates do.
/// Of random bytes, one in 8 million are.
pub(super) fn is_key(bytes: &[u8]) -> bool {
    let Some((content, length)) = split_header(bytes) else { return false };
    content.len() == length && matches!(content.first(), Some(0x30 | 0x02))
}

/// What follows the header of a SEQUENCE, and how long it must be.
fn split_header(bytes: &[u8]) -> Option<(&[u8], usize)> {
    match bytes {
        [0x30, length @ 0..=0x7f, content @ ..] => Some((content, usize::from(*length))),
        [0x30, 0x81, length, content @ ..] => Some((content, usize::from(*length))),
        [0x30, 0x82, high, low, content @ ..] => {
            Some((content, usize::from(u16::from_be_bytes([*high, *low]))))
        }
        _ => None,
    }
}
