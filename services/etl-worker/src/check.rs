//! The command `check`: whether a file is a dataset, and which rows become of a session.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use redis_core::id::GameToken;
use serde_json::{Map, Value as Json};

use crate::dataset::{Dataset, Session};
use crate::store::Store;
use crate::table::{Rows, to_json};

/// Prints the tables, or the rows of the session that is sampled as JSON lines.
///
/// # Errors
/// When Redis cannot be read, or no rows can be computed from the session's records, with the reason.
pub async fn run(
    dataset: &Arc<Dataset>,
    sample: Option<(&Store, &GameToken)>,
    mut out: impl Write,
) -> anyhow::Result<()> {
    let Some((store, token)) = sample else {
        for table in dataset.tables.iter() {
            let columns = table.columns().iter().map(|column| column.name.as_str());
            write!(out, "{}: {}", table.name(), columns.collect::<Vec<_>>().join(", "))?;
            let keys: Vec<String> = table.partition().iter().map(|key| format!("{}=…", key.name)).collect();
            let folders = if keys.is_empty() { String::new() } else { format!("; in {}", keys.join("/")) };
            writeln!(out, "{folders}")?;
        }
        return Ok(());
    };
    for rows in read_rows(dataset, store, token).await? {
        for row in rows.values() {
            let columns = rows.table.columns().iter().zip(row);
            let mut line: Map<String, Json> =
                columns.map(|(column, value)| (column.name.clone(), to_json(column, value))).collect();
            line.insert("table".to_owned(), rows.table.name().into());
            if !rows.folder.is_empty() {
                line.insert("folder".to_owned(), rows.folder.as_str().into());
            }
            serde_json::to_writer(&mut out, &line)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

async fn read_rows(dataset: &Dataset, store: &Store, token: &GameToken) -> anyhow::Result<Vec<Rows>> {
    let records = store.read(&[token], true).await.context("read the records")?.pop();
    let records = records.context("there are no records")?;
    if records.is_away {
        bail!("a shard with records of {token} does not answer");
    }
    if let Some(reason) = records.unreadable {
        bail!("{reason}");
    }
    let mut session = Session::new(dataset, token.as_str(), records.fields, records.members)?;
    let (mut entries, mut read) = (records.entries, 0);
    while !entries.is_empty() {
        read += entries.len();
        session.add(entries.iter().map(Bytes::as_ref))?;
        let has_more = read < records.entry_count;
        entries = if has_more { store.read_entries(token, read).await? } else { Vec::new() };
    }
    Ok(session.into_rows()?)
}
