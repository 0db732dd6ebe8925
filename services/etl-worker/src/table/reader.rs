use parquet::column::reader::ColumnReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};

use super::rows::{Column, Rows};
use super::schema::{SCHEMA_KEY, Table};

/// Reads a Parquet file of one table, row group by row group.
pub struct Reader<R: ChunkReader + 'static> {
    file: SerializedFileReader<R>,
    table: Table,
}

impl<R: ChunkReader + 'static> Reader<R> {
    /// Opens `source`.
    ///
    /// # Errors
    /// When it is not a Parquet file, or is one of another table or schema version.
    pub fn new(source: R, table: Table) -> Result<Self> {
        let file = SerializedFileReader::new(source)?;
        let pairs = file.metadata().file_metadata().key_value_metadata();
        let version =
            pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == SCHEMA_KEY)?.value.as_deref());
        if version != Some(table.schema_version().as_str()) {
            return Err(general(format!("the file's schema is {version:?}, not {}", table.schema_version())));
        }
        Ok(Self { file, table })
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
        for (index, column) in rows.columns.iter_mut().enumerate() {
            match (group.get_column_reader(index)?, column) {
                (ColumnReader::ByteArrayColumnReader(mut reader), Column::Text(values)) => {
                    reader.read_records(count, None, None, values)?
                }
                (ColumnReader::Int32ColumnReader(mut reader), Column::Int(values)) => {
                    reader.read_records(count, None, None, values)?
                }
                (ColumnReader::Int64ColumnReader(mut reader), Column::Long(values)) => {
                    reader.read_records(count, None, None, values)?
                }
                _ => return Err(general("a column has another type than the schema says")),
            };
        }
        Ok(())
    }
}

fn general(problem: impl Into<String>) -> ParquetError {
    ParquetError::General(problem.into())
}

#[cfg(test)]
mod tests {
    use super::super::writer::encode;
    use super::*;
    use crate::game::Row;
    use crate::part::Codec;
    use bytes::Bytes;

    fn rows(table: Table) -> Rows {
        let row = |user: &str| Row {
            user_token: user.to_owned(),
            superhero_id: u16::MAX,
            rank: u8::MAX,
            rounds: u16::MAX,
            damage_received: u64::MAX,
            damage_sent: 0,
        };
        let mut rows = Rows::new(table);
        rows.add("g1", &[row("ann"), row("bob")]);
        rows
    }

    #[test]
    fn what_is_written_is_read_back_with_every_codec() {
        for table in Table::ALL {
            for codec in [Codec::Gzip, Codec::Zstd, Codec::Snappy] {
                let file = Bytes::from(encode(&rows(table), codec).unwrap());
                let reader = Reader::new(file, table).unwrap();
                let mut read = Rows::new(table);
                reader.read(0, &mut read).unwrap();
                assert_eq!((reader.row_count(), reader.group_count()), (2, 1));
                assert_eq!(read, rows(table));
            }
        }
    }

    #[test]
    fn a_file_of_another_table_is_refused() {
        let file = Bytes::from(encode(&rows(Table::Meta), Codec::Gzip).unwrap());
        let error = Reader::new(file, Table::Podium).err().unwrap().to_string();
        assert!(error.contains("GAME_META/1") && error.contains("not GAME_PODIUM/1"), "{error}");
    }

    #[test]
    fn every_column_has_statistics() {
        let file = Bytes::from(encode(&rows(Table::Podium), Codec::Gzip).unwrap());
        let reader = SerializedFileReader::new(file).unwrap();
        for column in reader.metadata().row_group(0).columns() {
            let statistics = column.statistics().unwrap();
            assert!(statistics.min_bytes_opt().is_some() && statistics.max_bytes_opt().is_some());
        }
    }
}
