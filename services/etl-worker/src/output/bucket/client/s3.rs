use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::{ObjectStore, Result};

use super::aws;
use super::aws_keys::AwsKeys;
use super::environment::{self, check_endpoint, refused};
use super::options::{Connector, options, retry};
use crate::config::OutputSettings;

pub(super) async fn new(settings: &OutputSettings, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    // What only the storage's client understands, such as AWS_VIRTUAL_HOSTED_STYLE_REQUEST.
    let mut builder = environment::options("AWS_")
        .fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value))
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry())
        .with_http_connector(Connector);
    // The library reads these too, but does not say which variable is wrong.
    for (name, value) in environment::variables() {
        if ENDPOINTS.contains(&name.as_str()) {
            check_endpoint("S3", &name, Some(&value))?;
        }
    }
    let config = aws::load(settings).await.map_err(|problem| refused("S3", problem))?;
    if let Some(region) = config.region() {
        builder = builder.with_region(region.as_ref());
    }
    if let Some(source) = config.credentials_provider() {
        builder = builder.with_credentials(Arc::new(AwsKeys::new(source)));
    }
    if let Some(endpoint) = settings.aws_endpoint_url.clone().or_else(|| aws::endpoint(&config)) {
        check_endpoint("S3", "endpoint_url of the profile", Some(&endpoint))?;
        builder = builder.with_endpoint(endpoint);
    }
    let endpoints = [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint];
    let is_plain = endpoints
        .into_iter()
        .filter_map(|key| builder.get_config_value(&key))
        .any(|endpoint| endpoint.starts_with("http://"));
    Ok(Arc::new(builder.with_client_options(options().with_allow_http(is_plain)).build()?))
}

/// Variables of AWS tools that hold addresses. None is a setting of ours.
const ENDPOINTS: [&str; 7] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
