//! The command `check`: what the topics' first messages would become, without writing anything.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::kafka::{ClientHandler, record_of};
use crate::mappings::Mappings;
use crate::message::{self, Action, BadMessage, Change, Changes, Expiry, Policy, StoreAs};
use crate::schema_registry::SchemaRegistry;

/// Reads up to `sample` messages and prints a line of JSON for each. It joins no group and commits nothing. Blocks.
///
/// # Errors
/// If a topic cannot be read, or standard output is closed.
pub(crate) fn run(config: &Config, sample: usize) -> anyhow::Result<()> {
    let handler = ClientHandler::new(&config.kafka)?;
    let consumer = config.kafka.client_config()?.create_with_context(handler);
    let consumer: BaseConsumer<ClientHandler> = consumer.context("create the consumer")?;
    // librdkafka asks for a token, if it needs one.
    consumer.poll(Duration::ZERO);
    let mappings = config.mappings()?;
    consumer.assign(&first_offsets(&consumer, &mappings)?).context("read the topics")?;
    let registry = SchemaRegistry::new(&config.registry)?;
    let (mut good, mut bad, mut last) = (0, 0, Instant::now());
    while good + bad < sample && last.elapsed() < SILENCE {
        let message = match consumer.poll(POLL_TIMEOUT) {
            None => continue,
            Some(message) => message.context("read a message")?,
        };
        last = Instant::now();
        let policy = mappings.policy_of(message.topic()).context("find the topic's settings")?;
        let record = record_of(&message, policy);
        let unpacked = loop {
            match message::unpack(policy, registry.schemas(), &record) {
                Ok(unpacked) => break unpacked,
                Err(id) => Handle::current().block_on(registry.load(id))?,
            }
        };
        let decoded = unpacked.changes(policy);
        if decoded.is_ok() {
            good += 1
        } else {
            bad += 1
        }
        for mut line in describe(policy, decoded) {
            line["topic"] = json!(message.topic());
            line["partition"] = json!(message.partition());
            line["offset"] = json!(message.offset());
            writeln!(io::stdout().lock(), "{line}")?;
        }
    }
    eprintln!("{good} would be applied, {bad} would become dead letters");
    Ok(())
}

/// All partitions of the topics, from their earliest messages on.
fn first_offsets(
    consumer: &BaseConsumer<ClientHandler>,
    mappings: &Mappings,
) -> anyhow::Result<TopicPartitionList> {
    let metadata = consumer.fetch_metadata(None, REQUEST_TIMEOUT);
    if metadata.is_err() {
        // The handler says why.
        consumer.poll(Duration::ZERO);
    }
    let metadata = metadata.context("ask the brokers")?;
    let mut list = TopicPartitionList::new();
    for topic in &mappings.topics(metadata.topics().iter().map(MetadataTopic::name)) {
        let is_it = |found: &&MetadataTopic| found.name() == topic && found.error().is_none();
        let Some(found) = metadata.topics().iter().find(is_it) else {
            bail!("topic {topic} does not exist, or may not be read");
        };
        for partition in found.partitions() {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
        }
    }
    Ok(list)
}

/// A line for each row.
fn describe(policy: &Policy, decoded: Result<Changes<'_>, BadMessage>) -> Vec<Value> {
    match decoded {
        Err(bad) => vec![json!({"reason": bad.to_string()})],
        Ok(changes) => changes.into_iter().map(|change| describe_change(policy, change)).collect(),
    }
}

fn describe_change(policy: &Policy, change: Change<'_>) -> Value {
    let mut line = json!({"key": policy.key_template.key(&change.id), "id": change.id});
    if let Some(version) = change.version {
        line["version"] = json!(version);
    }
    match change.action {
        Action::Delete => line["delete"] = json!(true),
        Action::Remove { member } => line["remove"] = json!(member),
        Action::Write { set, .. } if policy.store_as == StoreAs::SortedSet => {
            for (score, member) in set {
                line["member"] = json!(member);
                line["score"] = json!(score);
            }
        }
        Action::Write { set, unset, expiry } => {
            match expiry {
                None => {}
                Some(Expiry::AfterMs(ms)) => line["expires_after_ms"] = json!(ms),
                Some(Expiry::AtMs(ms)) => line["expires_at_ms"] = json!(ms),
            }
            line["set"] = set.into_iter().collect();
            if !unset.is_empty() {
                line["unset"] = json!(unset);
            }
        }
    }
    line
}

const POLL_TIMEOUT: Duration = Duration::from_millis(100);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// After so long without a message there are no more.
const SILENCE: Duration = Duration::from_secs(5);
