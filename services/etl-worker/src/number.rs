//! Whole numbers, which peers also write as floats: `1000.0`.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

/// A whole number in text, such as `-7` or `7.0`. `None` if it is something else or does not fit.
pub(crate) fn parse<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let number = text.parse().ok().or_else(|| from_float(text.parse().ok()?))?;
    T::try_from(number).ok()
}

/// Deserializes a whole number, for `#[serde(deserialize_with = …)]`.
///
/// # Errors
/// When the value is no number, has a fraction, or does not fit.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<i128>>(from: D) -> Result<T, D::Error> {
    let number = from.deserialize_any(WholeNumber)?;
    let unexpected = i64::try_from(number).map_or(Unexpected::Other("large number"), Unexpected::Signed);
    T::try_from(number).map_err(|_| D::Error::invalid_value(unexpected, &WholeNumber))
}

/// A float that is whole and so small that it is exact.
fn from_float(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() <= MAX_EXACT_FLOAT).then_some(number as i128)
}

struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number that fits")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i128, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i128, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i128, E> {
        from_float(number).ok_or_else(|| E::invalid_type(Unexpected::Float(number), &self))
    }
}

/// 2^53: above it not every whole number is a float.
const MAX_EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_floats_are_whole_numbers_and_nothing_else_is() {
        for (text, number) in [("7", 7), ("-7", -7), ("1000.0", 1000), ("1e3", 1000), ("-0.0", 0)] {
            assert_eq!(parse::<i64>(text), Some(number), "{text}");
        }
        for text in ["", "7.5", "NaN", "inf", "1e300", "seven", "7 ", "9007199254740993.5"] {
            assert_eq!(parse::<i64>(text), None, "{text}");
        }
        assert_eq!(
            (parse::<u16>("65535.0"), parse::<u16>("65536"), parse::<u16>("-1")),
            (Some(65_535), None, None)
        );
        assert_eq!(parse::<i64>(&i64::MAX.to_string()), Some(i64::MAX));
    }
}
