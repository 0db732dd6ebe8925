#![doc = include_str!("../README.md")]

mod client_certificate;
mod verifier;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use self::client_certificate::ClientCertificate;
use self::verifier::{AcceptAll, Verifier};

/// What TLS to a server needs.
pub struct TlsClient {
    /// Certificates that are trusted, in place of the system's.
    pub ca: PemFile,
    /// The client's certificate.
    pub cert: PemFile,
    /// The private key of that.
    pub key: PemFile,
    /// The name in the server's certificate, if it is not that of the address.
    pub server_name: Option<ServerName<'static>>,
    /// Accept every certificate.
    pub is_insecure: bool,
}

/// A file that a setting names.
#[derive(Debug, Clone)]
pub struct PemFile {
    /// The setting.
    pub setting: &'static str,
    /// `None` if it is not set.
    pub path: Option<PathBuf>,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct TlsError {
    /// The setting that names it.
    pub setting: &'static str,
    /// What is wrong.
    pub problem: String,
}

impl TlsClient {
    /// True if a file is named.
    pub fn has_files(&self) -> bool {
        [&self.ca, &self.cert, &self.key].iter().any(|file| file.path.is_some())
    }

    /// Reads the files, and makes a configuration of them.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if self.is_insecure {
            Arc::new(AcceptAll(provider.signature_verification_algorithms))
        } else {
            Arc::new(Verifier::new(&self.ca, self.server_name.clone(), Arc::clone(&provider))?)
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.ca.refusal(format!("TLS cannot be used: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match (&self.cert.path, &self.key.path) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(_), Some(_)) => {
                let client = ClientCertificate::read(self.cert.clone(), self.key.clone(), provider)?;
                let mut config = builder.with_client_cert_resolver(Arc::new(client));
                // A session that is resumed would keep the certificate with which it began.
                config.resumption = Resumption::disabled();
                Ok(config)
            }
            _ => Err(self.cert.refusal(format!("must be set together with {}", self.key.setting))),
        }
    }
}

impl PemFile {
    /// Its certificates; none if it is not set.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let Some(path) = &self.path else { return Ok(Vec::new()) };
        let certificates =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        certificates
            .ok()
            .filter(|found| !found.is_empty())
            .ok_or_else(|| self.content_refusal("has no certificate in PEM form"))
    }

    fn content_refusal(&self, problem: &str) -> TlsError {
        let path = self.path.as_deref().unwrap_or_else(|| Path::new(""));
        self.refusal(format!("the file {} {problem}", path.display()))
    }

    fn refusal(&self, problem: String) -> TlsError {
        TlsError { setting: self.setting, problem }
    }
}

/// The path of a file that can be read, for a setting.
///
/// # Errors
/// Says why it cannot be read.
pub fn parse_file(path: &str) -> Result<PathBuf, String> {
    let in_words = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file {path}"),
        std::io::ErrorKind::PermissionDenied => format!("the file {path} may not be read"),
        _ => format!("the file {path} cannot be read: {error}"),
    };
    std::fs::read(path).map(|_| PathBuf::from(path)).map_err(in_words)
}

#[cfg(test)]
mod tests;
