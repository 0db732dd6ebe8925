//! The settings of Kafka: topics, brokers, group, and any property of librdkafka.

use chassis::settings::SettingError;
use rdkafka::config::ClientConfig;

use super::librdkafka::{self, Property};

/// Where messages come from.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaConfig {
    /// Topic to read; separate several with commas. Required
    #[arg(long, env = "KAFKA_TOPIC")]
    kafka_topic: Option<String>,

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
}

impl KafkaConfig {
    /// The topics, each once.
    pub fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = Vec::new();
        for topic in self.kafka_topic.iter().flat_map(|topics| topics.split(',')).map(str::trim) {
            if !topic.is_empty() && !topics.iter().any(|known| known == topic) {
                topics.push(topic.to_owned());
            }
        }
        topics
    }

    /// The bootstrap servers.
    pub fn broker(&self) -> &str {
        self.kafka_broker.as_deref().unwrap_or_default()
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        self.kafka_group.as_deref().unwrap_or_default()
    }

    /// The configuration of a client of librdkafka.
    ///
    /// # Errors
    /// Names the variable of a property that librdkafka does not know, or that must not be set.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, SettingError> {
        let properties: Vec<Property> = self.kafka_conf.iter().map(|pair| Property::parse(pair)).collect();
        librdkafka::client_config(self.broker(), self.group(), &properties)
    }

    pub(super) fn check(&self) -> Result<(), SettingError> {
        let required = [
            ("KAFKA_TOPIC", &self.kafka_topic),
            ("KAFKA_BROKER", &self.kafka_broker),
            ("KAFKA_GROUP", &self.kafka_group),
        ];
        let missing: Vec<&str> =
            required.iter().filter(|(_, value)| value.is_none()).map(|(variable, _)| *variable).collect();
        if !missing.is_empty() {
            return Err(SettingError::new(missing.join(", "), "must be set"));
        }
        if self.topics().is_empty() {
            return Err(SettingError::new("KAFKA_TOPIC", "must name a topic"));
        }
        if !self.topics().iter().all(|topic| is_topic_name(topic)) {
            return Err(SettingError::new(
                "KAFKA_TOPIC",
                "must be names of 1 to 249 of A-Z a-z 0-9 . _ -, separated by commas",
            ));
        }
        self.client_config().map(drop)
    }
}

fn is_topic_name(topic: &str) -> bool {
    topic.len() <= 249 && topic.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
