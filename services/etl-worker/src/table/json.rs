use serde_json::Value as Json;

use super::column::{Column, ScalarType};
use super::value::Value;

/// The value of a column as JSON. Decimals and times are texts: JSON has none.
pub fn to_json(column: &Column, value: Value) -> Json {
    match (column.column_type.scalar, value) {
        (_, Value::Null | Value::Object) => Json::Null,
        (_, Value::Boolean(value)) => value.into(),
        (scalar @ (ScalarType::Decimal { .. } | ScalarType::Timestamp), value @ Value::Integer(_)) => {
            value.text(scalar).into()
        }
        (_, Value::Integer(number)) => match (u64::try_from(number), i64::try_from(number)) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) => number.into(),
            _ => Json::Null,
        },
        (_, Value::Float(number)) => number.into(),
        (_, Value::Text(text)) => text.into_owned().into(),
        (_, Value::List(items)) => items.into_iter().map(|item| to_json(column, item)).collect(),
    }
}
