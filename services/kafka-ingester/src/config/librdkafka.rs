//! The properties of librdkafka: the service's defaults, the user's, and those that the guarantees rest on.

use chassis::settings::SettingError;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;

/// A property that the user set, and the variable that sets it.
pub(super) struct Property {
    variable: String,
    name: String,
    value: String,
}

impl Property {
    /// `pair` is `NAME=VALUE`, where NAME is the variable's part after `KAFKA_CONF_` or the property's own
    /// name.
    pub(super) fn parse(pair: &str) -> Self {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Self {
            variable: format!("KAFKA_CONF_{}", name.to_uppercase().replace('.', "_")),
            name: name.to_lowercase().replace('_', "."),
            value: value.to_owned(),
        }
    }
}

/// The configuration of a client in `group`. The user's properties win over the defaults.
///
/// # Errors
/// Names the variable of a property that librdkafka does not know, or that must not be set.
pub(super) fn client_config(
    broker: &str,
    group: &str,
    uses_tokens: bool,
    properties: &[Property],
) -> Result<ClientConfig, SettingError> {
    let mut config = ClientConfig::new();
    for (name, value) in DEFAULTS {
        config.set(name, value);
    }
    if !has_broker_protocol(properties) {
        config.set("partition.assignment.strategy", "cooperative-sticky");
    }
    if uses_tokens {
        config.set("security.protocol", "SASL_SSL").set("sasl.mechanism", "OAUTHBEARER");
    }
    for property in properties {
        set(&mut config, property)?;
    }
    config.set("bootstrap.servers", broker).set("group.id", group);
    // The offset that counts is the one in Redis. Kafka's is committed only for tools that show the lag.
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    // If librdkafka resets to the log's start, the partition task notices it and reads Redis's offset again.
    config.set("auto.offset.reset", "earliest").set("enable.partition.eof", "false");
    Ok(config)
}

/// The protocol of KIP-848, which has no assignment strategy of the client's choice.
pub(super) fn has_broker_protocol(properties: &[Property]) -> bool {
    properties.iter().any(|property| property.name == "group.protocol" && property.value == "consumer")
}

fn set(config: &mut ClientConfig, property: &Property) -> Result<(), SettingError> {
    if RESERVED.contains(&property.name.as_str()) {
        return Err(SettingError::new(
            property.variable.clone(),
            format!("must not be set: {} is the service's own", property.name),
        ));
    }
    config.set(&property.name, &property.value);
    config.create_native_config().map(drop).map_err(|error| {
        let detail = match error {
            KafkaError::ClientConfig(_, description, ..) => description,
            other => other.to_string(),
        };
        SettingError::new(
            property.variable.clone(),
            format!("must be a property of librdkafka and its value: {detail}"),
        )
    })
}

const DEFAULTS: [(&str, &str); 8] = [
    // How soon a newly created topic is seen.
    ("topic.metadata.refresh.interval.ms", "10000"),
    // Each partition's queue has a bound of its own, and fetches again as soon as there is space in it.
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "8192"),
    ("fetch.max.bytes", "16777216"),
    ("fetch.queue.backoff.ms", "10"),
    // A fetch that waits at the broker holds up all other requests to it, such as those of a rebalance.
    ("fetch.wait.max.ms", "100"),
    ("statistics.interval.ms", "1000"),
    ("socket.nagle.disable", "true"),
];

/// Properties that the guarantees rest on, or that have variables of their own.
const RESERVED: [&str; 8] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "enable.partition.eof",
    "auto.commit.enable",
];
