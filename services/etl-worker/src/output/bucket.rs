//! A bucket of an object storage that speaks S3. An object is only put where there is none yet.

mod snapshots;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
};

use super::error::OutputError;
use super::files::run_blocking;
use super::staged::{PartContent, Staged};
use crate::config::{OutputSettings, is_endpoint};
use crate::part::{Layout, Part};
use crate::table::{Table, Tables};

/// A bucket and a prefix in it.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    name: Arc<str>,
    prefix: Arc<str>,
    process: Arc<str>,
    tables: Tables,
    layout: Layout,
}

impl Bucket {
    pub(crate) fn new(
        settings: &OutputSettings,
        bucket: &str,
        prefix: &str,
        tables: &Tables,
        process: &str,
    ) -> Result<Self, OutputError> {
        let store = client(settings, bucket)
            .map_err(|error| OutputError::new(format!("use s3://{bucket}"), error))?;
        Ok(Self {
            store: Arc::new(store),
            name: bucket.into(),
            prefix: prefix.into(),
            process: process.into(),
            tables: Tables::clone(tables),
            layout: settings.etl_layout,
        })
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }

    fn part_path(&self, table: &Table, part: &Part) -> Path {
        self.path(&format!("{}/{part}", table.name()))
    }

    fn failed(&self, what: &str, path: &Path, error: &Error) -> OutputError {
        OutputError::new(format!("{what} s3://{}/{path}", self.name), error)
    }

    pub(crate) async fn probe(&self) -> Result<(), OutputError> {
        let path = self.path(&format!(".tmp/probe~{}", self.process));
        let put = self.store.put(&path, PutPayload::from_static(b"probe")).await;
        put.map_err(|error| self.failed("put", &path, &error))?;
        self.store.delete(&path).await.map_err(|error| self.failed("delete", &path, &error))
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

    pub(crate) async fn stage(&self, contents: Vec<PartContent>) -> Result<Staged, OutputError> {
        run_blocking(move || {
            let files = contents.iter().map(|content| Ok((content.part.clone(), content.encode()?)));
            files.collect::<Result<_, _>>().map(Staged::in_memory)
        })
        .await
    }

    pub(crate) async fn publish(&self, staged: Staged) -> Result<(), OutputError> {
        let puts = staged.files.into_iter().map(|(part, files)| async move {
            for (table, bytes) in self.tables.iter().zip(files) {
                let path = self.part_path(table, &part);
                match self.store.put_opts(&path, bytes.into(), PutMode::Create.into()).await {
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

fn client(settings: &OutputSettings, bucket: &str) -> object_store::Result<AmazonS3> {
    let retry = RetryConfig {
        max_retries: 2,
        retry_timeout: Duration::from_secs(10),
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
    };
    let options = ClientOptions::new()
        .with_timeout(Duration::from_secs(10))
        .with_connect_timeout(Duration::from_secs(3));
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_region(settings.region())
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry)
        .with_client_options(options);
    if let Some(endpoint) = &settings.aws_endpoint_url {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let (Some(key), Some(secret)) = (&settings.aws_access_key_id, &settings.aws_secret_access_key) {
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
    }
    if let Some(token) = &settings.aws_session_token {
        builder = builder.with_token(token);
    }
    // These names of the endpoint are no settings of ours, but AWS tools read them.
    for (key, name) in [
        (AmazonS3ConfigKey::Endpoint, "AWS_ENDPOINT"),
        (AmazonS3ConfigKey::S3Endpoint, "AWS_ENDPOINT_URL_S3"),
    ] {
        if builder.get_config_value(&key).is_some_and(|endpoint| !is_endpoint(&endpoint)) {
            let source = format!("{name} must be http://HOST[:PORT] or https://HOST[:PORT]").into();
            return Err(Error::Generic { store: "S3", source });
        }
    }
    builder.build()
}

const CONCURRENT_PUTS: usize = 16;
