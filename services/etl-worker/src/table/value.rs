//! Values of columns, and what peers write in their place.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use super::column::{ColumnType, ScalarType};
use crate::number;

/// A value: of a field, of a log entry, or of a column.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value<'a> {
    /// There is none.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number. A decimal is the number without its point, a timestamp its microseconds since 1970.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Value<'a>>),
    /// A JSON object, which no column can hold.
    Object,
}

/// Where a value is from. Redis has only text: there `7` is a number and `true` is a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A field of a hash.
    Field,
    /// A JSON document.
    Json,
}

impl<'a> Value<'a> {
    /// Brings the value into the form that a column of this type has. False if it is no such value.
    pub fn convert(&mut self, column_type: ColumnType, origin: Origin) -> bool {
        if !column_type.is_list {
            return self.convert_scalar(column_type.scalar, origin);
        }
        if let Self::Text(text) = &*self
            && origin == Origin::Field
            && let Ok(items) = serde_json::from_str::<Vec<serde_json::Value>>(text)
        {
            *self = Self::List(items.into_iter().map(Self::from).collect());
        }
        match self {
            Self::List(items) => {
                items.iter_mut().all(|item| item.convert_scalar(column_type.scalar, Origin::Json))
            }
            _ => false,
        }
    }

    fn convert_scalar(&mut self, scalar: ScalarType, origin: Origin) -> bool {
        let converted = match scalar {
            ScalarType::Text => return matches!(self, Self::Text(_)),
            ScalarType::Boolean => self.to_boolean(origin).map(Self::Boolean),
            ScalarType::Integer { bits, signed } => {
                let (min, max) = range(bits, signed);
                let number = self.to_integer(origin).filter(|number| (min..=max).contains(number));
                number.map(Self::Integer)
            }
            ScalarType::Float | ScalarType::Double => {
                self.to_float(origin).filter(|number| is_finite(*number, scalar)).map(Self::Float)
            }
            ScalarType::Decimal { precision, scale } => self.to_decimal(precision, scale).map(Self::Integer),
            ScalarType::Timestamp => self.to_microseconds(origin).map(Self::Integer),
        };
        let is_one = converted.is_some();
        if let Some(converted) = converted {
            *self = converted;
        }
        is_one
    }

    fn to_boolean(&self, origin: Origin) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Text(text) if origin == Origin::Field => match &**text {
                "true" | "True" | "1" => Some(true),
                "false" | "False" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn to_integer(&self, origin: Origin) -> Option<i128> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Float(number) => number::from_float(*number),
            Self::Text(text) if origin == Origin::Field => number::parse(text),
            _ => None,
        }
    }

    fn to_float(&self, origin: Origin) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) if origin == Origin::Field => text.parse().ok(),
            _ => None,
        }
    }

    /// Decimals are often written as text, so that nobody makes a float of them.
    fn to_decimal(&self, precision: u8, scale: u8) -> Option<i128> {
        match self {
            Self::Text(text) => number::parse_decimal(text, precision, scale),
            Self::Integer(number) => number::parse_decimal(&number.to_string(), precision, scale),
            Self::Float(number) => number::parse_decimal(&number.to_string(), precision, scale),
            _ => None,
        }
    }

    /// A time in RFC 3339, or milliseconds since 1970.
    fn to_microseconds(&self, origin: Origin) -> Option<i128> {
        let time = match self {
            Self::Text(text) => text.parse().ok(),
            _ => None,
        };
        let of_milliseconds = || {
            let milliseconds = i64::try_from(self.to_integer(origin)?).ok()?;
            Timestamp::from_millisecond(milliseconds).ok()
        };
        time.or_else(of_milliseconds).map(|time| time.as_microsecond().into())
    }

    /// Whether a number that was computed fits a column of this type.
    pub fn fits(&self, column_type: ColumnType) -> bool {
        match (self, column_type.scalar) {
            (Self::Integer(number), ScalarType::Integer { bits, signed }) => {
                let (min, max) = range(bits, signed);
                (min..=max).contains(number)
            }
            (Self::Integer(number), ScalarType::Decimal { precision, .. }) => {
                number.abs() < 10_i128.pow(precision.into())
            }
            (Self::Float(number), scalar) => is_finite(*number, scalar),
            _ => true,
        }
    }

    /// The value without what it borrows.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Integer(number) => Value::Integer(number),
            Self::Float(number) => Value::Float(number),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Self::Object => Value::Object,
        }
    }
}

impl Value<'_> {
    /// The value of a column of this type as people write it.
    pub fn text(&self, scalar: ScalarType) -> String {
        match (self, scalar) {
            (Self::Integer(number), ScalarType::Decimal { scale, .. }) => {
                let (scale, sign) = (usize::from(scale), if *number < 0 { "-" } else { "" });
                let digits = format!("{:0>width$}", number.abs(), width = scale + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                format!("{sign}{whole}{}{fraction}", if scale > 0 { "." } else { "" })
            }
            (Self::Integer(number), ScalarType::Timestamp) => {
                let time = i64::try_from(*number).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
                time.map_or_else(|| number.to_string(), |time| time.to_string())
            }
            _ => self.to_string(),
        }
    }
}

/// For reasons and logs.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => write!(f, "a list of {}", items.len()),
            Self::Object => f.write_str("an object"),
        }
    }
}

impl From<serde_json::Value> for Value<'_> {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Boolean(value),
            Json::Number(number) => match number.as_i128() {
                Some(number) => Self::Integer(number),
                None => number.as_f64().map_or(Self::Null, Self::Float),
            },
            Json::String(text) => Self::Text(text.into()),
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(_) => Self::Object,
        }
    }
}

impl ColumnType {
    /// What a value of this type must be, in words.
    pub fn must_be(self) -> String {
        let scalar = match self.scalar {
            ScalarType::Text => "text".to_owned(),
            ScalarType::Boolean => "true or false".to_owned(),
            ScalarType::Integer { bits: 64, signed: true } => "a whole number".to_owned(),
            ScalarType::Integer { bits, signed } => {
                let (min, max) = range(bits, signed);
                format!("a number from {min} to {max}")
            }
            ScalarType::Float | ScalarType::Double => "a number".to_owned(),
            ScalarType::Decimal { precision, scale } => {
                format!("a number of at most {precision} digits, {scale} of them behind the point")
            }
            ScalarType::Timestamp => "a time in RFC 3339, or milliseconds since 1970".to_owned(),
        };
        if self.is_list { format!("a list, and each of it {scalar}") } else { scalar }
    }
}

/// Whether a number is one, and none that is too large for a float of this type. NaN and infinity are neither less nor greater
/// than others for some readers, and break their statistics.
fn is_finite(number: f64, scalar: ScalarType) -> bool {
    if scalar == ScalarType::Float { (number as f32).is_finite() } else { number.is_finite() }
}

fn range(bits: u8, signed: bool) -> (i128, i128) {
    if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(mut value: Value<'static>, column_type: &str, origin: Origin) -> Option<Value<'static>> {
        value.convert(ColumnType::parse(column_type).unwrap(), origin).then_some(value)
    }

    #[test]
    fn the_text_of_a_field_becomes_the_type_of_its_column() {
        for (text, column_type, value) in [
            ("7", "uint16", Some(Value::Integer(7))),
            ("65536", "uint16", None),
            ("-129", "int8", None),
            ("18446744073709551615", "uint64", Some(Value::Integer(u64::MAX.into()))),
            ("12.5", "decimal(4,2)", Some(Value::Integer(1250))),
            ("123.45", "decimal(4,2)", None),
            ("True", "bool", Some(Value::Boolean(true))),
            ("1.5", "float64", Some(Value::Float(1.5))),
            ("NaN", "float64", None),
            ("-inf", "float32", None),
            ("1e999", "float64", None),
            ("1e39", "float32", None),
            ("1e39", "float64", Some(Value::Float(1e39))),
            ("2022-10-01T14:00:00+02:00", "timestamp", Some(Value::Integer(1_664_625_600_000_000))),
            ("1664625600000", "timestamp", Some(Value::Integer(1_664_625_600_000_000))),
            ("[1, 2.0]", "list<int8>", Some(Value::List(vec![Value::Integer(1), Value::Integer(2)]))),
            ("[1, 200]", "list<int8>", None),
        ] {
            let found = converted(Value::Text(text.into()), column_type, Origin::Field);
            assert_eq!(found, value, "{text} as {column_type}");
        }
    }

    #[test]
    fn in_json_text_is_no_number_and_a_number_is_no_text() {
        let in_json = |value, column_type| converted(value, column_type, Origin::Json);
        assert_eq!(in_json(Value::Text("7".into()), "uint8"), None);
        assert_eq!(in_json(Value::Float(7.0), "uint8"), Some(Value::Integer(7)));
        assert_eq!(in_json(Value::Float(7.5), "uint8"), None);
        assert_eq!(in_json(Value::Float(1e39), "float32"), None);
        assert_eq!(in_json(Value::Integer(7), "string"), None);
        assert_eq!(in_json(Value::Text("[1]".into()), "list<int8>"), None);
        assert_eq!(in_json(Value::Text("1664625600000".into()), "timestamp"), None);
        let float = ColumnType::parse("float32").unwrap();
        assert!(!Value::Float(f64::INFINITY).fits(float) && Value::Float(1.5).fits(float));
    }
}
