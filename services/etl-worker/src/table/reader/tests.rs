use bytes::Bytes;

use super::super::column::ColumnType;
use super::super::value::Value;
use super::super::writer::encode;
use super::*;
use crate::part::Codec;

/// A table with a column of every type: each also nullable, and as a list.
fn table() -> Arc<Table> {
    let names = [
        "string",
        "bool",
        "int8",
        "uint16",
        "int32",
        "uint64",
        "float32",
        "float64",
        "decimal(9,2)",
        "timestamp",
    ];
    let column = |name: String, type_name: &str, is_nullable| Column {
        name,
        column_type: ColumnType::parse(type_name).unwrap(),
        is_nullable,
    };
    let columns = names.iter().enumerate().flat_map(|(number, name)| {
        [
            column(format!("c{number}"), name, false),
            column(format!("n{number}"), name, true),
            column(format!("l{number}"), &format!("list<{name}>"), false),
            column(format!("m{number}"), &format!("list<{name}>"), true),
        ]
    });
    Arc::new(Table::new("ALL_TYPES", 3, columns.collect()).unwrap())
}

fn value(column: &Column) -> Value<'static> {
    use super::super::column::ScalarType::{Boolean, Double, Float, Text};
    match column.column_type.scalar {
        Text => Value::Text("grüß dich".into()),
        Boolean => Value::Boolean(true),
        Float | Double => Value::Float(1.5),
        _ => Value::Integer(100),
    }
}

fn rows(table: &Arc<Table>) -> Rows {
    let mut rows = Rows::new(Arc::clone(table));
    let full: fn(&Column) -> Value<'static> = |column| match column.column_type.is_list {
        true => Value::List(vec![value(column), value(column)]),
        false => value(column),
    };
    let empty: fn(&Column) -> Value<'static> = |column| match (column.is_nullable, column.column_type.is_list)
    {
        (true, _) => Value::Null,
        (false, true) => Value::List(vec![]),
        (false, false) => value(column),
    };
    for row in [full, empty, full] {
        rows.push(&table.columns().iter().map(row).collect::<Vec<_>>());
    }
    rows
}

#[test]
fn what_is_written_is_read_back_with_every_type_and_every_codec() {
    let table = table();
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Snappy] {
        let file = Bytes::from(encode(&rows(&table), codec).unwrap());
        let reader = Reader::new(file, &table).unwrap();
        let mut read = Rows::new(Arc::clone(&table));
        reader.read(0, &mut read).unwrap();
        assert_eq!((reader.row_count(), reader.group_count()), (3, 1));
        assert_eq!(read, rows(&table));
    }
}

#[test]
fn rows_that_are_appended_are_as_if_they_had_been_added() {
    let table = table();
    let (mut twice, half) = (rows(&table), rows(&table));
    twice.append(&half);
    let mut read = Rows::new(Arc::clone(&table));
    let file = Bytes::from(encode(&twice, Codec::Snappy).unwrap());
    Reader::new(file, &table).unwrap().read(0, &mut read).unwrap();
    assert_eq!((read.len(), &read), (6, &twice));
}

#[test]
fn a_file_of_another_table_or_with_other_columns_is_refused() {
    let table = table();
    let encoded = Bytes::from(encode(&rows(&table), Codec::Gzip).unwrap());
    let error = |other: Table| Reader::new(encoded.clone(), &Arc::new(other)).err().unwrap().to_string();
    let other = error(Table::new("OTHER", 1, table.columns().to_vec()).unwrap());
    assert!(other.contains("ALL_TYPES/3") && other.contains("not OTHER/1"), "{other}");
    let changed = error(Table::new("ALL_TYPES", 3, table.columns()[1..].to_vec()).unwrap());
    assert!(changed.contains("the file's columns are not those of ALL_TYPES/3"), "{changed}");
}

/// In a file of one game a dictionary would be larger than what it saves.
#[test]
fn columns_of_many_rows_have_dictionaries() {
    let table = table();
    let mut many = Rows::new(Arc::clone(&table));
    (0..100).for_each(|_| many.append(&rows(&table)));
    for (rows, has_dictionary) in [(many, true), (rows(&table), false)] {
        let file = Bytes::from(encode(&rows, Codec::Gzip).unwrap());
        let reader = SerializedFileReader::new(file).unwrap();
        let text = reader.metadata().row_group(0).column(0);
        assert_eq!(text.dictionary_page_offset().is_some(), has_dictionary, "{} rows", rows.len());
    }
}

#[test]
fn every_column_has_statistics() {
    let table = table();
    let file = Bytes::from(encode(&rows(&table), Codec::Gzip).unwrap());
    let reader = SerializedFileReader::new(file).unwrap();
    for column in reader.metadata().row_group(0).columns() {
        let statistics = column.statistics().unwrap();
        assert!(statistics.min_bytes_opt().is_some() && statistics.max_bytes_opt().is_some());
    }
}
