//! Columns: their types, as a dataset file names them, and as Parquet has them.

use std::fmt;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnType {
    /// The type of a value, or of an element of a list.
    pub scalar: ScalarType,
    /// Whether the value is a list.
    pub is_list: bool,
}

/// The type of a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarType {
    /// UTF-8.
    Text,
    /// True or false.
    Boolean,
    /// A whole number of so many bits: 8, 16, 32 or 64.
    Integer {
        /// The width.
        bits: u8,
        /// Whether it may be negative.
        signed: bool,
    },
    /// A float of 32 bits.
    Float,
    /// A float of 64 bits.
    Double,
    /// A number with so many digits in total (at most 18), of which so many are behind the point.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Microseconds since 1970 in UTC.
    Timestamp,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether a row may have no value.
    pub is_nullable: bool,
}

impl ColumnType {
    /// A single value.
    pub fn of(scalar: ScalarType) -> Self {
        Self { scalar, is_list: false }
    }

    /// Parses a name such as `uint16`, `decimal(12,2)` or `list<string>`. `None` if there is no such type.
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            Some(element) => Some(Self { scalar: ScalarType::parse(element)?, is_list: true }),
            None => ScalarType::parse(name).map(Self::of),
        }
    }
}

impl ScalarType {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::Text,
            "bool" => Self::Boolean,
            "float32" => Self::Float,
            "float64" => Self::Double,
            "timestamp" => Self::Timestamp,
            _ => return Self::parse_integer(name).or_else(|| Self::parse_decimal(name)),
        })
    }

    fn parse_integer(name: &str) -> Option<Self> {
        let (signed, rest) = name.strip_prefix('u').map_or((true, name), |rest| (false, rest));
        let width = rest.strip_prefix("int")?;
        let bits = [8, 16, 32, 64].into_iter().find(|bits: &u8| bits.to_string() == width)?;
        Some(Self::Integer { bits, signed })
    }

    fn parse_decimal(name: &str) -> Option<Self> {
        let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
        let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        ((1..=18).contains(&precision) && scale <= precision).then_some(Self::Decimal { precision, scale })
    }

    /// The type and its annotation in Parquet's language of schemas.
    fn in_parquet(self) -> (&'static str, String) {
        match self {
            Self::Text => ("binary", " (STRING)".to_owned()),
            Self::Boolean => ("boolean", String::new()),
            Self::Integer { bits, signed } => {
                (if bits == 64 { "int64" } else { "int32" }, format!(" (INTEGER({bits},{signed}))"))
            }
            Self::Float => ("float", String::new()),
            Self::Double => ("double", String::new()),
            Self::Decimal { precision, scale } => ("int64", format!(" (DECIMAL({precision},{scale}))")),
            Self::Timestamp => ("int64", " (TIMESTAMP(MICROS,true))".to_owned()),
        }
    }
}

impl Column {
    /// The level at which a value of the column is defined: 1 more if it may be null, and 1 more in a list.
    pub(super) fn max_definition(&self) -> i16 {
        i16::from(self.is_nullable) + i16::from(self.column_type.is_list)
    }
}

/// The column in Parquet's language of schemas.
impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, column_type, is_nullable } = self;
        let repetition = if *is_nullable { "optional" } else { "required" };
        let (parquet_type, annotation) = column_type.scalar.in_parquet();
        if column_type.is_list {
            write!(
                f,
                "{repetition} group {name} (LIST) {{ repeated group list {{ \
                 required {parquet_type} element{annotation}; }} }}"
            )
        } else {
            write!(f, "{repetition} {parquet_type} {name}{annotation};")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_everywhere() {
        let signed = |bits| Some(ColumnType::of(ScalarType::Integer { bits, signed: true }));
        assert_eq!((ColumnType::parse("int8"), ColumnType::parse("int64")), (signed(8), signed(64)));
        let price = ScalarType::Decimal { precision: 12, scale: 2 };
        assert_eq!(ColumnType::parse("decimal(12, 2)"), Some(ColumnType::of(price)));
        let tags = ColumnType { scalar: ScalarType::Text, is_list: true };
        assert_eq!(ColumnType::parse("list<string>"), Some(tags));
        for none in
            ["int7", "uuint8", "decimal(19,2)", "decimal(2,3)", "list<list<string>>", "text", "int", ""]
        {
            assert_eq!(ColumnType::parse(none), None, "{none}");
        }
    }
}
