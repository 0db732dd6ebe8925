//! What the environment and the files of AWS tools say: region, endpoint, and whose keys are used. AWS' own library reads them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use aws_config::profile::{self, ProfileSet};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;

use super::environment;
use crate::config::OutputSettings;

/// Reads variables, flags and files. Keys are only asked for when they are needed.
///
/// # Errors
/// A file that cannot be parsed, or a profile that does not exist.
pub(super) async fn load(settings: &OutputSettings) -> Result<SdkConfig, String> {
    let env = Env::from(variables(settings));
    let profiles = profile::load(&Fs::real(), &env, &Default::default(), None)
        .await
        .map_err(|error| environment::causes(&error))?;
    check(&profiles, settings.aws_profile.as_deref())?;
    let region = settings.aws_region.as_deref().or(settings.aws_default_region.as_deref());
    let region = region.or_else(|| profiles.get("region")).unwrap_or("us-east-1").to_owned();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(TIMEOUT).build();
    let loader = aws_config::defaults(BehaviorVersion::latest()).env(env).region(Region::new(region));
    // TLS is rustls on ring, as everywhere here, and a proxy serves as it does for the storage itself.
    let client = Builder::new().build_with_connector_fn(|settings, components| {
        let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    });
    Ok(loader.http_client(client).timeout_config(timeouts).load().await)
}

/// Refuses names of profiles that do not exist: the library would use the keys of the machine instead.
fn check(profiles: &ProfileSet, wanted: Option<&str>) -> Result<(), String> {
    let Some(mut name) = wanted else { return Ok(()) };
    let mut profile = profiles
        .get_profile(name)
        .ok_or_else(|| format!("AWS_PROFILE: there is no profile {name} in the files of AWS tools"))?;
    // The library refuses circles.
    for _ in profiles.profiles() {
        let Some(source) = profile.get("source_profile") else { break };
        profile = profiles.get_profile(source).ok_or_else(|| {
            format!("the profile {name} has the source_profile {source}, which there is not")
        })?;
        name = source;
    }
    Ok(())
}

/// The endpoint of S3 in the variables and the profile.
pub(super) fn endpoint(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("s3").env("AWS_ENDPOINT_URL").profile("endpoint_url");
    config.service_config()?.load_config(key.build().ok()?)
}

/// The variables that are not empty, and the settings in their place, because a setting may also be a flag.
fn variables(settings: &OutputSettings) -> HashMap<String, String> {
    let mut variables: HashMap<String, String> = environment::variables().collect();
    let path = |path: &Option<PathBuf>| Some(path.as_ref()?.to_string_lossy().into_owned());
    for (name, value) in [
        ("AWS_ENDPOINT_URL", settings.aws_endpoint_url.clone()),
        ("AWS_ACCESS_KEY_ID", settings.aws_access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", settings.aws_secret_access_key.clone()),
        ("AWS_SESSION_TOKEN", settings.aws_session_token.clone()),
        ("AWS_PROFILE", settings.aws_profile.clone()),
        ("AWS_SHARED_CREDENTIALS_FILE", path(&settings.aws_shared_credentials_file)),
        ("AWS_CONFIG_FILE", path(&settings.aws_config_file)),
    ] {
        variables.extend(value.map(|value| (name.to_owned(), value)));
    }
    variables
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(10);
