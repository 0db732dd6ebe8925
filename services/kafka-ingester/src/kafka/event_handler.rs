//! Handles what librdkafka reports besides messages: rebalances, statistics, errors and logs.

use std::error::Error;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::TopicPartitionList;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use tracing::{debug, error, info, warn};

use super::bootstrap_brokers::BootstrapBrokers;
use super::client_handler::ClientHandler;
use super::commit::commit_offsets;
use super::lag;
use super::partition_list::{format_partitions, partitions_of};
use crate::assignments::Assignments;
use crate::metrics::Metrics;
use crate::topic_partition::TopicPartition;

/// The consumer's context.
pub(crate) struct EventHandler {
    assignments: Assignments,
    metrics: Metrics,
    client: ClientHandler,
    pending_assignments: Mutex<Vec<TopicPartitionList>>,
    last_error: Mutex<Option<String>>,
    outside_group_since: Mutex<Option<Instant>>,
}

impl EventHandler {
    pub(crate) fn new(assignments: Assignments, metrics: Metrics, client: ClientHandler) -> Self {
        Self {
            assignments,
            metrics,
            client,
            pending_assignments: Mutex::default(),
            last_error: Mutex::default(),
            outside_group_since: Mutex::default(),
        }
    }

    /// Takes the partitions that the group assigned to us and that no task reads yet.
    pub(crate) fn take_pending_assignments(&self) -> Vec<TopicPartitionList> {
        std::mem::take(&mut self.pending_assignments.lock())
    }

    /// The brokers of the settings.
    pub(crate) fn bootstrap_brokers(&self) -> &BootstrapBrokers {
        &self.client.bootstrap_brokers
    }

    /// The latest reason why a broker could not be reached, since [`EventHandler::clear_last_error`].
    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }

    /// Forgets the reason: the brokers can be reached.
    pub(crate) fn clear_last_error(&self) {
        self.last_error.lock().take();
    }

    /// For how long this instance has not been in its group, as of the last statistics; `None` if it is.
    pub(crate) fn outside_group_for(&self) -> Option<Duration> {
        self.outside_group_since.lock().map(|since| since.elapsed())
    }

    fn set_last_error(&self, reason: &str) {
        // librdkafka reports an error of the group's coordinator a second time, as one of its broker.
        if !reason.starts_with("GroupCoordinator: ") {
            // Without the duration and the count of attempts, which differ each time: every new reason is a
            // log line.
            let reason = reason.split(" (after ").next().unwrap_or(reason);
            *self.last_error.lock() = Some(reason.to_owned());
        }
    }
}

impl ClientContext for EventHandler {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.client.tokens.token()
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            // Why a broker cannot be reached. librdkafka repeats it at every attempt.
            _ if facility == "FAIL" => {
                debug!("librdkafka {facility}: {message}");
                // The name of librdkafka's thread comes before the reason.
                self.set_last_error(message.split_once("]: ").map_or(message, |(_, reason)| reason));
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => debug!("librdkafka {facility}: {message}"),
            _ => warn!("librdkafka {facility}: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!("kafka: {error}: {reason}");
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.set_last_error(reason);
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.client.bootstrap_brokers.check(&statistics);
        let is_outside = statistics.cgrp.as_ref().is_none_or(|group| group.join_state == "init");
        let mut since = self.outside_group_since.lock();
        *since = is_outside.then(|| since.unwrap_or_else(Instant::now));
        drop(since);
        for (topic, state) in &statistics.topics {
            for (partition, state) in &state.partitions {
                let number = partition.to_string();
                let partition = TopicPartition { topic: topic.clone(), partition: *partition };
                let Some(next_offset) = self.assignments.next_offset(&partition) else { continue };
                let position = lag::position(next_offset, state);
                self.assignments.pass(&partition, next_offset, position);
                if let Some(lag) = lag::lag(position, state) {
                    self.metrics.lag.with_label_values(&[topic, &number]).set(lag);
                }
            }
        }
    }
}

impl ConsumerContext for EventHandler {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // The poll loop takes them up, because it must split off their queues first.
            self.pending_assignments.lock().push(partitions.clone());
            return;
        }
        let revoked = partitions_of(partitions);
        info!("partitions revoked: {}", format_partitions(&revoked));
        let mut next_offsets = Vec::new();
        for partition in revoked {
            // It fails if there were no statistics yet, so that there is no such label.
            let _ =
                self.metrics.lag.remove_label_values(&[&partition.topic, &partition.partition.to_string()]);
            next_offsets
                .extend(self.assignments.stop(&partition).map(|next_offset| (partition, next_offset)));
        }
        commit_offsets(consumer, &next_offsets);
        let result =
            if is_cooperative { consumer.incremental_unassign(partitions) } else { consumer.unassign() };
        if let Err(error) = result {
            error!("give revoked partitions back: {error}");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // The group is rebalancing, or the broker is away. The next commit covers this one.
            debug!("commit offsets for lag tools: {error}");
        }
    }
}
