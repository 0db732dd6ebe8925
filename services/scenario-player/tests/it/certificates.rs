//! Certificates of a test's own, as PEM files in a folder.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

pub(crate) struct Certificates {
    dir: TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// An authority: `ca.pem`.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let certificates = Self { dir: tempfile::tempdir().unwrap(), ca };
        std::fs::write(certificates.path("ca.pem"), certificates.ca.pem()).unwrap();
        certificates
    }

    /// Makes `FILE.pem` and `FILE.key`: a certificate for this name, signed by the authority.
    pub(crate) fn sign(&self, file: &str, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        self.write(file, &params.signed_by(&key, &self.ca).unwrap().pem(), &key);
    }

    /// Makes `FILE.pem` and `FILE.key` as keytool does: it has signed itself, and has no `subjectAltName`.
    pub(crate) fn sign_itself(&self, file: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Unknown");
        // It has a subjectKeyIdentifier only.
        params.is_ca = IsCa::ExplicitNoCa;
        self.write(file, &params.self_signed(&key).unwrap().pem(), &key);
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// The path as text.
    pub(crate) fn text(&self, file: &str) -> String {
        self.path(file).display().to_string()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, file: &str, cert: &str, key: &KeyPair) {
        std::fs::write(self.path(&format!("{file}.pem")), cert).unwrap();
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}
