//! Clients of object storages: where each is, and whose keys they use.

mod aws;
mod aws_keys;
mod azure;
mod connection_string;
mod environment;
mod google;
mod options;
mod s3;

use std::sync::Arc;

use object_store::{ObjectStore, Result};

use crate::config::{BucketAddress, OutputSettings, Provider};

/// The client of a bucket. Nothing is asked of the storage yet.
pub(super) async fn new(settings: &OutputSettings, address: &BucketAddress) -> Result<Arc<dyn ObjectStore>> {
    match address.provider {
        Provider::S3 => s3::new(settings, &address.bucket).await,
        Provider::Azure => azure::new(settings, &address.bucket),
        Provider::Google => google::new(settings, &address.bucket),
    }
}
