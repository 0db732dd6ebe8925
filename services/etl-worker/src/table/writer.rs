use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{BoolType, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;

use super::rows::{ColumnData, Rows, Values};
use super::schema::{SCHEMA_KEY, Table};
use crate::part::Codec;

/// Writes a Parquet file of one table.
pub struct Writer<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> Writer<W> {
    /// Starts a file in `sink`.
    ///
    /// # Errors
    /// When `sink` cannot be written.
    pub fn new(sink: W, table: &Table, codec: Codec) -> Result<Self> {
        Self::with_row_count(sink, table, codec, usize::MAX)
    }

    /// Starts a file that will have `row_count` rows.
    fn with_row_count(sink: W, table: &Table, codec: Codec, row_count: usize) -> Result<Self> {
        let compression = match codec {
            Codec::Gzip => Compression::GZIP(GzipLevel::default()),
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Codec::Snappy => Compression::SNAPPY,
        };
        // In a file of one game, dictionaries and page indexes would be larger than the data.
        let is_tiny = row_count < TINY_ROWS;
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(!is_tiny)
            .set_offset_index_disabled(is_tiny)
            .set_statistics_enabled(if is_tiny { EnabledStatistics::Chunk } else { EnabledStatistics::Page })
            .set_compression(compression)
            .set_created_by(concat!("etl-worker ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(vec![KeyValue::new(SCHEMA_KEY.to_owned(), table.schema_version())]));
        SerializedFileWriter::new(sink, table.schema(), Arc::new(properties.build())).map(Self)
    }

    /// Adds a row group.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write(&mut self, rows: &Rows) -> Result<()> {
        let mut group = self.0.next_row_group()?;
        for column in &rows.columns {
            let too_many = || ParquetError::General("more columns than the schema has".to_owned());
            let mut writer = group.next_column()?.ok_or_else(too_many)?;
            let ColumnData { values, definitions, repetitions } = column;
            let definitions = (!definitions.is_empty()).then_some(definitions.as_slice());
            let repetitions = (!repetitions.is_empty()).then_some(repetitions.as_slice());
            macro_rules! write {
                ($parquet_type:ty, $values:expr) => {
                    writer.typed::<$parquet_type>().write_batch($values, definitions, repetitions)?
                };
            }
            match values {
                Values::Text(texts) => write!(ByteArrayType, &texts.to_byte_arrays()),
                Values::Boolean(values) => write!(BoolType, values),
                Values::Int(values) => write!(Int32Type, values),
                Values::Long(values) => write!(Int64Type, values),
                Values::Float(values) => write!(FloatType, values),
                Values::Double(values) => write!(DoubleType, values),
            };
            writer.close()?;
        }
        group.close().map(drop)
    }

    /// Completes the file and returns the sink.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn finish(self) -> Result<W> {
        self.0.into_inner()
    }
}

/// Encodes a whole file of one row group in memory.
///
/// # Errors
/// Never in practice: memory can be written.
pub fn encode(rows: &Rows, codec: Codec) -> Result<Vec<u8>> {
    let mut writer = Writer::with_row_count(Vec::new(), &rows.table, codec, rows.len())?;
    writer.write(rows)?;
    writer.finish()
}

const TINY_ROWS: usize = 256;
