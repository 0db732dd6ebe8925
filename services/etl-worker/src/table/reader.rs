use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};

use super::column::Column;
use super::rows::{ColumnData, Rows, Values};
use super::schema::{SCHEMA_KEY, Table};

/// Reads a Parquet file of one table, row group by row group.
pub struct Reader<R: ChunkReader + 'static> {
    file: SerializedFileReader<R>,
    table: Arc<Table>,
}

impl<R: ChunkReader + 'static> Reader<R> {
    /// Opens `source`.
    ///
    /// # Errors
    /// When it is not a Parquet file, or is one of another table or schema version.
    pub fn new(source: R, table: &Arc<Table>) -> Result<Self> {
        let file = SerializedFileReader::new(source)?;
        let metadata = file.metadata().file_metadata();
        let pairs = metadata.key_value_metadata();
        let version =
            pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == SCHEMA_KEY)?.value.as_deref());
        if version != Some(table.schema_version().as_str()) {
            return Err(general(format!("the file's schema is {version:?}, not {}", table.schema_version())));
        }
        if !table.has_columns_of(metadata.schema_descr()) {
            return Err(general(format!("the file's columns are not those of {}", table.schema_version())));
        }
        Ok(Self { file, table: Arc::clone(table) })
    }

    /// The number of rows in the file.
    pub fn row_count(&self) -> u64 {
        self.file.metadata().file_metadata().num_rows().cast_unsigned()
    }

    /// The number of row groups in the file.
    pub fn group_count(&self) -> usize {
        self.file.num_row_groups()
    }

    /// Appends the rows of a row group to `rows`.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(&self, group: usize, rows: &mut Rows) -> Result<()> {
        debug_assert_eq!(self.table, rows.table);
        let group = self.file.get_row_group(group)?;
        let count =
            usize::try_from(group.metadata().num_rows()).map_err(|error| general(error.to_string()))?;
        for (index, (column, data)) in self.table.columns().iter().zip(&mut rows.columns).enumerate() {
            read_column(group.get_column_reader(index)?, column, count, data)?;
        }
        rows.count += count;
        Ok(())
    }
}

fn read_column(reader: ColumnReader, column: &Column, count: usize, data: &mut ColumnData) -> Result<()> {
    let ColumnData { values, definitions, repetitions } = data;
    let definitions = (column.max_definition() > 0).then_some(definitions);
    let repetitions = column.column_type.is_list.then_some(repetitions);
    match (reader, values) {
        (ColumnReader::ByteArrayColumnReader(reader), Values::Text(texts)) => {
            let mut values = Vec::new();
            read_all(reader, count, definitions, repetitions, &mut values)?;
            values.iter().try_for_each(|value| value.as_utf8().map(|text| texts.push(text)))
        }
        (ColumnReader::BoolColumnReader(reader), Values::Boolean(values)) => {
            read_all(reader, count, definitions, repetitions, values)
        }
        (ColumnReader::Int32ColumnReader(reader), Values::Int(values)) => {
            read_all(reader, count, definitions, repetitions, values)
        }
        (ColumnReader::Int64ColumnReader(reader), Values::Long(values)) => {
            read_all(reader, count, definitions, repetitions, values)
        }
        (ColumnReader::FloatColumnReader(reader), Values::Float(values)) => {
            read_all(reader, count, definitions, repetitions, values)
        }
        (ColumnReader::DoubleColumnReader(reader), Values::Double(values)) => {
            read_all(reader, count, definitions, repetitions, values)
        }
        _ => Err(general("a column has another type than the schema says")),
    }
}

/// Reads until there are `count` rows: one call may return fewer.
fn read_all<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    count: usize,
    mut definitions: Option<&mut Vec<i16>>,
    mut repetitions: Option<&mut Vec<i16>>,
    values: &mut Vec<T::T>,
) -> Result<()> {
    let mut read = 0;
    while read < count {
        let (rows, _, _) = reader.read_records(
            count - read,
            definitions.as_deref_mut(),
            repetitions.as_deref_mut(),
            values,
        )?;
        if rows == 0 {
            return Err(general("a column ends before its row group"));
        }
        read += rows;
    }
    Ok(())
}

fn general(problem: impl Into<String>) -> ParquetError {
    ParquetError::General(problem.into())
}

#[cfg(test)]
mod tests;
