//! The rows of a file, for people who look at it.

use serde::Serialize;
use serde_json::Value as Json;

use crate::output::{Output, OutputError};
use crate::part::Part;
use crate::table::{Column, Value, to_json};

/// The first rows of a file of a table, as texts.
#[derive(Debug, Serialize)]
pub struct FileRows {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The values of each row. `None` where there is none.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows the file has.
    pub count: u64,
}

/// Reads at most 50 rows of a file of a table. `None` if there is no such table, or the file is gone: a compaction merges files.
///
/// # Errors
/// When the output cannot be read.
pub async fn read(output: &Output, table: &str, part: &Part) -> Result<Option<FileRows>, OutputError> {
    let Some(table) = output.tables().iter().find(|known| known.name() == table) else { return Ok(None) };
    let Some((rows, count)) = output.read_first(table, part).await? else { return Ok(None) };
    let columns = table.columns();
    let texts =
        |row: Vec<Value>| columns.iter().zip(row).map(|(column, value)| text(column, value)).collect();
    Ok(Some(FileRows {
        columns: columns.iter().map(|column| column.name.clone()).collect(),
        rows: rows.values().take(MAX_ROWS).map(texts).collect(),
        count,
    }))
}

/// A value as text: a browser's numbers have 53 bits.
fn text(column: &Column, value: Value) -> Option<String> {
    match to_json(column, value) {
        Json::Null => None,
        Json::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

const MAX_ROWS: usize = 50;
