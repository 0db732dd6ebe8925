use std::path::PathBuf;

use chassis::SettingError;
use clap::Args;
use http::Uri;
use http::uri::Authority;

use super::bucket_address::BucketAddress;
use crate::part::{Codec, Layout};

/// Where the files go and how they are written.
#[derive(Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputSettings {
    /// Folder, or s3://BUCKET[/PREFIX], az://CONTAINER[/PREFIX] or gs://BUCKET[/PREFIX], with a folder per table
    #[arg(long, env = "ETL_OUTPUT", default_value = "data/superhero")]
    pub etl_output: String,

    /// Compression: gzip, zstd or snappy
    #[arg(long, env = "ETL_CODEC", default_value = "gzip", value_enum)]
    pub etl_codec: Codec,

    /// Folders by day (partitioned), or files of one game in the table's folder itself (flat)
    #[arg(long, env = "ETL_LAYOUT", default_value = "partitioned", value_enum)]
    pub etl_layout: Layout,

    /// Maximum number of games in a file, 1 to 10000; 1 writes a file per game
    #[arg(long, env = "ETL_BATCH_GAMES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub etl_batch_games: u16,

    /// Milliseconds to wait for more games for the same file, with ETL_BATCH_GAMES above 1; at most 600000
    #[arg(long, env = "ETL_BATCH_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(..=600_000))]
    pub etl_batch_ms: u32,

    /// Address of the object storage, for s3://; Amazon's if unset. http:// is allowed
    #[arg(long, env = "AWS_ENDPOINT_URL")]
    pub aws_endpoint_url: Option<String>,

    /// Region of the object storage; AWS_DEFAULT_REGION or the profile's if unset, and us-east-1 without any
    #[arg(long, env = "AWS_REGION")]
    pub aws_region: Option<String>,

    /// Region of the object storage, where AWS_REGION is not set
    #[arg(long, env = "AWS_DEFAULT_REGION")]
    pub aws_default_region: Option<String>,

    /// Access key; without one, those of the profile, or of the web identity, the container or the machine
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    pub aws_access_key_id: Option<String>,

    /// Secret of the access key
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub aws_secret_access_key: Option<String>,

    /// Session token of a temporary access key
    #[arg(long, env = "AWS_SESSION_TOKEN", hide_env_values = true)]
    pub aws_session_token: Option<String>,

    /// Profile in the files of AWS tools; default if unset
    #[arg(long, env = "AWS_PROFILE")]
    pub aws_profile: Option<String>,

    /// The file of AWS tools with keys; ~/.aws/credentials if unset
    #[arg(long, env = "AWS_SHARED_CREDENTIALS_FILE")]
    pub aws_shared_credentials_file: Option<PathBuf>,

    /// The file of AWS tools with regions and endpoints; ~/.aws/config if unset
    #[arg(long, env = "AWS_CONFIG_FILE")]
    pub aws_config_file: Option<PathBuf>,

    /// Account and key of az://, in one text as Azure shows it
    #[arg(long, env = "AZURE_STORAGE_CONNECTION_STRING", hide_env_values = true)]
    pub azure_storage_connection_string: Option<String>,

    /// Address of an emulator for gs://
    #[arg(long, env = "STORAGE_EMULATOR_HOST")]
    pub storage_emulator_host: Option<String>,
}

impl OutputSettings {
    /// The bucket, if the output is object storage.
    pub fn bucket(&self) -> Option<BucketAddress> {
        BucketAddress::parse(&self.etl_output)
    }

    pub(super) fn check(&self) -> Result<(), SettingError> {
        if self.etl_output.contains("://") && self.bucket().is_none() {
            return Err(SettingError::new(
                "ETL_OUTPUT",
                "must be a folder, s3://BUCKET[/PREFIX], az://CONTAINER[/PREFIX] or gs://BUCKET[/PREFIX]",
            ));
        }
        let endpoints = [
            ("AWS_ENDPOINT_URL", &self.aws_endpoint_url),
            ("STORAGE_EMULATOR_HOST", &self.storage_emulator_host),
        ];
        for (name, endpoint) in endpoints {
            if endpoint.as_deref().is_some_and(|endpoint| !is_endpoint(endpoint)) {
                return Err(SettingError::new(name, "must be http://HOST[:PORT] or https://HOST[:PORT]"));
            }
        }
        if self.aws_access_key_id.is_some() != self.aws_secret_access_key.is_some() {
            return Err(SettingError::new(
                "AWS_SECRET_ACCESS_KEY",
                "must be set with AWS_ACCESS_KEY_ID, and only then",
            ));
        }
        Ok(())
    }
}

/// True for the address of an HTTP server. The client of the object storage panics at anything else.
pub(crate) fn is_endpoint(text: &str) -> bool {
    let Ok(address) = text.parse::<Uri>() else { return false };
    let is_http = matches!(address.scheme_str(), Some("http" | "https"));
    // An authority that is more than its host has a port, which must be one. A user and a password have no place here.
    let is_server = |server: &Authority| {
        !server.host().is_empty() && (server.as_str() == server.host() || server.port_u16().is_some())
    };
    is_http && address.authority().is_some_and(is_server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_address_of_a_server() {
        for endpoint in
            ["http://minio:9000", "https://s3.example.com", "http://127.0.0.1:9000/", "http://[::1]:9"]
        {
            assert!(is_endpoint(endpoint), "{endpoint}");
        }
        for text in [
            "minio:9000",
            "minio",
            "",
            "http://",
            "http:///x",
            "ftp://minio",
            "http://a b",
            "http://minio:port",
        ] {
            assert!(!is_endpoint(text), "{text}");
        }
    }
}
