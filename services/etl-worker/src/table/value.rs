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
    /// The value in the form that a column of this type has. `None` if it is no such value.
    pub fn convert(self, column_type: ColumnType, origin: Origin) -> Option<Self> {
        if !column_type.is_list {
            return self.convert_scalar(column_type.scalar, origin);
        }
        let items = match self {
            Self::List(items) => items,
            Self::Text(text) if origin == Origin::Field => {
                serde_json::from_str::<Vec<serde_json::Value>>(&text)
                    .ok()?
                    .into_iter()
                    .map(Self::from)
                    .collect()
            }
            _ => return None,
        };
        let items = items.into_iter().map(|item| item.convert_scalar(column_type.scalar, Origin::Json));
        items.collect::<Option<_>>().map(Self::List)
    }

    fn convert_scalar(self, scalar: ScalarType, origin: Origin) -> Option<Self> {
        match (scalar, self) {
            (ScalarType::Text, Self::Text(text)) => Some(Self::Text(text)),
            (ScalarType::Boolean, Self::Boolean(value)) => Some(Self::Boolean(value)),
            (ScalarType::Boolean, Self::Text(text)) if origin == Origin::Field => match &*text {
                "true" | "True" | "1" => Some(Self::Boolean(true)),
                "false" | "False" | "0" => Some(Self::Boolean(false)),
                _ => None,
            },
            (ScalarType::Integer { bits, signed }, value) => {
                let number = match value {
                    Self::Integer(number) => number,
                    Self::Float(number) => number::from_float(number)?,
                    Self::Text(text) if origin == Origin::Field => number::parse(&text)?,
                    _ => return None,
                };
                let (min, max) = range(bits, signed);
                (min..=max).contains(&number).then_some(Self::Integer(number))
            }
            (ScalarType::Float | ScalarType::Double, value) => {
                let number = match value {
                    Self::Integer(number) => number as f64,
                    Self::Float(number) => number,
                    Self::Text(text) if origin == Origin::Field => text.parse().ok()?,
                    _ => return None,
                };
                is_finite(number, scalar).then_some(Self::Float(number))
            }
            // Decimals are often written as text, so that nobody makes a float of them.
            (ScalarType::Decimal { precision, scale }, value) => {
                let text = match value {
                    Self::Integer(number) => number.to_string().into(),
                    Self::Float(number) => number.to_string().into(),
                    Self::Text(text) => text,
                    _ => return None,
                };
                number::parse_decimal(&text, precision, scale).map(Self::Integer)
            }
            // RFC 3339, or milliseconds since 1970.
            (ScalarType::Timestamp, value) => {
                let millisecond = match value {
                    Self::Text(text) => match text.parse::<Timestamp>() {
                        Ok(time) => return Some(Self::Integer(time.as_microsecond().into())),
                        Err(_) if origin == Origin::Field => number::parse::<i64>(&text)?,
                        Err(_) => return None,
                    },
                    Self::Integer(number) => i64::try_from(number).ok()?,
                    Self::Float(number) => i64::try_from(number::from_float(number)?).ok()?,
                    _ => return None,
                };
                let time = Timestamp::from_millisecond(millisecond).ok()?;
                Some(Self::Integer(time.as_microsecond().into()))
            }
            _ => None,
        }
    }

    /// The value, which borrows what this one has.
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::List(items) => Value::List(items.iter().map(Value::borrowed).collect()),
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Integer(number) => Value::Integer(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Object => Value::Object,
        }
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

    fn from_field(text: &str, column_type: &str) -> Option<Value<'static>> {
        let column_type = ColumnType::parse(column_type).unwrap();
        Value::Text(text.to_owned().into()).convert(column_type, Origin::Field)
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
            assert_eq!(from_field(text, column_type), value, "{text} as {column_type}");
        }
    }

    #[test]
    fn in_json_text_is_no_number_and_a_number_is_no_text() {
        let uint8 = ColumnType::parse("uint8").unwrap();
        assert_eq!(Value::Text("7".into()).convert(uint8, Origin::Json), None);
        assert_eq!(Value::Float(7.0).convert(uint8, Origin::Json), Some(Value::Integer(7)));
        assert_eq!(Value::Float(7.5).convert(uint8, Origin::Json), None);
        let float = ColumnType::parse("float32").unwrap();
        assert_eq!(Value::Float(1e39).convert(float, Origin::Json), None);
        assert!(!Value::Float(f64::INFINITY).fits(float) && Value::Float(1.5).fits(float));
        let text = ColumnType::parse("string").unwrap();
        assert_eq!(Value::Integer(7).convert(text, Origin::Json), None);
    }
}
