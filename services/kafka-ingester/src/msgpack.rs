//! The little of MessagePack that a batch needs.

/// The head of an array of `len` items, which follow.
pub(crate) fn array(out: &mut Vec<u8>, len: usize) {
    head(out, len, (0x90, 15), &[(0xdc, 2), (0xdd, 4)]);
}

/// A text, of any bytes.
pub(crate) fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    head(out, bytes.len(), (0xa0, 31), &[(0xd9, 1), (0xda, 2), (0xdb, 4)]);
    out.extend_from_slice(bytes);
}

/// A text, or `false` for none: `nil` would end a Lua table early.
pub(crate) fn text_or_false(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => text(out, value.as_bytes()),
        None => out.push(0xc2),
    }
}

/// A signed integer.
pub(crate) fn integer(out: &mut Vec<u8>, value: i64) {
    match u8::try_from(value) {
        Ok(small) if small < 128 => out.push(small),
        _ => {
            out.push(0xd3);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// The shortest of the forms that holds `len`: the fixed one with its greatest length, or a tag and a width in bytes.
fn head(out: &mut Vec<u8>, len: usize, (fixed, fixed_max): (u8, usize), forms: &[(u8, usize)]) {
    let bytes = (len as u64).to_be_bytes();
    if len <= fixed_max {
        out.push(fixed | bytes[7]);
    } else if let Some((tag, width)) = forms.iter().find(|(_, width)| (len as u64) < 1 << (8 * width)) {
        out.push(*tag);
        out.extend_from_slice(&bytes[8 - width..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn every_form_is_that_of_the_specification() {
        assert_eq!(bytes(|out| array(out, 15)), [0x9f]);
        assert_eq!(bytes(|out| array(out, 16)), [0xdc, 0, 16]);
        assert_eq!(bytes(|out| array(out, 65_536)), [0xdd, 0, 1, 0, 0]);
        assert_eq!(bytes(|out| text(out, b"ab")), [0xa2, b'a', b'b']);
        assert_eq!(bytes(|out| text(out, &[b'x'; 32]))[..3], [0xd9, 32, b'x']);
        assert_eq!(bytes(|out| text(out, &[b'x'; 256]))[..4], [0xda, 1, 0, b'x']);
        assert_eq!(bytes(|out| text(out, &[b'x'; 65_536]))[..6], [0xdb, 0, 1, 0, 0, b'x']);
        assert_eq!(bytes(|out| text_or_false(out, None)), [0xc2]);
        assert_eq!(bytes(|out| integer(out, 127)), [0x7f]);
        assert_eq!(bytes(|out| integer(out, 128)), [0xd3, 0, 0, 0, 0, 0, 0, 0, 128]);
    }
}
