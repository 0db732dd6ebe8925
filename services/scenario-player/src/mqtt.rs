//! MQTT: the connection to the broker.
//!
//! After a loss it connects again, for ever. Each connection has a new client and a new session, so nothing of an earlier
//! session can be sent twice or out of order. What the broker did not acknowledge in a lost session, the player publishes
//! again.

mod event_loop;
mod options;
mod payload;
mod protocol;
mod session;
mod v4;
mod v5;

use std::collections::HashMap;
use std::time::Duration;

use chassis::Gate;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::event_loop::{EventLoop, LoopEvent};
pub(crate) use self::payload::payload;
use self::session::Publisher;
pub(crate) use self::session::{Ack, Session};
use crate::config::mqtt::{BrokerConfig, MqttTarget, ProtocolVersion};

/// The task that keeps a connection to the broker.
pub(crate) struct MqttConnection {
    pub(crate) target: MqttTarget,
    /// Messages that may be sent and not acknowledged yet.
    pub(crate) max_inflight: u16,
    /// The current session, for the player.
    pub(crate) sessions: watch::Sender<Option<Session>>,
    /// What the broker has acknowledged, for the player.
    pub(crate) acks: mpsc::UnboundedSender<Ack>,
    pub(crate) gate: Gate,
    /// Cancelled when nothing more will be published.
    pub(crate) finished: CancellationToken,
}

impl MqttConnection {
    /// Connects, and again after every loss, until `finished`.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let broker = match &self.target {
            MqttTarget::Broker(broker) => broker,
            MqttTarget::Print => {
                let (publish_ids, _) = mpsc::unbounded_channel();
                self.on_connected(Session::new(1, Publisher::Print, publish_ids, self.acks.clone()));
                self.finished.cancelled().await;
                return Ok(());
            }
        };
        let mut backoff = MIN_BACKOFF;
        for session_id in 1.. {
            let lost = self.connect(broker, session_id).await;
            let was_connected = self.sessions.send_if_modified(|session| session.take().is_some());
            let Some(reason) = lost else { return Ok(()) };
            self.gate.close(reason);
            backoff = if was_connected { MIN_BACKOFF } else { (backoff * 2).min(MAX_BACKOFF) };
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.finished.cancelled() => return Ok(()),
            }
        }
        Ok(())
    }

    /// Connects once, and runs the session to its end. Returns why it ended, or `None` if `finished`.
    async fn connect(&self, broker: &BrokerConfig, session_id: u64) -> Option<String> {
        let (sender, publish_ids) = mpsc::unbounded_channel();
        let session = |publisher| Session::new(session_id, publisher, sender, self.acks.clone());
        match broker.version {
            ProtocolVersion::MQTTv311 => {
                let (publisher, events) = v4::connect(broker, self.max_inflight);
                self.run_session(session(Publisher::V4(publisher)), events, publish_ids).await
            }
            ProtocolVersion::MQTTv5 => {
                let (publisher, events) = v5::connect(broker, self.max_inflight);
                self.run_session(session(Publisher::V5(publisher)), events, publish_ids).await
            }
        }
    }

    async fn run_session(
        &self,
        session: Session,
        mut events: impl EventLoop,
        mut publish_ids: mpsc::UnboundedReceiver<u64>,
    ) -> Option<String> {
        let session_id = session.id();
        let mut connecting = Some(session);
        let mut inflight = HashMap::with_capacity(usize::from(self.max_inflight));
        loop {
            let event = tokio::select! {
                event = events.next_event() => event,
                () = self.finished.cancelled() => return None,
            };
            let acknowledged = match event {
                Ok(LoopEvent::Connected) => {
                    if let Some(session) = connecting.take() {
                        self.on_connected(session);
                    }
                    continue;
                }
                // At QoS 0 there is no acknowledgement, so what is sent counts as acknowledged.
                Ok(LoopEvent::Sent(0)) => publish_ids.try_recv().ok(),
                Ok(LoopEvent::Sent(packet_id)) => {
                    if let Ok(publish_id) = publish_ids.try_recv() {
                        inflight.insert(packet_id, publish_id);
                    }
                    continue;
                }
                Ok(LoopEvent::Acknowledged(packet_id)) => inflight.remove(&packet_id),
                Ok(LoopEvent::Other) => continue,
                Err(reason) => return Some(reason),
            };
            if let Some(publish_id) = acknowledged {
                // This fails only if the player has stopped.
                let _ = self.acks.send(Ack { session_id, publish_id });
            }
        }
    }

    fn on_connected(&self, session: Session) {
        self.sessions.send_replace(Some(session));
        self.gate.open();
    }
}

const MIN_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(3);
