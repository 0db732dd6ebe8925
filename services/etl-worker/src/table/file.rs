//! A table's rows as a Parquet file, written and read back.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArrayType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use super::{Column, Rows, SCHEMA_KEY, Table};
use crate::part::Codec;

/// Writes a Parquet file of one table.
pub struct Writer<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> Writer<W> {
    /// A file in `sink`.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn new(sink: W, table: Table, codec: Codec) -> Result<Self> {
        Self::with_size(sink, table, codec, usize::MAX)
    }

    /// A file that is to hold so many rows.
    fn with_size(sink: W, table: Table, codec: Codec, rows: usize) -> Result<Self> {
        let compression = match codec {
            Codec::Gzip => Compression::GZIP(GzipLevel::default()),
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Codec::Snappy => Compression::SNAPPY,
        };
        // In a file of one game, dictionaries and indexes of pages cost more than all else.
        let tiny = rows < TINY_ROWS;
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(!tiny)
            .set_offset_index_disabled(tiny)
            .set_statistics_enabled(if tiny { EnabledStatistics::Chunk } else { EnabledStatistics::Page })
            .set_compression(compression)
            .set_created_by(concat!("etl-worker ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(vec![KeyValue::new(SCHEMA_KEY.to_owned(), table.schema_version())]));
        SerializedFileWriter::new(sink, table.schema()?, Arc::new(properties.build())).map(Self)
    }

    /// Adds a row group.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write(&mut self, rows: &Rows) -> Result<()> {
        let mut group = self.0.next_row_group()?;
        for column in &rows.columns {
            let mut writer = group.next_column()?.ok_or_else(|| general("a column too many"))?;
            match column {
                Column::Text(values) => writer.typed::<ByteArrayType>().write_batch(values, None, None)?,
                Column::Int(values) => writer.typed::<Int32Type>().write_batch(values, None, None)?,
                Column::Long(values) => writer.typed::<Int64Type>().write_batch(values, None, None)?,
            };
            writer.close()?;
        }
        group.close().map(drop)
    }

    /// Ends the file and gives the sink back.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn finish(self) -> Result<W> {
        self.0.into_inner()
    }
}

/// A whole file of one row group, in memory.
///
/// # Errors
/// Never in practice: memory can be written.
pub fn encode(rows: &Rows, codec: Codec) -> Result<Vec<u8>> {
    let mut writer = Writer::with_size(Vec::new(), rows.table, codec, rows.len())?;
    writer.write(rows)?;
    writer.finish()
}

/// Reads a file of this table back, row group by row group.
pub struct Reader<R: ChunkReader + 'static>(SerializedFileReader<R>, Table);

impl<R: ChunkReader + 'static> Reader<R> {
    /// Opens `source`.
    ///
    /// # Errors
    /// When it is no Parquet file, or one of another table or version.
    pub fn new(source: R, table: Table) -> Result<Self> {
        let reader = SerializedFileReader::new(source)?;
        let pairs = reader.metadata().file_metadata().key_value_metadata();
        let version =
            pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == SCHEMA_KEY)?.value.as_deref());
        if version != Some(table.schema_version().as_str()) {
            return Err(general(format!("the file's schema is {version:?}, not {}", table.schema_version())));
        }
        Ok(Self(reader, table))
    }

    /// The number of rows in the file.
    pub fn row_count(&self) -> u64 {
        self.0.metadata().file_metadata().num_rows().cast_unsigned()
    }

    /// The number of row groups.
    pub fn groups(&self) -> usize {
        self.0.num_row_groups()
    }

    /// Appends the rows of a row group to `rows`.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(&self, group: usize, rows: &mut Rows) -> Result<()> {
        debug_assert_eq!(self.1, rows.table);
        let group = self.0.get_row_group(group)?;
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
                _ => return Err(general("a column of another type")),
            };
        }
        Ok(())
    }
}

const TINY_ROWS: usize = 256;

fn general(problem: impl Into<String>) -> ParquetError {
    ParquetError::General(problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::game::Row;
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
                assert_eq!((reader.row_count(), reader.groups()), (2, 1));
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
