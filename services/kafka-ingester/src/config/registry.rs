//! The settings of the schema registry.

use std::fs;

use reqwest_tls::{Certificate, Url};

/// Where the schemas of framed messages are.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Schema registry")]
pub struct RegistryConfig {
    /// Schema registry with the API of Confluent's, for messages that it framed
    #[arg(long, env = "SCHEMA_REGISTRY_URL", value_parser = parse_url)]
    pub(crate) schema_registry_url: Option<Url>,

    /// Name for the registry's basic authentication
    #[arg(long, env = "SCHEMA_REGISTRY_USERNAME")]
    pub(crate) schema_registry_username: Option<String>,

    /// Password for the registry's basic authentication
    #[arg(long, env = "SCHEMA_REGISTRY_PASSWORD", hide_env_values = true)]
    pub(crate) schema_registry_password: Option<String>,

    /// PEM file with certificates that are trusted for https, besides the system's
    #[arg(long, env = "SCHEMA_REGISTRY_TLS_CA", value_parser = read_certificates)]
    pub(crate) schema_registry_tls_ca: Option<Certificates>,
}

/// The certificates of a file.
#[derive(Debug, Clone)]
pub(crate) struct Certificates(pub(crate) Vec<Certificate>);

fn parse_url(text: &str) -> Result<Url, String> {
    // `/ready` shows the URL, so it has no password.
    let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty();
    let url = text.parse().ok().filter(usable);
    url.ok_or_else(|| "must be a URL that begins with http:// or https:// and has no user".to_owned())
}

fn read_certificates(path: &str) -> Result<Certificates, String> {
    let pem = fs::read(path).map_err(|error| format!("must be a file that can be read: {error}"))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).ok().filter(|certificates| !certificates.is_empty());
    certificates.map(Certificates).ok_or_else(|| "must be a file with certificates in PEM".to_owned())
}
