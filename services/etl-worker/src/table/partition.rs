//! Partitions: the folders in a table's folder whose names say what the files in them have in common, as Hive names them.

use jiff::Timestamp;

use super::column::ScalarType;
use super::value::Value;
use crate::part::NO_VALUE;

/// A part of the path: `KEY=VALUE`. The key is in the path only, never a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionKey {
    /// The key.
    pub name: String,
    /// Where the value is found in a file.
    pub value: KeyValue,
}

/// Where the value of a key is found in a file that is not in its partition yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyValue {
    /// The day of the message that said that the session ended.
    Day,
    /// A column.
    Column(usize),
    /// Nowhere: it was known only when the session was read.
    Unknown,
}

/// The part of a path that says that a key has a value. A time stands for its day (UTC).
///
/// # Errors
/// When it is too long for a disk.
pub fn segment(key: &str, value: &Value, scalar: ScalarType) -> Result<String, String> {
    let text = match (value, scalar) {
        (Value::Null | Value::Object | Value::List(_), _) => String::new(),
        (Value::Integer(number), ScalarType::Timestamp) => {
            let time = i64::try_from(*number).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
            time.map(|time| time.strftime("%F").to_string()).unwrap_or_default()
        }
        _ => value.text(scalar),
    };
    let mut segment = format!("{key}=");
    for c in text.chars() {
        if c < ' ' || c == '\u{7f}' || "\"#%'*/:=?\\{}[]^".contains(c) {
            segment.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            segment.push(c);
        }
    }
    if text.is_empty() {
        segment.push_str(NO_VALUE);
    }
    if segment.len() > MAX_SEGMENT_BYTES {
        let start: String = text.chars().take(40).collect();
        return Err(format!("{key} is too long for the name of a folder: {start}…"));
    }
    Ok(segment)
}

/// What file systems take.
const MAX_SEGMENT_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ColumnType;

    fn named(value: Value, column_type: &str) -> String {
        segment("k", &value, ColumnType::parse(column_type).unwrap().scalar).unwrap()
    }

    #[test]
    fn folders_are_named_as_hive_names_them() {
        assert_eq!(named(Value::Text("ann".into()), "string"), "k=ann");
        assert_eq!(named(Value::Text("a/b=50%\n{é}".into()), "string"), "k=a%2Fb%3D50%25%0A%7Bé%7D");
        assert_eq!(named(Value::Text("".into()), "string"), "k=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(named(Value::Null, "int8"), "k=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(named(Value::Integer(-7), "int8"), "k=-7");
        assert_eq!(named(Value::Integer(1250), "decimal(6,2)"), "k=12.50");
        assert_eq!(named(Value::Boolean(true), "bool"), "k=true");
        assert_eq!(named(Value::Integer(1_664_625_600_000_000), "timestamp"), "k=2022-10-01");
        let long = Value::Text("x".repeat(254).into());
        let error = segment("k", &long, ScalarType::Text).unwrap_err();
        assert!(error.starts_with("k is too long for the name of a folder: xxx"), "{error}");
    }
}
