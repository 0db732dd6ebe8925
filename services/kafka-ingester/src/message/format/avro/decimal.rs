//! Decimals as exact JSON numbers.

use num_bigint::BigInt;

use crate::message::format::input::Input;

/// The largest scale.
pub(super) const MAX_SCALE: usize = 1000;

/// Adds the decimal whose unscaled value is a big-endian two's complement: 1250 with the scale 2 is `12.50`.
pub(super) fn push_decimal(out: &mut Vec<u8>, unscaled: &[u8], scale: usize) -> Result<(), String> {
    if unscaled.len() > MAX_BYTES {
        return Err(format!("a decimal has more than {MAX_BYTES} bytes"));
    }
    let number = BigInt::from_signed_bytes_be(unscaled).to_string();
    let digits = number.trim_start_matches('-');
    if digits.len() < number.len() {
        out.push(b'-');
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    out.extend_from_slice(whole.as_bytes());
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
    Ok(())
}

/// Adds a decimal that holds its own scale.
pub(super) fn push_big_decimal(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), String> {
    let mut input = Input(bytes);
    let (unscaled, scale) = (input.sized()?, input.zigzag()?);
    match usize::try_from(scale) {
        Ok(scale) if scale <= MAX_SCALE => push_decimal(out, unscaled, scale),
        _ => Err(format!("a decimal has the scale {scale}, which is not 0 to {MAX_SCALE}")),
    }
}

const MAX_BYTES: usize = 1024;
