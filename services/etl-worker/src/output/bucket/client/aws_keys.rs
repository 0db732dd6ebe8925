//! Keys for the storage's client, asked for again before they expire.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::Result;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::environment::{causes, refused};

/// The keys of one source: a profile, a web identity, a container or a machine.
#[derive(Debug)]
pub(super) struct AwsKeys {
    source: SharedCredentialsProvider,
    kept: Mutex<Option<Kept>>,
    /// What is wrong with the profile, which is read once.
    invalid: OnceLock<String>,
}

#[derive(Debug, Clone)]
struct Kept {
    keys: Arc<AwsCredential>,
    /// When they are asked for again. `None` for keys that do not expire.
    renewal: Option<SystemTime>,
    expiry: Option<SystemTime>,
}

impl AwsKeys {
    pub(super) fn new(source: SharedCredentialsProvider) -> Self {
        Self { source, kept: Mutex::default(), invalid: OnceLock::new() }
    }

    async fn ask(&self) -> Result<Kept> {
        let asked = match self.invalid.get() {
            Some(problem) => Err(problem.clone()),
            None => self.ask_source().await,
        };
        asked.map_err(|problem| refused("S3", format!("there are no keys of AWS: {problem}")))
    }

    async fn ask_source(&self) -> Result<Kept, String> {
        Err(match timeout(PATIENCE, self.source.provide_credentials()).await {
            Ok(Ok(keys)) => return Ok(Kept::new(&keys, SystemTime::now())),
            Ok(Err(CredentialsError::CredentialsNotLoaded(_))) => NOWHERE.to_owned(),
            // The error itself says only that there is one.
            Ok(Err(error)) => {
                let problem = error.source().map_or_else(|| error.to_string(), causes);
                match error {
                    // The library says what is wrong with a profile once.
                    CredentialsError::InvalidConfiguration(_) => self.invalid.get_or_init(|| problem).clone(),
                    _ => problem,
                }
            }
            Err(_) => format!("the source did not answer within {} s", PATIENCE.as_secs()),
        })
    }
}

impl Kept {
    fn new(keys: &Credentials, now: SystemTime) -> Self {
        let (expiry, token) = (keys.expiry(), keys.session_token().map(str::to_owned));
        let half = |expiry: SystemTime| expiry.duration_since(now).unwrap_or_default() / 2;
        let keys = AwsCredential {
            key_id: keys.access_key_id().to_owned(),
            secret_key: keys.secret_access_key().to_owned(),
            token,
        };
        let renewal = expiry.map(|expiry| expiry - half(expiry).min(RENEWAL));
        Self { keys: Arc::new(keys), renewal, expiry }
    }
}

#[async_trait]
impl CredentialProvider for AwsKeys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().await;
        let now = SystemTime::now();
        let is_before = |time: Option<SystemTime>| time.is_none_or(|time| now < time);
        if let Some(kept) = &*kept
            && is_before(kept.renewal)
        {
            return Ok(Arc::clone(&kept.keys));
        }
        match (self.ask().await, &*kept) {
            (Ok(new), _) => Ok(Arc::clone(&kept.insert(new).keys)),
            // What is still valid serves until then.
            (Err(_), Some(old)) if is_before(old.expiry) => Ok(Arc::clone(&old.keys)),
            (Err(error), _) => Err(error),
        }
    }
}

const NOWHERE: &str = "neither variables, a profile, a web identity, a container nor the machine has any";
/// How long a source may take, such as a program that a profile names.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long before the expiry keys are renewed; in the middle of their time, if that is shorter.
const RENEWAL: Duration = Duration::from_secs(300);
