//! Public keys in PEM, also as certificates.

use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::key::Key;
use super::keys::TokenKeys;
use super::public_key::{PublicKey, Unusable};

/// The keys of a text with PEM blocks, with whatever between them. `\n` counts as a line end, because a PEM in an
/// environment file is often on one line.
///
/// # Errors
/// Says what it is, if it is not usable as a whole.
pub(super) fn parse(text: &str) -> Result<TokenKeys, String> {
    let lines = text.replace("\\r", "").replace("\\n", "\n").replace('\r', "");
    let blocks = pem::parse_many(&lines).map_err(|_| "PEM that is damaged".to_owned())?;
    // What follows an incomplete block would be left out.
    if blocks.is_empty() || blocks.len() != lines.matches("-----BEGIN ").count() {
        return Err("PEM that is damaged".to_owned());
    }
    let certificates = blocks.iter().filter(|block| block.tag().contains("CERTIFICATE")).count();
    if certificates > 1 {
        return Err("a chain of certificates: only the signer's own belongs here".to_owned());
    }
    let mut found = TokenKeys::default();
    for block in &blocks {
        let label = block.tag();
        if label.contains("PRIVATE KEY") {
            return Err(format!(
                "a private key ({label}): give the public one, which `openssl pkey -pubout` or `ssh-keygen -e -m pkcs8` writes"
            ));
        }
        let key = public_key(label, block.contents()).map_err(|reason| format!("PEM ({label}): {reason}"))?;
        found.keys.push(Key::public(key));
    }
    Ok(found)
}

fn public_key(label: &str, der: &[u8]) -> Result<PublicKey, Unusable> {
    match label {
        "PUBLIC KEY" => from_spki(der),
        "RSA PUBLIC KEY" => PublicKey::from_pkcs1(der),
        "CERTIFICATE" | "X509 CERTIFICATE" => {
            let certificate = Certificate::from_der(der).map_err(|_| "it is no certificate")?;
            let info = certificate.tbs_certificate.subject_public_key_info.to_der();
            from_spki(&info.map_err(|_| "it cannot be encoded")?)
        }
        _ => Err("it is neither a public key nor a certificate"),
    }
}

fn from_spki(der: &[u8]) -> Result<PublicKey, Unusable> {
    PublicKey::from_spki(SubjectPublicKeyInfoRef::from_der(der).map_err(|_| "it cannot be parsed")?)
}
