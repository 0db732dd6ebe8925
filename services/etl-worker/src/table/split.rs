//! Which partition files and rows belong to.

use std::collections::BTreeMap;

use super::partition::{KeyValue, PartitionKey, segment};
use super::rows::Rows;
use super::schema::Table;

impl Table {
    /// Whether a file in this folder is where it belongs, as every file of a table without partitions is.
    pub fn is_in_place(&self, folder: &str) -> bool {
        self.partition().is_empty() || self.is_partition(folder)
    }

    /// Whether a folder has exactly the keys of this table, in order.
    fn is_partition(&self, folder: &str) -> bool {
        let keys = self.partition();
        let has_key = |(segment, key): (&str, &PartitionKey)| {
            segment.strip_prefix(&key.name).is_some_and(|rest| rest.starts_with('='))
        };
        folder.split('/').count() == keys.len() && folder.split('/').zip(keys).all(has_key)
    }

    /// Whether the rows of a file tell the partitions that they belong to.
    pub fn can_split(&self) -> bool {
        self.partition().iter().all(|key| key.value != KeyValue::Unknown)
    }

    /// The rows by the folders that they belong to, with this day of their messages.
    ///
    /// # Errors
    /// When the name of a folder is too long for a disk.
    pub fn split(&self, rows: &Rows, day: &str) -> Result<BTreeMap<String, Rows>, String> {
        let mut split = BTreeMap::<String, Rows>::new();
        for row in rows.values() {
            let segments = self.partition().iter().map(|key| match key.value {
                KeyValue::Column(place) => {
                    segment(&key.name, &row[place], self.columns()[place].column_type.scalar)
                }
                KeyValue::Day | KeyValue::Unknown => Ok(format!("{}={day}", key.name)),
            });
            let folder = segments.collect::<Result<Vec<_>, _>>()?.join("/");
            split.entry(folder).or_insert_with(|| Rows::new(rows.table.clone())).push(&row);
        }
        Ok(split)
    }

    /// The day in the name of a folder of this table, or of the default one.
    pub fn day_of<'f>(&self, folder: &'f str) -> Option<&'f str> {
        let keys = self.partition().iter().filter(|key| key.value == KeyValue::Day);
        let mut names = keys.map(|key| key.name.as_str()).chain(["dt"]);
        names.find_map(|name| {
            folder.split('/').find_map(|segment| segment.strip_prefix(name)?.strip_prefix('='))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::table::{Column, ColumnType, Value};

    #[test]
    fn rows_are_split_by_their_columns_and_the_day() {
        let column = |name: &str, column_type| Column {
            name: name.to_owned(),
            column_type: ColumnType::parse(column_type).unwrap(),
            is_nullable: false,
        };
        let key = |name: &str, value| PartitionKey { name: name.to_owned(), value };
        let table = Table::new("T", 1, vec![column("a", "int8")]).unwrap();
        let table = table.partitioned_by(vec![key("b", KeyValue::Column(0)), key("on", KeyValue::Day)]);
        assert!(table.is_partition("b=1/on=x") && table.can_split());
        assert!(
            !["", "dt=x", "b=1", "on=x/b=1", "b=1/on=x/c=1", "bb=1/on=x"]
                .iter()
                .any(|f| table.is_partition(f))
        );
        assert_eq!(
            (table.day_of("b=1/on=x"), table.day_of("dt=y"), table.day_of("")),
            (Some("x"), Some("y"), None)
        );
        let table = Arc::new(table);
        let mut rows = Rows::new(Arc::clone(&table));
        [1, 2, 1].into_iter().for_each(|number| rows.push(&[Value::Integer(number)]));
        let split = table.split(&rows, "x").unwrap();
        let counts: Vec<(&str, usize)> =
            split.iter().map(|(folder, rows)| (folder.as_str(), rows.len())).collect();
        assert_eq!(counts, [("b=1/on=x", 2), ("b=2/on=x", 1)]);
    }
}
