use std::sync::Arc;

use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ObjectStore, Result};
use serde_json::json;

use super::environment::{self, check_endpoint};
use super::options::{Connector, options, retry};
use crate::config::OutputSettings;

pub(super) fn new(settings: &OutputSettings, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let builder = environment::options("GOOGLE_")
        .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| builder.with_config(key, value));
    let mut builder = builder.with_bucket_name(bucket).with_retry(retry()).with_http_connector(Connector);
    let base = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    check_endpoint("Google", "GOOGLE_BASE_URL", base.as_deref())?;
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
