//! Numbers in text. Peers also write whole ones as floats: `1000.0`.

/// A whole number in text, such as `-7` or `7.0`. `None` if it is something else or does not fit.
pub(crate) fn parse<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let number = text.parse().ok().or_else(|| from_float(text.parse().ok()?))?;
    T::try_from(number).ok()
}

/// A float that is whole and so small that it is exact.
pub(crate) fn from_float(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() <= MAX_EXACT_FLOAT).then_some(number as i128)
}

/// A decimal in text without its point: `12.5` with a scale of 2 is 1250. `None` if it has more digits than fit.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let is_number =
        fraction.bytes().all(|digit| digit.is_ascii_digit()) && fraction.len() <= usize::from(scale);
    let (sign, digits) = whole.strip_prefix('-').map_or((1, whole), |digits| (-1, digits));
    if !is_number || digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: i128 = format!("{digits}{fraction:0<width$}", width = usize::from(scale)).parse().ok()?;
    (number < 10_i128.pow(precision.into())).then_some(sign * number)
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
        for (text, number) in
            [("12.5", Some(1250)), ("-0.05", Some(-5)), ("7", Some(700)), ("1.50000", Some(150))]
        {
            assert_eq!(parse_decimal(text, 5, 2), number, "{text}");
        }
        for text in ["1.005", "1000", "", "-", ".5", "1e3", "1.-5", "--1"] {
            assert_eq!(parse_decimal(text, 5, 2), None, "{text}");
        }
        assert_eq!(parse::<i64>(&i64::MAX.to_string()), Some(i64::MAX));
    }
}
