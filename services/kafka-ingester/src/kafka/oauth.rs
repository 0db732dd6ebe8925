//! Tokens for SASL OAUTHBEARER. librdkafka asks for one at first and before the last one ends, and asks again after 10 s if
//! it got none.

mod msk_iam;
mod oidc;
mod token;

use std::error::Error;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use rdkafka::client::OAuthToken;
use tokio::runtime::Handle;

use crate::config::OAuthMethod;
use msk_iam::MskIam;
use oidc::Oidc;

/// Where tokens come from. Clones share it.
#[derive(Clone)]
pub(crate) struct TokenSource {
    runtime: Handle,
    method: Option<Method>,
}

#[derive(Clone)]
enum Method {
    Oidc(Oidc),
    MskIam(MskIam),
}

impl TokenSource {
    /// The source of `method`; `None` if no token is used. Must be called in a runtime.
    ///
    /// # Errors
    /// If a client cannot be created.
    pub(crate) fn new(method: Option<OAuthMethod>) -> anyhow::Result<Self> {
        let method = match method {
            None => None,
            Some(OAuthMethod::Oidc(client)) => Some(Method::Oidc(Oidc::new(client)?)),
            Some(OAuthMethod::MskIam(region)) => Some(Method::MskIam(MskIam::new(region)?)),
        };
        Ok(Self { runtime: Handle::current(), method })
    }

    /// A new token. Blocks the thread, which must not be one of the runtime's own.
    pub(super) fn token(&self) -> Result<OAuthToken, Box<dyn Error>> {
        let fetch = async {
            match &self.method {
                Some(Method::Oidc(oidc)) => oidc.fetch().await,
                Some(Method::MskIam(msk_iam)) => msk_iam.sign().await,
                None => bail!("neither KAFKA_OAUTH_TOKEN_URL nor KAFKA_MSK_IAM_REGION is set"),
            }
        };
        let fetch = async { tokio::time::timeout(TIMEOUT, fetch).await.context("no answer in time")? };
        let token = self.runtime.block_on(fetch).map_err(|error| format!("{error:#}"))?;
        let end = SystemTime::UNIX_EPOCH.elapsed()? + token.lifetime;
        // The broker reads who it is from the token itself.
        let principal_name = "kafka-ingester".to_owned();
        Ok(OAuthToken { token: token.text, principal_name, lifetime_ms: i64::try_from(end.as_millis())? })
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);
