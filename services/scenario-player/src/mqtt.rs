//! MQTT: the connection to the broker.
//!
//! After a loss it connects again, for ever. Each connection has a new client and a new session, so nothing of an earlier
//! session can be sent twice or out of order. What the broker did not acknowledge in a lost session, the player publishes
//! again.

mod event_loop;
mod limits;
mod options;
mod protocol;
mod receive;
mod receiver;
mod session;
mod v4;
mod v5;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Gate;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(crate) use self::event_loop::Answer;
use self::event_loop::{EventLoop, LoopEvent, Lost};
use self::limits::Limits;
pub(crate) use self::receive::receive;
pub(crate) use self::receiver::ReceiveError;
use self::session::Publisher;
pub(crate) use self::session::{Ack, Published, Session};
use crate::config::mqtt::{BrokerConfig, MqttTarget, ProtocolVersion};

/// The task that keeps a connection to the broker.
pub(crate) struct MqttConnection {
    pub(crate) target: Arc<MqttTarget>,
    /// The highest QoS of steps.
    pub(crate) max_qos: u8,
    /// Messages that may be sent and not acknowledged yet.
    pub(crate) max_inflight: u16,
    /// The current session, for the player.
    pub(crate) sessions: watch::Sender<Option<Session>>,
    /// What the broker has answered, for the player.
    pub(crate) acks: mpsc::UnboundedSender<Ack>,
    pub(crate) gate: Gate,
    /// Cancelled when nothing more will be published.
    pub(crate) finished: CancellationToken,
}

/// How a session ended.
struct Ended {
    lost: Lost,
    /// Whether it had begun.
    was_connected: bool,
    /// Whether it was of use: the broker decided about a message, or the connection lasted.
    was_useful: bool,
}

impl MqttConnection {
    /// Connects, and again after every loss, until `finished`.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let broker = match &*self.target {
            MqttTarget::Broker(broker) => broker,
            MqttTarget::Print => {
                let (publish_ids, _) = mpsc::unbounded_channel();
                let limits = Limits::none(self.max_inflight);
                let acks = self.acks.clone();
                let session = Session::new(1, Publisher::Print, limits, None, publish_ids, acks);
                self.on_connected(session);
                self.finished.cancelled().await;
                return Ok(());
            }
        };
        if broker.is_insecure {
            warn!(
                "MQTT_TLS_INSECURE: the broker's certificate is not checked, so anybody in between can read and change \
                 everything, the password too"
            );
        }
        let (mut backoff, mut blame) = (MIN_BACKOFF, None);
        for session_id in 1.. {
            let ended = self.connect(broker, session_id, blame.take()).await;
            self.sessions.send_if_modified(|session| session.take().is_some());
            let Some(Ended { lost, was_connected, was_useful }) = ended else { return Ok(()) };
            backoff = if was_useful { MIN_BACKOFF } else { (backoff * 2).min(MAX_BACKOFF) };
            blame = (was_connected && lost.may_be_a_message).then(|| Arc::from(&*lost.reason));
            self.gate.close(lost.reason);
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.finished.cancelled() => return Ok(()),
            }
        }
        Ok(())
    }

    /// Connects once, and runs the session to its end. Returns how it ended, or `None` if `finished`.
    async fn connect(
        &self,
        broker: &BrokerConfig,
        session_id: u64,
        blame: Option<Arc<str>>,
    ) -> Option<Ended> {
        let (sender, publish_ids) = mpsc::unbounded_channel();
        let limits = Limits::unknown(broker, self.max_inflight);
        let session =
            |publisher| Session::new(session_id, publisher, limits, blame, sender, self.acks.clone());
        match broker.version {
            ProtocolVersion::MQTTv311 => {
                let (publisher, events) = v4::connect(broker, limits);
                self.run_session(session(Publisher::V4(publisher)), events, publish_ids).await
            }
            ProtocolVersion::MQTTv5 => {
                let (publisher, events) = v5::connect(broker, limits);
                self.run_session(session(Publisher::V5(publisher)), events, publish_ids).await
            }
        }
    }

    async fn run_session(
        &self,
        session: Session,
        mut events: impl EventLoop,
        mut publish_ids: mpsc::UnboundedReceiver<u64>,
    ) -> Option<Ended> {
        let (session_id, mut connected_at, mut has_decided) = (session.id(), None, false);
        let mut connecting = Some(session);
        let mut inflight = HashMap::with_capacity(usize::from(self.max_inflight));
        loop {
            let event = tokio::select! {
                event = events.next_event() => event,
                () = self.finished.cancelled() => return None,
            };
            let (publish_id, answer) = match event {
                Ok(LoopEvent::Connected(limits)) => {
                    if let Some(mut session) = connecting.take() {
                        if limits.max_qos < self.max_qos {
                            let max_qos = limits.max_qos;
                            warn!(
                                max_qos,
                                "the broker takes QoS {max_qos} at most, so steps are sent with that"
                            );
                        }
                        session.obey(limits);
                        connected_at = Some(Instant::now());
                        self.on_connected(session);
                    }
                    continue;
                }
                // At QoS 0 there is no acknowledgement, so what is sent counts as acknowledged.
                Ok(LoopEvent::Sent(0)) => (publish_ids.try_recv().ok(), Answer::Accepted),
                Ok(LoopEvent::Sent(packet_id)) => {
                    if let Ok(publish_id) = publish_ids.try_recv() {
                        inflight.insert(packet_id, publish_id);
                    }
                    continue;
                }
                Ok(LoopEvent::Answered(packet_id, answer)) => {
                    has_decided |= !matches!(answer, Answer::Deferred);
                    (inflight.remove(&packet_id), answer)
                }
                Ok(LoopEvent::Other) => continue,
                Err(lost) => {
                    let lasted = connected_at.is_some_and(|at: Instant| at.elapsed() >= LASTING);
                    let was_useful = has_decided || lasted;
                    return Some(Ended { lost, was_connected: connected_at.is_some(), was_useful });
                }
            };
            if let Some(publish_id) = publish_id {
                // This fails only if the player has stopped.
                let _ = self.acks.send(Ack { session_id, publish_id, answer });
            }
        }
    }

    fn on_connected(&self, session: Session) {
        self.sessions.send_replace(Some(session));
        self.gate.open();
    }
}

/// A connection that was there for so long was of use.
const LASTING: Duration = Duration::from_secs(5);
const MIN_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(3);
