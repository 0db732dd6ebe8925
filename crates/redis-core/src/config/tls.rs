//! TLS to Redis: who is trusted, and the client's own certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fred::types::config::TlsConnector;
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::error::ConfigError;

/// The files that the settings name.
pub(super) struct Files<'a> {
    pub(super) ca: Option<&'a Path>,
    pub(super) cert: Option<&'a Path>,
    pub(super) key: Option<&'a Path>,
}

impl Files<'_> {
    pub(super) fn is_any(&self) -> bool {
        [self.ca, self.cert, self.key].iter().any(Option::is_some)
    }
}

/// The path of a file that can be read.
pub(super) fn parse_file(path: &str) -> Result<PathBuf, String> {
    let in_words = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file {path}"),
        std::io::ErrorKind::PermissionDenied => format!("the file {path} may not be read"),
        _ => format!("the file {path} cannot be read: {error}"),
    };
    std::fs::read(path).map(|_| PathBuf::from(path)).map_err(in_words)
}

/// Makes connections with these files.
pub(super) fn connector(files: &Files<'_>) -> Result<TlsConnector, ConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::new(format!("TLS cannot be used: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(files.ca, Arc::clone(&provider))?));
    let config = match (files.cert, files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let client = ClientCertificate::read(cert, key, provider)?;
            let mut config = builder.with_client_cert_resolver(Arc::new(client));
            // A session that is resumed would keep the certificate with which it began.
            config.resumption = Resumption::disabled();
            config
        }
        _ => return Err(ConfigError::new("REDIS_TLS_CERT and REDIS_TLS_KEY must be set together")),
    };
    Ok(config.into())
}

/// The client's certificate. Its files are read again for each connection: they may have been renewed.
#[derive(Debug)]
struct ClientCertificate {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    last: Mutex<Arc<CertifiedKey>>,
}

impl ClientCertificate {
    fn read(cert: &Path, key: &Path, provider: Arc<CryptoProvider>) -> Result<Self, ConfigError> {
        let last = Mutex::new(certified_key(cert, key, &provider)?);
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), provider, last })
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut last = self.last.lock();
        match certified_key(&self.cert, &self.key, &self.provider) {
            Ok(read) => *last = read,
            Err(error) => tracing::warn!("{error}; the certificate that was read before is used"),
        }
        Some(Arc::clone(&last))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified_key(
    cert: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, ConfigError> {
    let chain = certificates("REDIS_TLS_CERT", cert)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|_| refusal("REDIS_TLS_KEY", key, "has no private key in PEM form"))?;
    CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|_| {
        ConfigError::new("the certificate of REDIS_TLS_CERT and the key of REDIS_TLS_KEY do not fit")
    })
}

fn refusal(name: &str, path: &Path, text: &str) -> ConfigError {
    ConfigError::new(format!("{name}: the file {} {text}", path.display()))
}

fn certificates(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    certificates
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| refusal(name, path, "has no certificate in PEM form"))
}

/// Accepts what WebPKI does, and a server certificate that is itself among those of `REDIS_TLS_CA`, as redis-cli does: a
/// self-signed one is trusted by itself, whatever names it has.
#[derive(Debug)]
struct Verifier {
    named: Vec<CertificateDer<'static>>,
    webpki: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    fn new(ca: Option<&Path>, provider: Arc<CryptoProvider>) -> Result<Self, ConfigError> {
        let named = ca.map(|path| certificates("REDIS_TLS_CA", path)).transpose()?.unwrap_or_default();
        let mut roots = RootCertStore::empty();
        if ca.is_some() {
            roots.add_parsable_certificates(named.iter().cloned());
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let webpki = webpki.map_err(|_| {
            ConfigError::new("there is no certificate to trust: name a file of certificates in REDIS_TLS_CA")
        })?;
        Ok(Self { named, webpki })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.named.iter().any(|named| named == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
