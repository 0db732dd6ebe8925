//! Public keys of the kinds that tokens are signed with. One that exists can verify.

use jsonwebtoken::{Algorithm, DecodingKey};
use rsa::RsaPublicKey;
use rsa::pkcs1::{DecodeRsaPublicKey, EncodeRsaPublicKey};
use rsa::traits::PublicKeyParts;
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const RSA_PSS: &[Algorithm] = &[Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// RFC 7518, sections 3.3 and 3.5.
const MIN_RSA_BITS: usize = 2048;

const OID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const OID_RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const OID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const OID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const OID_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const OID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A public key that was checked.
pub(super) struct PublicKey {
    algorithms: &'static [Algorithm],
    /// RSA: PKCS #1 in DER. EC: a point as in SEC 1. Ed25519: 32 bytes.
    bytes: Vec<u8>,
}

/// Why a public key cannot verify tokens. The error never contains the key.
pub(super) type Unusable = &'static str;

impl PublicKey {
    /// From the SubjectPublicKeyInfo of X.509.
    pub(super) fn from_spki(info: SubjectPublicKeyInfoRef<'_>) -> Result<Self, Unusable> {
        let bytes = info.subject_public_key.as_bytes().ok_or("it cannot be parsed")?;
        match info.algorithm.oid {
            OID_RSA => Self::from_pkcs1(bytes),
            OID_RSA_PSS => Ok(Self { algorithms: RSA_PSS, ..Self::from_pkcs1(bytes)? }),
            OID_ED25519 => Self::ed25519(bytes),
            OID_EC => match info.algorithm.parameters_oid() {
                Ok(OID_P256) => Self::p256(bytes),
                Ok(OID_P384) => Self::p384(bytes),
                _ => Err("only the curves P-256 and P-384 are supported"),
            },
            _ => Err("it is neither RSA nor EC nor Ed25519"),
        }
    }

    /// From an RSAPublicKey of PKCS #1, in DER.
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, Unusable> {
        let key = RsaPublicKey::from_pkcs1_der(der).map_err(|_| "it is no RSA key of at most 4096 bits")?;
        Self::rsa(&key)
    }

    /// From modulus and exponent, in big-endian order.
    pub(super) fn from_rsa_components(modulus: &[u8], exponent: &[u8]) -> Result<Self, Unusable> {
        let number = rsa::BigUint::from_bytes_be;
        let key = RsaPublicKey::new(number(modulus), number(exponent))
            .map_err(|_| "it is no RSA key of at most 4096 bits")?;
        Self::rsa(&key)
    }

    fn rsa(key: &RsaPublicKey) -> Result<Self, Unusable> {
        if key.n().bits() < MIN_RSA_BITS {
            return Err("an RSA key needs 2048 bits or more");
        }
        let der = key.to_pkcs1_der().map_err(|_| "it cannot be encoded")?;
        Ok(Self { algorithms: RSA, bytes: der.into_vec() })
    }

    /// From a point on P-256, as in SEC 1.
    pub(super) fn p256(point: &[u8]) -> Result<Self, Unusable> {
        p256::PublicKey::from_sec1_bytes(point).map_err(|_| "it is no point on P-256")?;
        Ok(Self { algorithms: &[Algorithm::ES256], bytes: point.to_vec() })
    }

    /// From a point on P-384, as in SEC 1.
    pub(super) fn p384(point: &[u8]) -> Result<Self, Unusable> {
        p384::PublicKey::from_sec1_bytes(point).map_err(|_| "it is no point on P-384")?;
        Ok(Self { algorithms: &[Algorithm::ES384], bytes: point.to_vec() })
    }

    /// From the 32 bytes of an Ed25519 key.
    pub(super) fn ed25519(bytes: &[u8]) -> Result<Self, Unusable> {
        let key =
            <&[u8; 32]>::try_from(bytes).ok().and_then(|b| ed25519_dalek::VerifyingKey::from_bytes(b).ok());
        match key {
            Some(key) if !key.is_weak() => {
                Ok(Self { algorithms: &[Algorithm::EdDSA], bytes: bytes.to_vec() })
            }
            _ => Err("it is no Ed25519 key"),
        }
    }

    pub(super) fn algorithms(&self) -> &'static [Algorithm] {
        self.algorithms
    }

    pub(super) fn into_decoding_key(self) -> DecodingKey {
        match self.algorithms[0] {
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_der(&self.bytes),
            Algorithm::EdDSA => DecodingKey::from_ed_der(&self.bytes),
            _ => DecodingKey::from_rsa_der(&self.bytes),
        }
    }
}
