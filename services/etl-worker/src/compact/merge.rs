//! Merges the rows of many files into few files.

use std::io::Write;
use std::sync::Arc;

use anyhow::ensure;
use parquet::file::reader::ChunkReader;

use crate::part::Codec;
use crate::table::{Reader, Rows, Table, Writer};

/// Where the merged files are written.
pub(super) trait MergeOutput {
    /// A file that is being written.
    type File: Write + Send;

    /// Creates the next file.
    fn create(&mut self) -> anyhow::Result<Self::File>;

    /// Completes a file.
    fn finish(&mut self, file: Self::File) -> anyhow::Result<()>;
}

/// Merges files of one table. It holds the rows of one row group in memory.
pub(super) struct Merger<W: Write + Send> {
    table: Arc<Table>,
    codec: Codec,
    rows: Rows,
    writer: Option<Writer<W>>,
    rows_in_file: usize,
    rows_read: u64,
    rows_written: u64,
}

impl<W: Write + Send> Merger<W> {
    pub(super) fn new(table: &Arc<Table>, codec: Codec) -> Self {
        let (table, rows) = (Arc::clone(table), Rows::new(Arc::clone(table)));
        Self { table, codec, rows, writer: None, rows_in_file: 0, rows_read: 0, rows_written: 0 }
    }

    /// Adds the rows of a file.
    pub(super) fn add<R: ChunkReader + 'static>(
        &mut self,
        file: R,
        output: &mut impl MergeOutput<File = W>,
    ) -> anyhow::Result<()> {
        let reader = Reader::new(file, &self.table)?;
        self.rows_read += reader.row_count();
        for group in 0..reader.group_count() {
            reader.read(group, &mut self.rows)?;
            if self.rows.len() >= GROUP_ROWS {
                self.write_group(output)?;
            }
        }
        if self.rows_in_file >= FILE_ROWS {
            self.finish_file(output)?;
        }
        Ok(())
    }

    /// Adds rows.
    pub(super) fn add_rows(
        &mut self,
        rows: &Rows,
        output: &mut impl MergeOutput<File = W>,
    ) -> anyhow::Result<()> {
        self.rows_read += rows.len() as u64;
        self.rows.append(rows);
        if self.rows.len() >= GROUP_ROWS {
            self.write_group(output)?;
        }
        if self.rows_in_file >= FILE_ROWS {
            self.finish_file(output)?;
        }
        Ok(())
    }

    /// Writes the remaining rows. Returns the number of all rows.
    pub(super) fn finish(mut self, output: &mut impl MergeOutput<File = W>) -> anyhow::Result<u64> {
        if !self.rows.is_empty() {
            self.write_group(output)?;
        }
        self.finish_file(output)?;
        let (written, read) = (self.rows_written, self.rows_read);
        ensure!(written == read, "only {written} of {read} rows were merged; nothing is changed");
        Ok(written)
    }

    fn write_group(&mut self, output: &mut impl MergeOutput<File = W>) -> anyhow::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(Writer::new(output.create()?, &self.table, self.codec)?),
        };
        writer.write(&self.rows)?;
        self.rows_written += self.rows.len() as u64;
        self.rows_in_file += self.rows.len();
        self.rows.clear();
        Ok(())
    }

    fn finish_file(&mut self, output: &mut impl MergeOutput<File = W>) -> anyhow::Result<()> {
        self.rows_in_file = 0;
        match self.writer.take() {
            Some(writer) => output.finish(writer.finish()?),
            None => Ok(()),
        }
    }
}

/// Rows of a row group, which a query engine reads at a time.
const GROUP_ROWS: usize = 122_880;
/// Rows after which a merged file is complete.
const FILE_ROWS: usize = 4_000_000;
