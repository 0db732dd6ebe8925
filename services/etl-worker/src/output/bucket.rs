//! A bucket of an object storage. An object is only put where there is none yet.

mod client;
mod explain;
mod snapshots;

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::error::OutputError;
use super::files::run_blocking;
use super::first_rows::read_first;
use super::staged::{PartContent, Staged};
use crate::config::{BucketAddress, OutputSettings};
use crate::part::{Layout, Part};
use crate::table::{Rows, Table, Tables};

/// A bucket and a prefix in it.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    address: Arc<BucketAddress>,
    tables: Tables,
    layout: Layout,
}

impl Bucket {
    pub(crate) async fn new(
        settings: &OutputSettings,
        address: BucketAddress,
        tables: &Tables,
    ) -> Result<Self, OutputError> {
        let store = client::new(settings, &address)
            .await
            .map_err(|error| OutputError::new(format!("use {address}"), explain::explain(&error)))?;
        Ok(Self {
            store,
            address: Arc::new(address),
            tables: Tables::clone(tables),
            layout: settings.etl_layout,
        })
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The path of an object. Its name is taken as it is: `Path::from` would encode its percent signs once more.
    fn path(&self, name: &str) -> Path {
        let prefix = &self.address.prefix;
        Path::parse(format!("{}/{name}", Path::from(prefix.as_str())))
            .unwrap_or_else(|_| Path::from(format!("{prefix}/{name}")))
    }

    fn part_path(&self, table: &Table, part: &Part) -> Path {
        self.path(&format!("{}/{part}", table.name()))
    }

    fn failed(&self, what: &str, path: &Path, error: &Error) -> OutputError {
        OutputError::new(format!("{what} {}/{path}", self.address), explain::explain(error))
    }

    pub(crate) async fn probe(&self) -> Result<(), OutputError> {
        // All workers have the same one: those that are killed in between leave no more than one behind.
        let path = self.path(".tmp/probe");
        let put = self.store.put(&path, PutPayload::from_static(b"probe")).await;
        put.map_err(|error| self.failed("put", &path, &error))?;
        match self.store.delete(&path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", &path, &error)),
        }
    }

    pub(crate) async fn exists(&self, part: &Part) -> Result<bool, OutputError> {
        for table in self.tables.iter() {
            let path = self.part_path(table, part);
            match self.store.head(&path).await {
                Ok(_) => {}
                Err(Error::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(self.failed("look for", &path, &error)),
            }
        }
        Ok(true)
    }

    pub(crate) async fn read_first(
        &self,
        table: &Arc<Table>,
        part: &Part,
    ) -> Result<Option<(Rows, u64)>, OutputError> {
        let path = self.part_path(table, part);
        match self.read(&path).await {
            Ok(bytes) => {
                let (table, name) = (Arc::clone(table), format!("{}/{path}", self.address));
                run_blocking(move || read_first(bytes, &table, &name).map(Some)).await
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("get", &path, &error)),
        }
    }

    pub(crate) async fn stage(&self, contents: Vec<PartContent>) -> Result<Staged, OutputError> {
        run_blocking(move || {
            let files = contents.iter().map(|content| Ok((content.part.clone(), content.encode()?)));
            files.collect::<Result<_, _>>().map(Staged::new)
        })
        .await
    }

    pub(crate) async fn publish(&self, staged: Staged) -> Result<(), OutputError> {
        let puts = staged.parts.into_values().map(|files| async move {
            for file in files {
                let path = self.path(&format!("{}/{}", file.table.name(), file.path));
                match self.store.put_opts(&path, file.bytes.into(), PutMode::Create.into()).await {
                    // Another worker may have published the part before.
                    Ok(_) | Err(Error::AlreadyExists { .. }) => {}
                    Err(error) => return Err(self.failed("put", &path, &error)),
                }
            }
            Ok(())
        });
        stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(CONCURRENT_PUTS).try_collect().await
    }
}

const CONCURRENT_PUTS: usize = 16;
