use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::{ObjectStore, Result};

use super::aws_profile::{self, Profile};
use super::environment::{self, check_endpoint, refused};
use super::options::{options, retry};
use crate::config::OutputSettings;

pub(super) fn new(settings: &OutputSettings, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let builder = environment::options("AWS_")
        .fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
    let mut builder = builder
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry());
    let own_key = settings.aws_access_key_id.as_ref().zip(settings.aws_secret_access_key.as_ref());
    let has_web_identity = builder.get_config_value(&AmazonS3ConfigKey::WebIdentityTokenFile).is_some();
    let profile = match &settings.aws_profile {
        _ if own_key.is_some() => Profile::default(),
        None if has_web_identity => Profile::default(),
        _ => aws_profile::read(settings).map_err(|problem| refused("S3", problem))?,
    };
    let (key, token) = match own_key {
        Some(key) => (Some(key), settings.aws_session_token.as_ref()),
        None => (profile.key.as_ref().zip(profile.secret.as_ref()), profile.token.as_ref()),
    };
    if let Some((key, secret)) = key {
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
    }
    if let Some(token) = token {
        builder = builder.with_token(token);
    }
    let region = settings.aws_region.as_ref().or(settings.aws_default_region.as_ref());
    builder = builder.with_region(region.or(profile.region.as_ref()).map_or("us-east-1", |region| region));
    check_endpoint("S3", "endpoint_url of the profile", profile.endpoint.as_deref())?;
    if let Some(endpoint) = settings.aws_endpoint_url.as_ref().or(profile.endpoint.as_ref()) {
        builder = builder.with_endpoint(endpoint);
    }
    // None of these is a setting of ours, but AWS tools read them.
    let mut is_plain = false;
    for (key, name, is_storage) in [
        (AmazonS3ConfigKey::Endpoint, "AWS_ENDPOINT", true),
        (AmazonS3ConfigKey::S3Endpoint, "AWS_ENDPOINT_URL_S3", true),
        (AmazonS3ConfigKey::StsEndpoint, "AWS_ENDPOINT_URL_STS", false),
        (AmazonS3ConfigKey::MetadataEndpoint, "AWS_METADATA_ENDPOINT", false),
        (AmazonS3ConfigKey::ContainerCredentialsFullUri, "AWS_CONTAINER_CREDENTIALS_FULL_URI", false),
    ] {
        let endpoint = builder.get_config_value(&key);
        check_endpoint("S3", name, endpoint.as_deref())?;
        is_plain |= is_storage && endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    }
    Ok(Arc::new(builder.with_client_options(options().with_allow_http(is_plain)).build()?))
}
