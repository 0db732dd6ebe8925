//! The part of MessagePack that a batch needs.

/// Writes the header of an array. Its `len` items follow.
pub(super) fn write_array_header(out: &mut Vec<u8>, len: usize) {
    write_header(out, len, (0x90, 15), &[(0xdc, 2), (0xdd, 4)]);
}

/// Writes a string of any bytes.
pub(super) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    write_header(out, bytes.len(), (0xa0, 31), &[(0xd9, 1), (0xda, 2), (0xdb, 4)]);
    out.extend_from_slice(bytes);
}

/// Writes a string, or `false` for none. A `nil` would cut off the Lua table at that item.
pub(super) fn write_string_or_false(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => write_string(out, value.as_bytes()),
        None => out.push(0xc2),
    }
}

/// Writes a signed integer.
pub(super) fn write_integer(out: &mut Vec<u8>, value: i64) {
    match u8::try_from(value) {
        Ok(small) if small < 128 => out.push(small),
        _ => {
            out.push(0xd3);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Writes `len` in the shortest form that holds it. `fixed` is the one-byte form with its greatest length;
/// each of `forms` is a tag and the width of the length in bytes.
fn write_header(out: &mut Vec<u8>, len: usize, (fixed, fixed_max): (u8, usize), forms: &[(u8, usize)]) {
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

    fn written(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn every_form_is_that_of_the_specification() {
        assert_eq!(written(|out| write_array_header(out, 15)), [0x9f]);
        assert_eq!(written(|out| write_array_header(out, 16)), [0xdc, 0, 16]);
        assert_eq!(written(|out| write_array_header(out, 65_536)), [0xdd, 0, 1, 0, 0]);
        assert_eq!(written(|out| write_string(out, b"ab")), [0xa2, b'a', b'b']);
        assert_eq!(written(|out| write_string(out, &[b'x'; 32]))[..3], [0xd9, 32, b'x']);
        assert_eq!(written(|out| write_string(out, &[b'x'; 256]))[..4], [0xda, 1, 0, b'x']);
        assert_eq!(written(|out| write_string(out, &[b'x'; 65_536]))[..6], [0xdb, 0, 1, 0, 0, b'x']);
        assert_eq!(written(|out| write_string_or_false(out, None)), [0xc2]);
        assert_eq!(written(|out| write_integer(out, 127)), [0x7f]);
        assert_eq!(written(|out| write_integer(out, 128)), [0xd3, 0, 0, 0, 0, 0, 0, 0, 128]);
    }
}
