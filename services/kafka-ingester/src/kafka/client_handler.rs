//! What every client of the brokers needs, and the context of those beside the consumer: the producer of dead letters, and
//! the reader of `check`.

use std::error::Error;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::consumer::ConsumerContext;
use rdkafka::statistics::Statistics;

use super::bootstrap_brokers::BootstrapBrokers;
use super::oauth::TokenSource;
use crate::config::KafkaConfig;

/// Gives a client its tokens, and the brokers that it has forgotten.
#[derive(Clone)]
pub(crate) struct ClientHandler {
    pub(crate) bootstrap_brokers: BootstrapBrokers,
    pub(super) tokens: TokenSource,
}

impl ClientHandler {
    /// The handler of clients with these settings. Must be called in a runtime.
    ///
    /// # Errors
    /// If no token could be got with them.
    pub(crate) fn new(config: &KafkaConfig) -> anyhow::Result<Self> {
        let bootstrap_brokers = BootstrapBrokers::new(config.broker());
        Ok(Self { bootstrap_brokers, tokens: TokenSource::new(config.oauth_method()?)? })
    }
}

impl ClientContext for ClientHandler {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.tokens.token()
    }

    fn stats(&self, statistics: Statistics) {
        self.bootstrap_brokers.check(&statistics);
    }
}

impl ConsumerContext for ClientHandler {}
