use std::sync::Arc;

use parquet::file::reader::ChunkReader;

use super::error::OutputError;
use crate::table::{Reader, Rows, Table};

/// The rows of the first row group of a file, and how many rows the file has. `name` is where it is, for errors.
pub(super) fn read_first<R: ChunkReader + 'static>(
    file: R,
    table: &Arc<Table>,
    name: &str,
) -> Result<(Rows, u64), OutputError> {
    let failed = |error| OutputError::new(format!("read {name}"), error);
    let (reader, mut rows) = (Reader::new(file, table).map_err(failed)?, Rows::new(Arc::clone(table)));
    if reader.group_count() > 0 {
        reader.read(0, &mut rows).map_err(failed)?;
    }
    Ok((rows, reader.row_count()))
}
