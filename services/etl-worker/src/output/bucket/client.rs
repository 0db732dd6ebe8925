use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, Error, ObjectStore, Result, RetryConfig};

use serde_json::json;

use super::aws_profile::{self, Profile};
use crate::config::{BucketAddress, OutputSettings, Provider, is_endpoint};

/// The client of a bucket. Nothing is asked of the storage yet.
pub(super) fn new(settings: &OutputSettings, address: &BucketAddress) -> Result<Arc<dyn ObjectStore>> {
    match address.provider {
        Provider::S3 => s3(settings, &address.bucket),
        Provider::Azure => azure(settings, &address.bucket),
        Provider::Google => google(settings, &address.bucket),
    }
}

fn s3(settings: &OutputSettings, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::from_env()
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
    if let Some(endpoint) = settings.aws_endpoint_url.as_ref().or(profile.endpoint.as_ref()) {
        builder = builder.with_endpoint(endpoint);
    }
    // AWS_ENDPOINT and AWS_ENDPOINT_URL_S3 are no settings of ours, but AWS tools read them.
    let mut is_plain = false;
    for (key, name) in [
        (AmazonS3ConfigKey::Endpoint, "AWS_ENDPOINT"),
        (AmazonS3ConfigKey::S3Endpoint, "AWS_ENDPOINT_URL_S3"),
    ] {
        let Some(endpoint) = builder.get_config_value(&key) else { continue };
        if !is_endpoint(&endpoint) {
            return Err(refused("S3", format!("{name} must be http://HOST[:PORT] or https://HOST[:PORT]")));
        }
        is_plain |= endpoint.starts_with("http://");
    }
    Ok(Arc::new(builder.with_client_options(options().with_allow_http(is_plain)).build()?))
}

fn azure(settings: &OutputSettings, container: &str) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(container).with_retry(retry());
    let text = settings.azure_storage_connection_string.as_deref().unwrap_or_default();
    for (name, value) in text.split(';').filter_map(|pair| pair.trim().split_once('=')) {
        let key = match name {
            "AccountName" => AzureConfigKey::AccountName,
            "AccountKey" => AzureConfigKey::AccessKey,
            "BlobEndpoint" => AzureConfigKey::Endpoint,
            "SharedAccessSignature" => AzureConfigKey::SasKey,
            _ => continue,
        };
        builder = builder.with_config(key, value);
    }
    if builder.get_config_value(&AzureConfigKey::AccountName).is_none() {
        let problem = "AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT_NAME must be set";
        return Err(refused("Azure", problem));
    }
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    if endpoint.as_deref().is_some_and(|endpoint| !is_endpoint(endpoint)) {
        let problem = "the endpoint of Azure must be http://HOST[:PORT] or https://HOST[:PORT]";
        return Err(refused("Azure", problem));
    }
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    Ok(Arc::new(builder.with_client_options(options().with_allow_http(is_plain)).build()?))
}

fn google(settings: &OutputSettings, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry());
    let mut options = options();
    if let Some(emulator) = &settings.storage_emulator_host {
        let account = json!({
            "gcs_base_url": emulator.trim_end_matches('/'), "disable_oauth": true,
            "client_email": "", "private_key": "", "private_key_id": "",
        });
        builder = builder.with_service_account_key(account.to_string());
        options = options.with_allow_http(true);
    }
    Ok(Arc::new(builder.with_client_options(options).build()?))
}

fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: 2,
        retry_timeout: Duration::from_secs(10),
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
    }
}

fn options() -> ClientOptions {
    ClientOptions::new().with_timeout(Duration::from_secs(10)).with_connect_timeout(Duration::from_secs(3))
}

fn refused(store: &'static str, problem: impl Into<String>) -> Error {
    Error::Generic { store, source: problem.into().into() }
}
