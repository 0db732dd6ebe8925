//! The metrics of this service.

use prometheus::exponential_buckets;

chassis::metrics! {
    /// The metrics of this process. Clones share the numbers.
    pub(crate) struct Metrics("kafka_ingester_") {
        applied: IntCounter = "messages_applied_total", "messages that were applied to Redis";
        partition_applied: IntCounterVec["topic", "partition"] =
            "partition_messages_applied_total", "messages of a partition that this instance applied to Redis";
        dead_letters: IntCounter = "dead_letters_total", "messages that could not be applied and became dead letters";
        waiting: IntGauge = "dead_letters", "dead letters that are in Redis now, of all instances";
        forwarded: IntCounter = "dead_letters_forwarded_total", "dead letters moved on to DEAD_LETTERS_TOPIC";
        fenced: IntCounter = "fenced_total", "times another instance was found to own a partition";
        rewinds: IntCounter = "rewinds_total", "times a partition was read again from the earlier offset in Redis";
        lost: IntCounter = "messages_lost_total", "messages that Kafka deleted before they were read";
        paused_seconds: Counter = "paused_seconds_total", "time that partitions waited for Redis, added up";
        partitions: IntGauge = "partitions", "partitions assigned to this instance";
        lag: IntGaugeVec["topic", "partition"] = "lag", "messages in Kafka that are not yet in Redis";
        batch_messages: Histogram{exponential_buckets(1.0, 4.0, 7)?} = "batch_messages", "messages in a batch";
        batch_seconds: HistogramVec["outcome"]{exponential_buckets(0.000_25, 2.0, 16)?} =
            "batch_seconds", "time of one call that applies a batch, by its outcome";
    }
}
