//! What every client of the brokers needs, and the context of those beside the consumer: the producer of dead letters, and
//! the reader of `check`.

use std::error::Error;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use tracing::warn;

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

    /// Whoever uses the client gets an error of its own. This is the cause, except that one, which comes a hundred times.
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            warn!("kafka: {reason}");
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.bootstrap_brokers.check(&statistics);
    }
}

impl ConsumerContext for ClientHandler {}
