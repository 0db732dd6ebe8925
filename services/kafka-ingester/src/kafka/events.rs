//! What librdkafka tells us between messages.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use tracing::{debug, error, info, warn};

use super::{Brokers, all, commit, list};
use crate::metrics::Metrics;
use crate::owned::Owned;
use crate::store::TopicPartition;

/// Rebalances, statistics, and errors that can heal.
pub(crate) struct Events {
    owned: Owned,
    metrics: Metrics,
    brokers: Brokers,
    assigned: Mutex<Vec<TopicPartitionList>>,
    last_error: Mutex<Option<String>>,
}

impl Events {
    pub(crate) fn new(owned: Owned, metrics: Metrics, brokers: Brokers) -> Self {
        Self { owned, metrics, brokers, assigned: Mutex::default(), last_error: Mutex::default() }
    }

    /// Partitions that the group gave to us and that nobody has taken up.
    pub(crate) fn take_assigned(&self) -> Vec<TopicPartitionList> {
        std::mem::take(&mut lock(&self.assigned))
    }

    /// Those of the cluster.
    pub(crate) fn brokers(&self) -> &Brokers {
        &self.brokers
    }

    /// Why brokers cannot be reached, the latest since [`Events::forget_error`].
    pub(crate) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    /// They can be reached.
    pub(crate) fn forget_error(&self) {
        lock(&self.last_error).take();
    }

    fn remember(&self, reason: &str) {
        // What is said of the group's coordinator is said of its broker too.
        if !reason.starts_with("GroupCoordinator: ") {
            // How long and how often it was tried would make it another reason, and another line, each time.
            let reason = reason.split(" (after ").next().unwrap_or(reason);
            *lock(&self.last_error) = Some(reason.to_owned());
        }
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            // Why a broker cannot be reached; librdkafka repeats it at every attempt.
            _ if facility == "FAIL" => {
                debug!("librdkafka {facility}: {message}");
                // The thread's name is before it.
                self.remember(message.split_once("]: ").map_or(message, |(_, reason)| reason));
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => debug!("librdkafka {facility}: {message}"),
            _ => warn!("librdkafka {facility}: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!("kafka: {error}: {reason}");
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.remember(reason);
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.brokers.look(&statistics);
        for (topic, state) in &statistics.topics {
            for (partition, state) in &state.partitions {
                let at = TopicPartition { topic: topic.clone(), partition: *partition };
                let end = if state.ls_offset >= 0 { state.ls_offset } else { state.hi_offset };
                if let Some(next) = self.owned.next(&at).filter(|_| end >= 0) {
                    let labels = [topic.as_str(), &partition.to_string()];
                    self.metrics.lag.with_label_values(&labels).set((end - next).max(0));
                }
            }
        }
    }
}

impl ConsumerContext for Events {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // The poll loop takes them up: their queues must be split off before.
            lock(&self.assigned).push(partitions.clone());
            return;
        }
        let revoked = all(partitions);
        info!("partitions taken back: {}", list(&revoked));
        let mut applied = Vec::new();
        for at in revoked {
            // There is no such label when no statistics came yet.
            let _ = self.metrics.lag.remove_label_values(&[&at.topic, &at.partition.to_string()]);
            applied.extend(self.owned.stop(&at).map(|next| (at, next)));
        }
        commit(consumer, &applied, CommitMode::Async);
        let done = if cooperative { consumer.incremental_unassign(partitions) } else { consumer.unassign() };
        if let Err(error) = done {
            error!("give partitions back: {error}");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // The group is rebalancing, or the broker is away: the next one says the same.
            debug!("commit offsets for lag tools: {error}");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
