use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::UnixTime;

use super::*;

/// A certificate for this name that signed itself, and its key, as PEM files.
fn make(folder: &Path, file: &str, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let (cert_path, key_path) = (folder.join(format!("{file}.pem")), folder.join(format!("{file}.key")));
    std::fs::write(&cert_path, cert.pem()).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    (cert_path, key_path)
}

fn client(ca: Option<&Path>, cert: Option<&Path>, key: Option<&Path>) -> TlsClient {
    let file = |setting, path: Option<&Path>| PemFile { setting, path: path.map(Into::into) };
    TlsClient {
        ca: file("CA", ca),
        cert: file("CERT", cert),
        key: file("KEY", key),
        server_name: None,
        is_insecure: false,
    }
}

#[test]
fn a_certificate_that_is_named_is_trusted_whatever_names_it_has_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (named, _) = make(folder.path(), "named", "elsewhere");
    let (other, _) = make(folder.path(), "other", "here");
    let client = client(Some(&named), None, None);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(&client.ca, None, Arc::clone(&provider)).unwrap();
    let verify = |verifier: &dyn ServerCertVerifier, path: &Path| {
        let cert = CertificateDer::from_pem_file(path).unwrap();
        let here = ServerName::try_from("here").unwrap();
        verifier.verify_server_cert(&cert, &[], &here, &[], UnixTime::now()).is_ok()
    };
    assert!(verify(&verifier, &named) && !verify(&verifier, &other));
    assert!(verify(&AcceptAll(provider.signature_verification_algorithms), &other));
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ((cert, key), (other, _)) = (make(folder.path(), "a", "a"), make(folder.path(), "b", "b"));
    let error = |client: TlsClient| client.config().unwrap_err().to_string();
    assert!(client(None, None, None).config().is_ok() && client(None, Some(&cert), Some(&key)).has_files());
    assert_eq!(error(client(None, Some(&cert), None)), "CERT: must be set together with KEY");
    let misfit = error(client(None, Some(&other), Some(&key)));
    assert_eq!(misfit, "KEY: the key and the certificate of CERT do not fit");
    let no_cert = format!("CA: the file {} has no certificate in PEM form", key.display());
    assert_eq!(error(client(Some(&key), None, None)), no_cert);
    assert_eq!(parse_file("/missing").unwrap_err(), "there is no file /missing");
}
