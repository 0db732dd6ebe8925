//! Keys that are fetched from a URL, such as the JWKS of an identity provider.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, ensure};
use chassis::Gate;
use reqwest_tls::header::ACCEPT;
use reqwest_tls::redirect::Policy;
use reqwest_tls::{Client, Url};
use tokio::time::{sleep, timeout};
use tracing::info;
use ws_server::token::TokenKeys;

use crate::token_verifier::TokenVerifier;

/// The shortest time between the ends of two fetches and the begin of the next, whatever tokens strangers send.
pub(crate) const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// After a fetch has failed, while there are keys: when the next one begins.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// The largest JWKS, in bytes.
const MAX_SIZE: usize = 256 * 1024;

/// The URL of keys.
#[derive(Clone)]
pub(crate) struct KeyUrl(Url);

impl KeyUrl {
    /// `None` if the text is no URL of HTTP.
    ///
    /// # Errors
    /// Says what it must be.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let has_scheme =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
        if !has_scheme("https://") && !has_scheme("http://") {
            return Ok(None);
        }
        let url =
            Url::parse(text).map_err(|problem| format!("must be a URL that can be parsed: {problem}"))?;
        let is_loopback = match url.host_str().unwrap_or_default().trim_matches(['[', ']']).parse() {
            Ok(address) => std::net::IpAddr::is_loopback(&address),
            Err(_) => url.host_str() == Some("localhost"),
        };
        if url.scheme() != "https" && !is_loopback {
            return Err("must be fetched by https: whoever can change what http delivers could sign tokens"
                .to_owned());
        }
        Ok(Some(Self(url)))
    }

    /// Keeps the verifier's keys as the URL has them: fetches them now, after each `interval`, and when a token needs a key
    /// that is not known.
    pub(crate) async fn follow(
        self,
        verifier: &TokenVerifier,
        interval: Duration,
        gate: &Gate,
    ) -> std::convert::Infallible {
        loop {
            verifier.fetch_begins();
            let fetched = self.fetch().await;
            let next = match fetched {
                Ok(keys) => {
                    if !verifier.has_keys() {
                        info!("the token keys were fetched from {self}");
                    }
                    verifier.replace(keys);
                    gate.open();
                    interval
                }
                Err(problem) if verifier.has_keys() => {
                    gate.note(format!("{problem:#}, so those of before are used"));
                    interval.min(RETRY_INTERVAL)
                }
                Err(problem) => {
                    gate.close(format!("{problem:#}"));
                    Duration::ZERO
                }
            };
            verifier.fetch_has_ended();
            sleep(MIN_INTERVAL.min(interval)).await;
            let _ = timeout(next.saturating_sub(MIN_INTERVAL), verifier.fetch_wanted()).await;
        }
    }

    async fn fetch(&self) -> anyhow::Result<TokenKeys> {
        self.get().await.with_context(|| format!("fetch token keys from {self}"))
    }

    async fn get(&self) -> anyhow::Result<TokenKeys> {
        // A new client each time: connections are not kept for minutes, and certificates are read again.
        let client = Client::builder()
            .https_only(self.0.scheme() == "https")
            .redirect(Policy::limited(3))
            .timeout(FETCH_TIMEOUT)
            .build()?;
        let accept = "application/jwk-set+json, application/json, application/x-pem-file, */*;q=0.5";
        let response = client.get(self.0.clone()).header(ACCEPT, accept).send().await;
        let mut response = response.map_err(reqwest_tls::Error::without_url)?;
        ensure!(response.status().is_success(), "the answer is {}", response.status());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(reqwest_tls::Error::without_url)? {
            body.extend_from_slice(&part);
            ensure!(body.len() <= MAX_SIZE, "the answer has more than {MAX_SIZE} bytes");
        }
        TokenKeys::published(&body).map_err(|problem| anyhow::anyhow!("it {problem}"))
    }
}

/// Without what is nobody's business: a password, a query.
impl fmt::Display for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{}://{}{port}{}", self.0.scheme(), self.0.host_str().unwrap_or_default(), self.0.path())
    }
}

impl fmt::Debug for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUrl({self})")
    }
}
