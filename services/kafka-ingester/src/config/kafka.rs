//! The settings of Kafka: topics, brokers, group, and any property of librdkafka.

use std::path::{Path, PathBuf};

use chassis::settings::SettingError;
use rdkafka::config::ClientConfig;

use super::librdkafka::{self, Property};
use super::oauth::{OAuthConfig, OAuthMethod};
use crate::topic_selector::TopicSelector;

/// Where messages come from.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaConfig {
    /// Topic to read, or a pattern such as ^sensors\..*; separate several with commas. Required, or INGEST_CONFIG
    #[arg(long, env = "KAFKA_TOPIC")]
    kafka_topic: Option<String>,

    /// TOML file of topics, each with its own settings of messages
    #[arg(long, env = "INGEST_CONFIG")]
    ingest_config: Option<PathBuf>,

    /// Bootstrap servers, HOST:PORT separated by commas. Required
    #[arg(long, env = "KAFKA_BROKER")]
    kafka_broker: Option<String>,

    /// Consumer group; instances of one group share the partitions. Required
    #[arg(long, env = "KAFKA_GROUP")]
    kafka_group: Option<String>,

    /// Any property of librdkafka: KAFKA_CONF_SESSION_TIMEOUT_MS=6000 sets session.timeout.ms;
    /// KAFKA_CONF_SASL_PASSWORD_FILE is a file with sasl.password
    #[arg(long, env = "KAFKA_CONF_*", value_name = "PROPERTY=VALUE", hide_env_values = true)]
    kafka_conf: Vec<String>,

    #[command(flatten)]
    oauth: OAuthConfig,
}

impl KafkaConfig {
    /// The topics of `KAFKA_TOPIC`, each once.
    pub(super) fn topics(&self) -> Result<Vec<TopicSelector>, SettingError> {
        let mut topics: Vec<&str> = Vec::new();
        for topic in self.kafka_topic.iter().flat_map(|topics| topics.split(',')).map(str::trim) {
            if !topic.is_empty() && !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        let selectors = topics.into_iter().map(str::parse).collect::<Result<_, String>>();
        selectors.map_err(|problem| SettingError::new("KAFKA_TOPIC", problem))
    }

    /// The file of topics.
    pub(super) fn ingest_config(&self) -> Option<&Path> {
        self.ingest_config.as_deref()
    }

    /// The bootstrap servers.
    pub fn broker(&self) -> &str {
        self.kafka_broker.as_deref().unwrap_or_default()
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        self.kafka_group.as_deref().unwrap_or_default()
    }

    /// True if the broker assigns the partitions, by the protocol of KIP-848.
    pub(crate) fn has_broker_protocol(&self) -> bool {
        librdkafka::has_broker_protocol(&self.properties())
    }

    fn properties(&self) -> Vec<Property> {
        self.kafka_conf.iter().map(|pair| Property::parse(pair)).collect()
    }

    /// Where the tokens of SASL OAUTHBEARER come from, if they are used.
    ///
    /// # Errors
    /// Names a setting that is missing, or that does not go with another.
    pub(crate) fn oauth_method(&self) -> Result<Option<OAuthMethod>, SettingError> {
        self.oauth.method()
    }

    /// The configuration of a client of librdkafka.
    ///
    /// # Errors
    /// Names the variable of a property that librdkafka does not know, or that must not be set.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, SettingError> {
        let uses_tokens = self.oauth_method()?.is_some();
        librdkafka::client_config(self.broker(), self.group(), uses_tokens, &self.properties())
    }

    pub(super) fn check(&self) -> Result<(), SettingError> {
        let required = [
            ("KAFKA_TOPIC", self.kafka_topic.is_some() || self.ingest_config.is_some()),
            ("KAFKA_BROKER", self.kafka_broker.is_some()),
            ("KAFKA_GROUP", self.kafka_group.is_some()),
        ];
        let missing: Vec<&str> =
            required.iter().filter(|(_, is_set)| !is_set).map(|(variable, _)| *variable).collect();
        if !missing.is_empty() {
            return Err(SettingError::new(missing.join(", "), "must be set"));
        }
        if self.kafka_topic.is_some() && self.ingest_config.is_some() {
            return Err(SettingError::new("KAFKA_TOPIC", "must not be set beside INGEST_CONFIG"));
        }
        if self.ingest_config.is_none() && self.topics()?.is_empty() {
            return Err(SettingError::new("KAFKA_TOPIC", "must name a topic"));
        }
        self.client_config().map(drop)
    }
}
