//! TLS of clients: the acceptor, made of PEM files, and read again when they change.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use chassis::Lifecycle;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often it is looked whether the files have changed.
const INTERVAL: Duration = Duration::from_secs(2);

/// The PEM files that TLS needs.
pub(crate) struct TlsFiles {
    /// The certificate chain of this node.
    pub(crate) cert: String,
    /// Its private key.
    pub(crate) key: String,
    /// The authorities of clients; `None` if a client needs no certificate.
    pub(crate) client_ca: Option<String>,
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// When a file cannot be read, or the key does not belong to the certificate.
    fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let fail = |file: &str, error: &dyn Display| anyhow::anyhow!("cannot use {file}: {error}");
        let certificates = |file: &str| -> anyhow::Result<Vec<CertificateDer<'static>>> {
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            read.map_err(|error| fail(file, &error))
        };
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| fail(&self.key, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = match &self.client_ca {
            Some(file) => {
                let mut authorities = RootCertStore::empty();
                for authority in certificates(file)? {
                    authorities.add(authority).map_err(|error| fail(file, &error))?;
                }
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider))
                    .build()
                    .map_err(|error| fail(file, &error))?
            }
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| fail(&self.cert, &error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates(&self.cert)?, key)
            .map_err(|error| fail(&self.cert, &error))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// When each file was changed last.
    fn changed_at(&self) -> [Option<std::time::SystemTime>; 3] {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()]
            .map(|file| std::fs::metadata(file?).and_then(|meta| meta.modified()).ok())
    }
}

/// The acceptor of new connections. Its files are read again on SIGHUP, and when they change; connections that exist keep what
/// they began with.
///
/// # Errors
/// When the files cannot be used now.
pub(crate) fn watch_files(
    files: TlsFiles,
    lifecycle: &Lifecycle,
) -> anyhow::Result<watch::Receiver<TlsAcceptor>> {
    let files = Arc::new(files);
    let (sender, receiver) = watch::channel(files.acceptor()?);
    let read_again = {
        let files = Arc::clone(&files);
        Arc::new(move || {
            sender.send_replace(files.acceptor()?);
            anyhow::Ok(())
        })
    };
    let on_reload = Arc::clone(&read_again);
    lifecycle.on_reload("the TLS certificate", move || on_reload());
    lifecycle.spawn("certificate", read_when_changed(files, read_again, lifecycle.stopping()));
    Ok(receiver)
}

/// Reads the files again when they have changed, and not again while they are as they were.
async fn read_when_changed(
    files: Arc<TlsFiles>,
    read_again: Arc<impl Fn() -> anyhow::Result<()>>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let (mut read, mut seen) = (files.changed_at(), files.changed_at());
    while stopping.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        let now = files.changed_at();
        // All files are written before they are read: nothing has changed for one interval.
        if now == seen && now != read {
            read = now;
            match read_again() {
                Ok(()) => info!("the TLS certificate has changed and was read again"),
                Err(reason) => warn!("the TLS certificate has changed and stays as it was: {reason:#}"),
            }
        }
        seen = now;
    }
    Ok(())
}
