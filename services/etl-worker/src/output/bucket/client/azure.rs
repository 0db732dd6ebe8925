use std::sync::Arc;

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::{ObjectStore, Result};

use super::connection_string;
use super::environment::{self, check_endpoint, refused};
use super::options::{Connector, options, retry};
use crate::config::OutputSettings;

pub(super) fn new(settings: &OutputSettings, container: &str) -> Result<Arc<dyn ObjectStore>> {
    // App Service and Container Apps say with IDENTITY_ENDPOINT where tokens of their identity are.
    let builder = environment::options("AZURE_")
        .chain(environment::options("IDENTITY_ENDPOINT"))
        .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| builder.with_config(key, value));
    let mut builder =
        builder.with_container_name(container).with_retry(retry()).with_http_connector(Connector);
    let connection = settings.azure_storage_connection_string.as_deref().unwrap_or_default();
    for (key, value) in connection_string::options(connection) {
        builder = builder.with_config(key, value);
    }
    let get = |key| builder.get_config_value(&key);
    if get(AzureConfigKey::AccountName).is_none() {
        let problem = "AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT_NAME must be set";
        return Err(refused("Azure", problem));
    }
    let (endpoint, authority) = (get(AzureConfigKey::Endpoint), get(AzureConfigKey::AuthorityHost));
    let identity = get(AzureConfigKey::MsiEndpoint);
    let where_it_is = "AZURE_STORAGE_ENDPOINT, or BlobEndpoint in AZURE_STORAGE_CONNECTION_STRING,";
    check_endpoint("Azure", where_it_is, endpoint.as_deref())?;
    check_endpoint("Azure", "AZURE_AUTHORITY_HOST", authority.as_deref())?;
    check_endpoint("Azure", "IDENTITY_ENDPOINT", identity.as_deref())?;
    // Kubernetes of Azure sets it with a slash at its end, and the path of tokens begins with one.
    if let Some(authority) = authority {
        builder = builder.with_authority_host(authority.trim_end_matches('/'));
    }
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    Ok(Arc::new(builder.with_client_options(options().with_allow_http(is_plain)).build()?))
}
