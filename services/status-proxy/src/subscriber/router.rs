//! Numbers the messages from Redis and passes them on to the hub and the recorder.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::hub::Hub;
use crate::line::{FIRST_LOCAL_SEQUENCE, Line, LineId};
use crate::line_limit::LineLimit;
use crate::metrics::Metrics;
use crate::position::SharedPosition;
use crate::recorder::{RecorderInput, RecorderQueues};
use crate::run_channels::is_status_channel;
use crate::store::PubSubMessage;

/// Routes messages. With a recorder history is in Redis: all channels are received, and all instances number lines alike.
pub(crate) struct LineRouter {
    hub: Hub,
    metrics: Metrics,
    recorders: Option<RecorderQueues>,
    position: SharedPosition,
    limit: LineLimit,
    /// With history in Redis: where epochs come from.
    epochs: EpochSource,
    /// How long an epoch is remembered on a Cluster, in ms.
    max_age_ms: u64,
    /// With history in Redis: lines may be missing that nobody can have received. It is told with the next epoch.
    has_gap_ahead: bool,
    /// With history in Redis: messages were dropped, or the subscription was lost. The next ones cannot be numbered as other
    /// instances number them, until an epoch of this instance starts.
    has_lost_count: bool,
    /// The last message, if it came by the subscription of its channel.
    direct: Option<PubSubMessage>,
}

/// Where the epochs come from by which this instance numbers lines.
#[derive(Clone, Default)]
pub(crate) struct EpochSource {
    pub(crate) channel: Arc<str>,
    /// On a Cluster the node in whose order lines are numbered.
    pub(crate) node: Arc<str>,
}

impl LineRouter {
    /// `recorders`: with history in Redis. `max_age`: how long clients can resume.
    pub(crate) fn new(
        hub: Hub,
        metrics: Metrics,
        recorders: Option<RecorderQueues>,
        position: SharedPosition,
        limit: LineLimit,
        max_age: Duration,
    ) -> Self {
        let has_lost_count = recorders.is_some();
        let epochs = EpochSource::default();
        let max_age_ms = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        Self {
            hub,
            metrics,
            recorders,
            position,
            limit,
            epochs,
            max_age_ms,
            has_gap_ahead: false,
            has_lost_count,
            direct: None,
        }
    }

    /// The id of the last line.
    pub(super) fn latest(&self) -> LineId {
        self.position.lock().latest
    }

    /// Where the epochs came from at last.
    pub(super) fn epochs(&self) -> &EpochSource {
        &self.epochs
    }

    /// With history in Redis: tells the recorders how many instances there are.
    pub(super) fn set_instances(&self, count: usize) {
        if let Some(recorders) = &self.recorders {
            recorders.group.set_instances(count);
        }
    }

    /// Passes a message on.
    pub(crate) fn route(&mut self, message: &PubSubMessage) {
        if self.has_lost_count {
            // Not even an epoch counts: lines before it were lost, so this instance must not claim that it has them.
            return;
        }
        if self.is_repeated(message) {
            return;
        }
        let channel = message.channel();
        if *channel == *self.epochs.channel {
            if let Some(epoch) = message.epoch() {
                self.go_on_to(epoch);
            }
            return;
        }
        let line = is_status_channel(channel).then(|| self.limit.apply(message.text()));
        // Every message gets a number, also one that is no status line, so that all instances count alike.
        self.number(|id| {
            let Some(text) = line else { return };
            self.metrics.lines.inc();
            let (channel, line): (Arc<str>, _) = (channel.into(), Line { id, text });
            if let Some(recorders) = &self.recorders {
                recorders.push_line(channel.clone(), line.clone());
            }
            self.hub.publish(channel, line);
        });
    }

    /// Gives the next number to what `tell` tells the hub. Nobody else gets one meanwhile, so that they come to the hub in their order.
    fn number(&self, tell: impl FnOnce(LineId)) {
        let mut position = self.position.lock();
        position.latest.sequence += 1;
        tell(position.latest);
    }

    /// An epoch has begun, in which lines are numbered from 1 on.
    fn go_on_to(&mut self, epoch: u64) {
        let start = LineId::start_of(epoch);
        let has_gap = std::mem::take(&mut self.has_gap_ahead);
        self.enter(epoch, has_gap);
        if has_gap {
            self.hub.announce_gap(start);
        }
        self.tell_recorders(&if has_gap { RecorderInput::Gap(epoch) } else { RecorderInput::Epoch(epoch) });
    }

    fn enter(&self, epoch: u64, is_complete_since: bool) {
        let mut position = self.position.lock();
        position.latest = LineId::start_of(epoch);
        if is_complete_since {
            position.complete_since = epoch;
        }
        if !self.epochs.node.is_empty() {
            position.order.note(&self.epochs.node, epoch, self.max_age_ms);
        }
    }

    /// Whether this is the second copy of a message. On a connection that subscribes to its channel and to a pattern, Redis sends
    /// it for the channel, and next for the pattern.
    fn is_repeated(&mut self, message: &PubSubMessage) -> bool {
        if message.is_by_pattern() {
            self.direct.take().is_some_and(|direct| direct.is_same_as(message))
        } else {
            self.direct = Some(message.clone());
            false
        }
    }

    /// The next message is no second copy: every message that was sent before a change of the subscriptions has been routed.
    pub(super) fn forget_last_message(&mut self) {
        self.direct = None;
    }

    /// fred has dropped messages, because they arrived faster than they were taken. `true`: the count is lost, so a new
    /// connection is needed.
    pub(super) fn on_lag(&mut self, count: u64) -> bool {
        warn!("{count} messages were dropped, because they arrived too fast");
        if self.recorders.is_none() {
            self.number(|id| self.hub.announce_gap(id));
        }
        self.lose_count();
        self.has_lost_count
    }

    /// With history in Redis: ignores everything until an epoch starts on a new subscription.
    pub(super) fn lose_count(&mut self) {
        self.has_lost_count = self.recorders.is_some();
    }

    /// Lines may have been missed before now. With history in Redis all instances must number lines alike, so the gap is at the next
    /// epoch.
    pub(super) fn announce_gap(&mut self) {
        if self.recorders.is_some() {
            self.has_gap_ahead = true;
        } else {
            self.number(|id| self.hub.announce_gap(id));
        }
    }

    /// With history in memory: lines of this channel may have been missed before now.
    pub(crate) fn announce_channel_gap(&self, channel: &Arc<str>) {
        self.number(|id| self.hub.announce_channel_gap(channel.clone(), id));
    }

    /// With history in Redis: starts an epoch, from which on every line is received.
    ///
    /// `missed` are the lines between the last one and the epoch, if they are all known. If not, there is a gap, and the
    /// messages that arrived before the epoch, `early`, are published in their place.
    pub(super) fn start_epoch(
        &mut self,
        epoch: u64,
        source: EpochSource,
        missed: Option<Vec<(Arc<str>, Line)>>,
        early: &[PubSubMessage],
    ) {
        self.has_lost_count = false;
        self.has_gap_ahead = false;
        let start = LineId::start_of(epoch);
        match missed {
            Some(lines) => {
                info!("read {} missed lines from the recorded history", lines.len());
                lines.into_iter().for_each(|(channel, line)| self.hub.publish(channel, line));
                self.hub.caught_up(start);
            }
            None => {
                self.hub.announce_gap(start);
                // Nobody knows the numbers of these lines, so no client can resume from them.
                let epoch = self.latest().epoch;
                let early = early.iter().filter(|message| is_status_channel(message.channel()));
                for (sequence, message) in (FIRST_LOCAL_SEQUENCE..).zip(early) {
                    let text = self.limit.apply(message.text());
                    let line = Line { id: LineId { epoch, sequence }, text };
                    self.hub.publish(message.channel().into(), line);
                }
            }
        }
        self.epochs = source;
        self.enter(epoch, true);
        self.tell_recorders(&RecorderInput::Restart(epoch, self.epochs.node.clone()));
    }

    fn tell_recorders(&self, input: &RecorderInput) {
        if let Some(recorders) = &self.recorders {
            recorders.push_to_all(input);
        }
    }
}

#[cfg(test)]
mod tests {
    use redis_core::Layout;
    use tokio::sync::mpsc;

    use super::*;
    use crate::partition::Partitions;
    use crate::recorder::RecorderGroup;
    use crate::replay_buffer::Retention;
    use crate::shard::ChannelPolicy;

    const EPOCHS: &str = "epochs";

    fn source(node: &str) -> EpochSource {
        EpochSource { channel: EPOCHS.into(), node: node.into() }
    }

    #[test]
    fn a_message_that_comes_for_its_channel_and_for_a_pattern_counts_once() {
        let (mut router, mut inputs) = router();
        router.start_epoch(5, source(""), None, &[]);
        let message = |text| PubSubMessage::for_test("r:a", text);
        for message in [
            message("one"),
            message("one").by_pattern(),
            message("one"),
            message("one").by_pattern(),
            PubSubMessage::for_test("r:b", "one").by_pattern(),
            message("one").by_pattern(),
            message("one").by_pattern(),
        ] {
            router.route(&message);
        }
        router.route(&message("two"));
        router.forget_last_message();
        router.route(&message("two").by_pattern());
        let lines = std::iter::from_fn(|| inputs.try_recv().ok());
        assert_eq!(lines.filter(|input| matches!(input, RecorderInput::Line(..))).count(), 7);
    }

    fn router() -> (LineRouter, mpsc::UnboundedReceiver<RecorderInput>) {
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let age = Duration::from_secs(60);
        let retention = Retention { lines: 10, bytes: 1000, age };
        let policy = ChannelPolicy {
            retention,
            idle_ttl: age,
            receives_all: true,
            max_channels: 10,
            max_bytes: 10_000,
        };
        let (hub, _) = Hub::new(policy, None, &metrics);
        let group = Arc::new(RecorderGroup::new(1, metrics.clone()));
        let (queues, mut inputs) = RecorderQueues::new(Partitions::new(Layout::One), group);
        let (position, limit) = (SharedPosition::default(), LineLimit::new(LineLimit::MIN));
        (LineRouter::new(hub, metrics, Some(queues), position, limit, age), inputs.remove(0))
    }

    #[test]
    fn after_lost_lines_no_later_epoch_is_recorded_until_a_subscription_starts_one() {
        let (mut router, mut inputs) = router();
        router.start_epoch(5, source(""), None, &[]);
        router.route(&PubSubMessage::for_test("r:a", "one"));
        assert!(router.on_lag(3));
        router.route(&PubSubMessage::for_test(EPOCHS, "6"));
        router.route(&PubSubMessage::for_test("r:a", "after the lost ones"));
        assert_eq!(router.latest(), LineId { epoch: 5, sequence: 1 });
        router.start_epoch(7, source(""), None, &[]);
        router.route(&PubSubMessage::for_test("r:a", "two"));
        router.route(&PubSubMessage::for_test(EPOCHS, "8"));
        assert_eq!(told(&mut inputs), ["restart 5", "5-1", "restart 7", "7-1", "epoch 8"]);
    }

    fn told(inputs: &mut mpsc::UnboundedReceiver<RecorderInput>) -> Vec<String> {
        std::iter::from_fn(|| inputs.try_recv().ok())
            .map(|input| match input {
                RecorderInput::Line(_, line) => line.id.to_string(),
                RecorderInput::Epoch(epoch) => format!("epoch {epoch}"),
                RecorderInput::Gap(epoch) => format!("gap {epoch}"),
                RecorderInput::Restart(epoch, node) => format!("restart {epoch}{node}"),
            })
            .collect()
    }

    #[test]
    fn what_nobody_can_have_received_is_a_gap_at_the_next_epoch_and_changes_no_number() {
        let (mut router, mut inputs) = router();
        router.start_epoch(5, source(" of n"), None, &[]);
        router.route(&PubSubMessage::for_test("r:a", "one"));
        router.announce_gap();
        router.route(&PubSubMessage::for_test("r:a", "two"));
        assert_eq!(router.position.lock().complete_since, 5);
        router.route(&PubSubMessage::for_test(EPOCHS, "6"));
        router.route(&PubSubMessage::for_test(EPOCHS, "7"));
        assert_eq!(told(&mut inputs), ["restart 5 of n", "5-1", "5-2", "gap 6", "epoch 7"]);
        let position = router.position.lock().clone();
        assert_eq!((position.complete_since, position.order.may_have(6)), (6, true));
        assert_eq!((position.order.may_have(5), position.order.may_have(8)), (true, false));
    }
}
