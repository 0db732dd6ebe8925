//! Numbers the messages from Redis and passes them on to the hub and the recorder.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::hub::Hub;
use crate::line::{FIRST_LOCAL_SEQUENCE, Line, LineId};
use crate::line_limit::LineLimit;
use crate::metrics::Metrics;
use crate::position::{SharedPosition, StreamPosition};
use crate::recorder::RecorderInput;
use crate::run_channels::is_status_channel;
use crate::store::PubSubMessage;

/// Routes messages. With a recorder history is in Redis: all channels are received, and all instances number lines alike.
pub(crate) struct LineRouter {
    hub: Hub,
    metrics: Metrics,
    recorder: Option<mpsc::UnboundedSender<RecorderInput>>,
    position: SharedPosition,
    epochs_channel: Arc<str>,
    limit: LineLimit,
    /// With history in Redis: messages were dropped, or the subscription was lost. The next ones cannot be numbered as other
    /// instances number them, until an epoch of this instance starts.
    has_lost_count: bool,
    /// The last message, if it came by the subscription of its channel.
    direct: Option<PubSubMessage>,
}

impl LineRouter {
    pub(crate) fn new(
        hub: Hub,
        metrics: Metrics,
        recorder: Option<mpsc::UnboundedSender<RecorderInput>>,
        position: SharedPosition,
        epochs_channel: Arc<str>,
        limit: LineLimit,
    ) -> Self {
        let has_lost_count = recorder.is_some();
        Self { hub, metrics, recorder, position, epochs_channel, limit, has_lost_count, direct: None }
    }

    /// The id of the last line.
    pub(super) fn latest(&self) -> LineId {
        self.position.lock().latest
    }

    pub(super) fn epochs_channel(&self) -> &Arc<str> {
        &self.epochs_channel
    }

    /// Passes a message on.
    pub(super) fn route(&mut self, message: &PubSubMessage) {
        if self.has_lost_count {
            // Not even an epoch counts: lines before it were lost, so this instance must not claim that it has them.
            return;
        }
        if self.is_repeated(message) {
            return;
        }
        let channel = message.channel();
        if *channel == *self.epochs_channel {
            if let Some(epoch) = message.epoch() {
                self.position.lock().latest = LineId::start_of(epoch);
                self.tell_recorder(|| RecorderInput::Epoch(epoch));
            }
            return;
        }
        // Every message gets a number, also one that is no status line, so that all instances count alike.
        let id = self.next_id();
        if !is_status_channel(channel) {
            return;
        }
        self.metrics.lines.inc();
        let (channel, line): (Arc<str>, _) =
            (channel.into(), Line { id, text: self.limit.apply(message.text()) });
        self.tell_recorder(|| RecorderInput::Line(channel.clone(), line.clone()));
        self.hub.publish(channel, line);
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
        if self.recorder.is_none() {
            self.announce_gap();
        }
        self.lose_count();
        self.has_lost_count
    }

    /// With history in Redis: ignores everything until an epoch starts on a new subscription.
    pub(super) fn lose_count(&mut self) {
        self.has_lost_count = self.recorder.is_some();
    }

    /// With history in memory: lines may have been missed before now.
    pub(super) fn announce_gap(&self) {
        self.hub.announce_gap(self.next_id());
    }

    /// With history in Redis: starts an epoch, from which on every line is received.
    ///
    /// `missed` are the lines between the last one and the epoch, if they are all known. If not, there is a gap, and the
    /// messages that arrived before the epoch, `early`, are published in their place.
    pub(super) fn start_epoch(
        &mut self,
        epoch: u64,
        missed: Option<Vec<(Arc<str>, Line)>>,
        early: &[PubSubMessage],
    ) {
        self.has_lost_count = false;
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
        *self.position.lock() = StreamPosition { latest: start, complete_since: epoch };
        self.tell_recorder(|| RecorderInput::Restart(epoch));
    }

    fn next_id(&self) -> LineId {
        let mut position = self.position.lock();
        position.latest.sequence += 1;
        position.latest
    }

    fn tell_recorder(&self, input: impl FnOnce() -> RecorderInput) {
        if let Some(recorder) = &self.recorder {
            // The recorder ends only with the process.
            let _ = recorder.send(input());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::replay_buffer::Retention;
    use crate::shard::ChannelPolicy;

    const EPOCHS: &str = "epochs";

    #[test]
    fn a_message_that_comes_for_its_channel_and_for_a_pattern_counts_once() {
        let (mut router, mut inputs) = router();
        router.start_epoch(5, None, &[]);
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
        let (sender, inputs) = mpsc::unbounded_channel();
        let (position, limit) = (SharedPosition::default(), LineLimit::new(LineLimit::MIN));
        (LineRouter::new(hub, metrics, Some(sender), position, EPOCHS.into(), limit), inputs)
    }

    #[test]
    fn after_lost_lines_no_later_epoch_is_recorded_until_a_subscription_starts_one() {
        let (mut router, mut inputs) = router();
        router.start_epoch(5, None, &[]);
        router.route(&PubSubMessage::for_test("r:a", "one"));
        assert!(router.on_lag(3));
        router.route(&PubSubMessage::for_test(EPOCHS, "6"));
        router.route(&PubSubMessage::for_test("r:a", "after the lost ones"));
        assert_eq!(router.latest(), LineId { epoch: 5, sequence: 1 });
        router.start_epoch(7, None, &[]);
        router.route(&PubSubMessage::for_test("r:a", "two"));
        router.route(&PubSubMessage::for_test(EPOCHS, "8"));
        let told: Vec<String> = std::iter::from_fn(|| inputs.try_recv().ok())
            .map(|input| match input {
                RecorderInput::Line(_, line) => line.id.to_string(),
                RecorderInput::Epoch(epoch) => format!("epoch {epoch}"),
                RecorderInput::Restart(epoch) => format!("restart {epoch}"),
            })
            .collect();
        assert_eq!(told, ["restart 5", "5-1", "restart 7", "7-1", "epoch 8"]);
    }
}
