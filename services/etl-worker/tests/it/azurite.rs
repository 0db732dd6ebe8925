//! Azurite, the emulator of Azure Blob Storage.

use std::path::PathBuf;

use tempfile::TempDir;
use test_support::{eventually, find_python, free_port};
use tokio::process::{Child, Command};

use crate::storages::{find_program, spawn};

/// A running Azurite, which has no container yet.
pub(crate) struct Azurite {
    /// The address of its account.
    pub(crate) endpoint: String,
    /// The certificate, if it speaks HTTPS.
    certificate: Option<String>,
    python: PathBuf,
    _server: Child,
    _files: TempDir,
}

impl Azurite {
    /// Over HTTP, where it takes the key of the account. `None`, with a line that says so, where it is not installed.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, None).await
    }

    /// Over HTTPS with this certificate and key of `localhost`. There it takes tokens of identities too.
    pub(crate) async fn start_with(test: &str, tls: Option<(&str, &str)>) -> Option<Self> {
        let (azurite, python) = (find_program("BACKPLANE_AZURITE", test)?, find_python(test)?);
        let (port, files) = (free_port().to_string(), tempfile::tempdir().unwrap());
        let location = files.path().to_str().unwrap();
        let mut args = vec!["--blobPort", &port, "--location", location];
        args.extend(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]);
        if let Some((certificate, key)) = tls {
            args.extend(["--oauth", "basic", "--cert", certificate, "--key", key]);
        }
        let _server = spawn(&azurite, &args);
        let scheme_and_host = if tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        let endpoint = format!("{scheme_and_host}:{port}/{ACCOUNT}");
        eventually("azurite answers", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.is_ok()
        })
        .await;
        let certificate = tls.map(|(certificate, _)| certificate.to_owned());
        Some(Self { endpoint, certificate, python, _server, _files: files })
    }

    /// The connection string of its account.
    pub(crate) fn connection(&self) -> String {
        format!("AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={}", self.endpoint)
    }

    pub(crate) async fn create_container(&self, container: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/azure_container.py");
        let mut command = Command::new(&self.python);
        command.args([script, &self.endpoint, container, KEY]);
        command.envs(self.certificate.as_ref().map(|path| ("SSL_CERT_FILE", path)));
        let created = command.output().await.unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    }
}

/// The account that every Azurite has, and its key.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
