//! The client's certificate. Its files are read again for each connection: they may have been renewed.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use crate::{PemFile, TlsError};

#[derive(Debug)]
pub(crate) struct ClientCertificate {
    cert: PemFile,
    key: PemFile,
    provider: Arc<CryptoProvider>,
    last: Mutex<Arc<CertifiedKey>>,
}

impl ClientCertificate {
    pub(crate) fn read(cert: PemFile, key: PemFile, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let last = Mutex::new(certified_key(&cert, &key, &provider)?);
        Ok(Self { cert, key, provider, last })
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
    cert: &PemFile,
    key: &PemFile,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = cert.certificates()?;
    let read = key.path.as_ref().map(PrivateKeyDer::from_pem_file).and_then(Result::ok);
    let read = read.ok_or_else(|| key.content_refusal("has no private key in PEM form"))?;
    CertifiedKey::from_der(chain, read, provider)
        .map(Arc::new)
        .map_err(|_| key.refusal(format!("the key and the certificate of {} do not fit", cert.setting)))
}
