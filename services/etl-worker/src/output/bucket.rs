//! A bucket of an object storage that speaks S3: put only where there is nothing yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    RetryConfig,
};

use super::folder::blocking;
use super::{Content, OutputError, Staged};
use crate::config::OutputSettings;
use crate::part::Part;
use crate::table::Table;

/// A bucket, below a prefix.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    name: Arc<str>,
    prefix: Arc<str>,
    consumer: Arc<str>,
}

impl Bucket {
    pub(crate) fn new(
        settings: &OutputSettings,
        bucket: &str,
        prefix: &str,
        consumer: &str,
    ) -> Result<Self, OutputError> {
        let retry = RetryConfig {
            max_retries: 2,
            retry_timeout: Duration::from_secs(10),
            backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
        };
        let client = ClientOptions::new()
            .with_timeout(Duration::from_secs(10))
            .with_connect_timeout(Duration::from_secs(3));
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_region(&settings.aws_region)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry)
            .with_client_options(client);
        if let Some(endpoint) = &settings.aws_endpoint_url {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let (Some(key), Some(secret)) = (&settings.aws_access_key_id, &settings.aws_secret_access_key) {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        if let Some(token) = &settings.aws_session_token {
            builder = builder.with_token(token);
        }
        let store = builder.build().map_err(|error| OutputError::new(format!("use s3://{bucket}"), error))?;
        Ok(Self {
            store: Arc::new(store),
            name: bucket.into(),
            prefix: prefix.into(),
            consumer: consumer.into(),
        })
    }

    fn path(&self, table: Table, part: &Part) -> Path {
        self.below(&format!("{}/{part}", table.name()))
    }

    fn failed(&self, what: &str, path: &Path, error: &Error) -> OutputError {
        OutputError::new(format!("{what} s3://{}/{path}", self.name), error)
    }

    pub(crate) async fn probe(&self) -> Result<(), OutputError> {
        let path = Path::from(format!("{}/.tmp/probe~{}", self.prefix, self.consumer));
        self.store
            .put(&path, PutPayload::from_static(b"probe"))
            .await
            .map_err(|error| self.failed("put", &path, &error))?;
        self.store.delete(&path).await.map_err(|error| self.failed("delete", &path, &error))
    }

    pub(crate) async fn holds(&self, part: &Part) -> Result<bool, OutputError> {
        for table in Table::ALL {
            let path = self.path(table, part);
            match self.store.head(&path).await {
                Ok(_) => {}
                Err(Error::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(self.failed("look for", &path, &error)),
            }
        }
        Ok(true)
    }

    pub(crate) async fn stage(&self, contents: Vec<Content>) -> Result<Staged, OutputError> {
        blocking(move || {
            let files = contents.iter().map(|content| Ok((content.part.clone(), content.files()?)));
            files.collect::<Result<_, _>>().map(Staged::with)
        })
        .await
    }

    pub(crate) async fn publish(&self, staged: Staged) -> Result<(), OutputError> {
        let puts = staged.files.into_iter().map(|(part, files)| async move {
            for (table, bytes) in Table::ALL.into_iter().zip(files) {
                let path = self.path(table, &part);
                match self.store.put_opts(&path, bytes.into(), PutMode::Create.into()).await {
                    Ok(_) | Err(Error::AlreadyExists { .. }) => {}
                    Err(error) => return Err(self.failed("put", &path, &error)),
                }
            }
            Ok(())
        });
        stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(PUTS).try_collect().await
    }
}

/// What a compaction needs: whole objects, and snapshots below `COMPACTED/`.
impl Bucket {
    /// The parts of a table.
    pub(crate) async fn parts(&self, table: Table) -> Result<BTreeSet<Part>, OutputError> {
        let folder = self.below(table.name());
        let mut objects = self.store.list(Some(&folder));
        let mut parts = BTreeSet::new();
        while let Some(object) =
            objects.try_next().await.map_err(|error| self.failed("list", &folder, &error))?
        {
            let name = object.location.as_ref().strip_prefix(folder.as_ref());
            parts.extend(name.and_then(|name| Part::parse(name.trim_start_matches('/'))));
        }
        Ok(parts)
    }

    /// A part of a table, with its address.
    pub(crate) async fn get(&self, table: Table, part: &Part) -> Result<(String, Bytes), OutputError> {
        let path = self.path(table, part);
        let bytes = self.read(&path).await.map_err(|error| self.failed("get", &path, &error))?;
        Ok((format!("s3://{}/{path}", self.name), bytes))
    }

    /// Puts an object that nobody reads yet.
    pub(crate) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), OutputError> {
        let path = self.below(name);
        let put = self.store.put(&path, bytes.into()).await;
        put.map(drop).map_err(|error| self.failed("put", &path, &error))
    }

    /// The name of the latest snapshot that is whole.
    pub(crate) async fn latest(&self) -> Result<Option<String>, OutputError> {
        let path = self.below(LATEST);
        match self.read(&path).await {
            Ok(name) => Ok(Some(String::from_utf8_lossy(&name).trim().to_owned())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("get", &path, &error)),
        }
    }

    /// Names the latest snapshot: readers find it from now on.
    pub(crate) async fn set_latest(&self, snapshot: &str) -> Result<(), OutputError> {
        self.put(LATEST, snapshot.as_bytes().to_vec()).await
    }

    /// Removes snapshots that are not in `kept` and to which nothing was added for an hour.
    pub(crate) async fn sweep(&self, kept: BTreeSet<String>) -> Result<(), OutputError> {
        let folder = self.below(SNAPSHOTS);
        let listed: Vec<ObjectMeta> = self
            .store
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|error| self.failed("list", &folder, &error))?;
        for path in replaced(&folder, listed, &kept, SystemTime::now() - SNAPSHOT_KEPT) {
            let deleted = self.store.delete(&path).await;
            deleted.map_err(|error| self.failed("delete", &path, &error))?;
        }
        Ok(())
    }

    fn below(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }

    async fn read(&self, path: &Path) -> Result<Bytes, Error> {
        self.store.get(path).await?.bytes().await
    }
}

/// The objects of snapshots that are not in `kept` and whose objects are all from before `deadline`.
fn replaced(
    folder: &Path,
    listed: Vec<ObjectMeta>,
    kept: &BTreeSet<String>,
    deadline: SystemTime,
) -> Vec<Path> {
    let mut snapshots = BTreeMap::<String, Vec<ObjectMeta>>::new();
    for object in listed {
        let name = object.location.as_ref().strip_prefix(folder.as_ref());
        // What lies in no snapshot is the name of the latest.
        if let Some((snapshot, _)) = name.and_then(|name| name.trim_start_matches('/').split_once('/')) {
            snapshots.entry(snapshot.to_owned()).or_default().push(object);
        }
    }
    let is_replaced = |(name, objects): &(String, Vec<ObjectMeta>)| {
        !kept.contains(name) && objects.iter().all(|object| SystemTime::from(object.last_modified) < deadline)
    };
    snapshots
        .into_iter()
        .filter(is_replaced)
        .flat_map(|(_, objects)| objects)
        .map(|object| object.location)
        .collect()
}

const PUTS: usize = 16;
const SNAPSHOTS: &str = "COMPACTED";
const LATEST: &str = "COMPACTED/latest";
const SNAPSHOT_KEPT: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_goes_when_it_is_neither_kept_nor_of_the_last_hour() {
        let now = SystemTime::now();
        let object = |path: &str, age_s| ObjectMeta {
            location: Path::from(path),
            last_modified: (now - Duration::from_secs(age_s)).into(),
            size: 1,
            e_tag: None,
            version: None,
        };
        let listed = vec![
            object("p/COMPACTED/latest", 9_000),
            object("p/COMPACTED/1/GAME_META/part-1.gz.parquet", 9_000),
            object("p/COMPACTED/2/GAME_META/part-1.gz.parquet", 9_000),
            object("p/COMPACTED/2/GAME_PODIUM/part-1.gz.parquet", 60),
            object("p/COMPACTED/3/GAME_META/part-1.gz.parquet", 9_000),
        ];
        let kept = BTreeSet::from(["3".to_owned()]);
        let gone = replaced(&Path::from("p/COMPACTED"), listed, &kept, now - SNAPSHOT_KEPT);
        assert_eq!(gone, [Path::from("p/COMPACTED/1/GAME_META/part-1.gz.parquet")]);
    }
}
