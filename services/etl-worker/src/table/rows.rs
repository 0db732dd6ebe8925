use std::sync::Arc;

use super::column::{Column, ScalarType};
use super::schema::Table;
use super::texts::Texts;
use super::value::Value;

/// Rows of a table, column by column in the order of its schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The table.
    pub table: Arc<Table>,
    /// The folder that they belong to, with [`DAY`](crate::part::DAY) in the place of the day. Empty if it is that of their part.
    pub folder: String,
    pub(super) count: usize,
    pub(super) columns: Vec<ColumnData>,
}

/// The values of a column, and Parquet's levels if there may be none or several in a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnData {
    pub(super) values: Values,
    /// Empty if every row has a value.
    pub(super) definitions: Vec<i16>,
    /// Empty if no row has several.
    pub(super) repetitions: Vec<i16>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Text(Texts),
    Boolean(Vec<bool>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
}

/// The same code for the values of each type.
macro_rules! for_each_type {
    ($values:expr, $list:ident => $code:expr) => {
        match $values {
            Values::Text($list) => $code,
            Values::Boolean($list) => $code,
            Values::Int($list) => $code,
            Values::Long($list) => $code,
            Values::Float($list) => $code,
            Values::Double($list) => $code,
        }
    };
}

impl Rows {
    /// No rows yet.
    pub fn new(table: Arc<Table>) -> Self {
        let columns = table.columns().iter().map(ColumnData::new).collect();
        Self { table, folder: String::new(), count: 0, columns }
    }

    /// No rows yet, of a folder.
    pub fn in_folder(table: Arc<Table>, folder: String) -> Self {
        Self { folder, ..Self::new(table) }
    }

    /// Adds a row. Its values must be [converted](Value::convert) to the types of the columns.
    pub fn push<'a>(&mut self, row: impl IntoIterator<Item = &'a Value<'a>>) {
        let columns = self.table.columns().iter().zip(&mut self.columns);
        for ((column, data), value) in columns.zip(row) {
            data.push(column, value);
        }
        self.count += 1;
    }

    /// Adds the rows of `more`, which is of the same table.
    pub fn append(&mut self, more: &Rows) {
        for (column, more) in self.columns.iter_mut().zip(&more.columns) {
            column.append(more);
        }
        self.count += more.count;
    }

    /// The rows as values.
    pub fn values(&self) -> impl Iterator<Item = Vec<Value<'_>>> {
        let columns = self.table.columns().iter().zip(&self.columns);
        let mut columns: Vec<_> = columns.map(|(column, data)| data.values(column)).collect();
        let mut next_row =
            move || columns.iter_mut().map(|values| values.next().unwrap_or_default()).collect();
        (0..self.count).map(move |_| next_row())
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Removes all rows, but keeps the memory for new ones.
    pub fn clear(&mut self) {
        self.count = 0;
        for column in &mut self.columns {
            column.definitions.clear();
            column.repetitions.clear();
            for_each_type!(&mut column.values, list => list.clear());
        }
    }
}

impl ColumnData {
    fn new(column: &Column) -> Self {
        let values = match column.column_type.scalar {
            ScalarType::Text => Values::Text(Texts::default()),
            ScalarType::Boolean => Values::Boolean(Vec::new()),
            ScalarType::Integer { bits: 64, .. } | ScalarType::Decimal { .. } | ScalarType::Timestamp => {
                Values::Long(Vec::new())
            }
            ScalarType::Integer { .. } => Values::Int(Vec::new()),
            ScalarType::Float => Values::Float(Vec::new()),
            ScalarType::Double => Values::Double(Vec::new()),
        };
        Self { values, definitions: Vec::new(), repetitions: Vec::new() }
    }

    fn push(&mut self, column: &Column, value: &Value) {
        let max = column.max_definition();
        match value {
            Value::List(items) => {
                if items.is_empty() {
                    self.push_levels(column, max - 1, 0);
                }
                for (number, item) in items.iter().enumerate() {
                    self.push_levels(column, max, i16::from(number > 0));
                    self.push_value(item);
                }
            }
            Value::Null | Value::Object => self.push_levels(column, 0, 0),
            value => {
                self.push_levels(column, max, 0);
                self.push_value(value);
            }
        }
    }

    fn push_levels(&mut self, column: &Column, definition: i16, repetition: i16) {
        if column.max_definition() > 0 {
            self.definitions.push(definition);
        }
        if column.column_type.is_list {
            self.repetitions.push(repetition);
        }
    }

    /// The value was converted, so numbers fit. Parquet keeps the bits of unsigned ones in signed ones.
    fn push_value(&mut self, value: &Value) {
        match (&mut self.values, value) {
            (Values::Text(list), Value::Text(text)) => list.push(text),
            (Values::Boolean(list), Value::Boolean(value)) => list.push(*value),
            (Values::Int(list), Value::Integer(number)) => list.push(*number as i32),
            (Values::Long(list), Value::Integer(number)) => list.push(*number as i64),
            (Values::Float(list), Value::Float(number)) => list.push(*number as f32),
            (Values::Double(list), Value::Float(number)) => list.push(*number),
            (_, value) => unreachable!("{value:?} was not converted to the type of its column"),
        }
    }

    /// The value of each row.
    fn values<'d>(&'d self, column: &'d Column) -> impl Iterator<Item = Value<'d>> {
        let max = column.max_definition();
        let (mut level, mut next) = (0, 0);
        std::iter::from_fn(move || {
            let is_null = column.is_nullable && *self.definitions.get(level)? == 0;
            let mut items = Vec::new();
            loop {
                if max == 0 || *self.definitions.get(level)? == max {
                    items.push(self.value(column, next)?);
                    next += 1;
                }
                level += 1;
                if self.repetitions.get(level).copied().unwrap_or_default() == 0 {
                    break;
                }
            }
            Some(match (column.column_type.is_list, is_null) {
                (_, true) => Value::Null,
                (true, false) => Value::List(items),
                (false, false) => items.pop().unwrap_or_default(),
            })
        })
    }

    fn value(&self, column: &Column, place: usize) -> Option<Value<'_>> {
        let is_unsigned = matches!(column.column_type.scalar, ScalarType::Integer { signed: false, .. });
        Some(match &self.values {
            Values::Text(list) => Value::Text(list.get(place)?.into()),
            Values::Boolean(list) => Value::Boolean(*list.get(place)?),
            Values::Int(list) if is_unsigned => Value::Integer(list.get(place)?.cast_unsigned().into()),
            Values::Int(list) => Value::Integer((*list.get(place)?).into()),
            Values::Long(list) if is_unsigned => Value::Integer(list.get(place)?.cast_unsigned().into()),
            Values::Long(list) => Value::Integer((*list.get(place)?).into()),
            Values::Float(list) => Value::Float((*list.get(place)?).into()),
            Values::Double(list) => Value::Float(*list.get(place)?),
        })
    }

    fn append(&mut self, more: &Self) {
        self.definitions.extend(&more.definitions);
        self.repetitions.extend(&more.repetitions);
        match (&mut self.values, &more.values) {
            (Values::Text(list), Values::Text(more)) => list.append(more),
            (Values::Boolean(list), Values::Boolean(more)) => list.extend(more),
            (Values::Int(list), Values::Int(more)) => list.extend(more),
            (Values::Long(list), Values::Long(more)) => list.extend(more),
            (Values::Float(list), Values::Float(more)) => list.extend(more),
            (Values::Double(list), Values::Double(more)) => list.extend(more),
            _ => unreachable!("both are of the same table"),
        }
    }
}
