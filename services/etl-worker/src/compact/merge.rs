//! Rows of many files on their way into few.

use std::io::Write;

use anyhow::ensure;
use parquet::file::reader::ChunkReader;

use crate::part::Codec;
use crate::table::{Reader, Rows, Table, Writer};

/// Where merged files go.
pub(super) trait Sinks {
    /// A file that is being written.
    type Sink: Write + Send;

    /// The next file.
    fn open(&mut self) -> anyhow::Result<Self::Sink>;

    /// Its end.
    fn close(&mut self, sink: Self::Sink) -> anyhow::Result<()>;
}

/// A merge of files of one table. It holds the rows of one row group.
pub(super) struct Merge<W: Write + Send> {
    table: Table,
    codec: Codec,
    rows: Rows,
    writer: Option<Writer<W>>,
    rows_in_file: usize,
    expected: u64,
    written: u64,
}

impl<W: Write + Send> Merge<W> {
    pub(super) fn new(table: Table, codec: Codec) -> Self {
        let rows = Rows::new(table);
        Self { table, codec, rows, writer: None, rows_in_file: 0, expected: 0, written: 0 }
    }

    /// Adds the rows of a file.
    pub(super) fn add<R: ChunkReader + 'static>(
        &mut self,
        file: R,
        sinks: &mut impl Sinks<Sink = W>,
    ) -> anyhow::Result<()> {
        let reader = Reader::new(file, self.table)?;
        self.expected += reader.row_count();
        for group in 0..reader.groups() {
            reader.read(group, &mut self.rows)?;
            if self.rows.len() >= GROUP_ROWS {
                self.write_group(sinks)?;
            }
        }
        if self.rows_in_file >= FILE_ROWS {
            self.end_file(sinks)?;
        }
        Ok(())
    }

    /// Writes what is left, and gives the number of rows.
    pub(super) fn finish(mut self, sinks: &mut impl Sinks<Sink = W>) -> anyhow::Result<u64> {
        if !self.rows.is_empty() {
            self.write_group(sinks)?;
        }
        self.end_file(sinks)?;
        let (written, expected) = (self.written, self.expected);
        ensure!(written == expected, "{written} rows were merged of {expected}; nothing is changed");
        Ok(written)
    }

    fn write_group(&mut self, sinks: &mut impl Sinks<Sink = W>) -> anyhow::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(Writer::new(sinks.open()?, self.table, self.codec)?),
        };
        writer.write(&self.rows)?;
        self.written += self.rows.len() as u64;
        self.rows_in_file += self.rows.len();
        self.rows.clear();
        Ok(())
    }

    fn end_file(&mut self, sinks: &mut impl Sinks<Sink = W>) -> anyhow::Result<()> {
        self.rows_in_file = 0;
        match self.writer.take() {
            Some(writer) => sinks.close(writer.finish()?),
            None => Ok(()),
        }
    }
}

/// What a reader takes at a time.
const GROUP_ROWS: usize = 122_880;
/// Where a merged file ends.
const FILE_ROWS: usize = 4_000_000;
