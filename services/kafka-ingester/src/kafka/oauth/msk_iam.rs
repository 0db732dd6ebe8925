//! Tokens for Amazon MSK with IAM: a URL that is signed with AWS credentials, as AWS's own signers make it.

use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use object_store::aws::{AmazonS3Builder, AwsCredential, AwsCredentialProvider};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::token::Token;

#[derive(Clone)]
pub(super) struct MskIam {
    region: String,
    credentials: AwsCredentialProvider,
}

impl MskIam {
    /// Credentials come from where AWS's own clients find them: the environment, a web identity, a container's or a
    /// machine's metadata. object_store has no other way to them than by a bucket, which is never asked for.
    pub(super) fn new(region: String) -> anyhow::Result<Self> {
        let builder = AmazonS3Builder::from_env().with_region(&region).with_bucket_name("none");
        let credentials = builder.build().context("find AWS credentials")?.credentials().clone();
        Ok(Self { region, credentials })
    }

    pub(super) async fn sign(&self) -> anyhow::Result<Token> {
        let credential = self.credentials.get_credential().await.context("get AWS credentials")?;
        let url = signed_url(&self.region, &credential, Timestamp::now());
        let with_user_agent = format!("{url}&User-Agent=backplane-kafka-ingester");
        Ok(Token { text: URL_SAFE_NO_PAD.encode(with_user_agent), lifetime: LIFETIME })
    }
}

/// The URL of `kafka-cluster:Connect`, signed by AWS Signature Version 4 in its query.
fn signed_url(region: &str, credential: &AwsCredential, now: Timestamp) -> String {
    let (date, time) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string());
    let scope = format!("{date}/{region}/{SERVICE}/aws4_request");
    let host = format!("kafka.{region}.amazonaws.com");
    let lifetime_s = LIFETIME.as_secs().to_string();
    let credential_scope = format!("{}/{scope}", credential.key_id);
    // In the order of their names, as they are signed.
    let mut query = vec![
        ("Action", "kafka-cluster:Connect"),
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential_scope),
        ("X-Amz-Date", &time),
        ("X-Amz-Expires", &lifetime_s),
    ];
    query.extend(credential.token.as_deref().map(|token| ("X-Amz-Security-Token", token)));
    query.push(("X-Amz-SignedHeaders", "host"));
    let pairs = query.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)));
    let query = pairs.collect::<Vec<_>>().join("&");
    let request = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", hex::encode(Sha256::digest(b"")));
    let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(request)));
    let secret = format!("AWS4{}", credential.secret_key).into_bytes();
    let key =
        [date.as_str(), region, SERVICE, "aws4_request"].iter().fold(secret, |key, part| hmac(&key, part));
    format!("https://{host}/?{query}&X-Amz-Signature={}", hex::encode(hmac(&key, &to_sign)))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

const SERVICE: &str = "kafka-cluster";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const LIFETIME: Duration = Duration::from_secs(900);
/// All characters but those that AWS leaves as they are.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature of aws-msk-iam-sasl-signer-python 1.0.2 for the same region, credentials and time.
    #[test]
    fn a_url_is_signed_as_awss_own_signer_does_it() {
        let credential = AwsCredential {
            key_id: "AKIDEXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            token: Some("session/token+=".to_owned()),
        };
        let url = signed_url("eu-west-1", &credential, "2026-11-29T06:30:00Z".parse().unwrap());
        assert_eq!(
            url,
            "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20261129%2Feu-west-1%2Fkafka-cluster%2Faws4_request\
             &X-Amz-Date=20261129T063000Z&X-Amz-Expires=900&X-Amz-Security-Token=session%2Ftoken%2B%3D\
             &X-Amz-SignedHeaders=host\
             &X-Amz-Signature=a1f1daa514c98805ee570cd1f1a3776039e7c2f86c004c6d3b03f3db2943df56"
        );
    }
}
