//! MQTT: one connection to the broker, made again for ever, and an order in which it acknowledges.
//!
//! Each connection is a new session with a client of its own, so nothing of an old one is left to be sent twice or out of
//! order: what a lost session did not acknowledge, the player publishes again.

mod v4;
mod v5;
mod version;

use std::collections::HashMap;
use std::time::Duration;

use chassis::Gate;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{Mqtt, Protocol};

/// A standing connection to the broker, or standard output.
#[derive(Clone)]
pub(crate) struct Session {
    /// Counts the sessions of this process.
    pub(crate) id: u64,
    publisher: Publisher,
    order: mpsc::UnboundedSender<u64>,
    acks: mpsc::UnboundedSender<Ack>,
}

#[derive(Clone)]
enum Publisher {
    V4(v4::Publisher),
    V5(v5::Publisher),
    Print,
}

/// The broker has an event: the ticket it was published with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ack {
    /// The session it was published in.
    pub(crate) session: u64,
    /// The ticket.
    pub(crate) ticket: u64,
}

/// What happened on a connection.
enum Step {
    Connected,
    /// A publish went out under this packet id (0 at QoS 0).
    Sent(u16),
    /// The broker has the publish of this packet id.
    Done(u16),
    Other,
}

/// One version's event loop.
trait EventLoop {
    async fn step(&mut self) -> Result<Step, String>;
}

impl Session {
    /// Hands a message over; it goes out in the order of these calls. False if the session is over.
    pub(crate) fn publish(&self, ticket: u64, topic: &str, payload: String) -> bool {
        match &self.publisher {
            Publisher::Print => {
                println!("{topic} {payload}");
                self.acks.send(Ack { session: self.id, ticket }).is_ok()
            }
            // The ticket first: the event loop looks for it when the message goes out.
            Publisher::V4(publisher) => self.order.send(ticket).is_ok() && publisher.publish(topic, payload),
            Publisher::V5(publisher) => self.order.send(ticket).is_ok() && publisher.publish(topic, payload),
        }
    }
}

/// Keeps a session with the broker.
pub(crate) struct Link {
    pub(crate) config: Mqtt,
    /// Messages that may be handed over and not yet acknowledged.
    pub(crate) window: u16,
    pub(crate) sessions: watch::Sender<Option<Session>>,
    pub(crate) acks: mpsc::UnboundedSender<Ack>,
    pub(crate) gate: Gate,
    /// Cancelled when nothing more will be published.
    pub(crate) finished: CancellationToken,
}

impl Link {
    /// Connects, and again after every loss, until finished.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut backoff = BACKOFF_MIN;
        for id in 1.. {
            let (order, tickets) = mpsc::unbounded_channel();
            let session = |publisher| Session { id, publisher, order, acks: self.acks.clone() };
            let lost = match &self.config {
                Mqtt::Print => {
                    self.stands(session(Publisher::Print));
                    self.finished.cancelled().await;
                    return Ok(());
                }
                Mqtt::Broker(broker) => match broker.protocol {
                    Protocol::MQTTv311 => {
                        let (publisher, events) = v4::open(broker, self.window);
                        self.serve(session(Publisher::V4(publisher)), events, tickets).await
                    }
                    Protocol::MQTTv5 => {
                        let (publisher, events) = v5::open(broker, self.window);
                        self.serve(session(Publisher::V5(publisher)), events, tickets).await
                    }
                },
            };
            let stood = self.sessions.send_if_modified(|session| session.take().is_some());
            let Some(reason) = lost else { return Ok(()) };
            self.gate.close(reason);
            backoff = if stood { BACKOFF_MIN } else { (backoff * 2).min(BACKOFF_MAX) };
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.finished.cancelled() => return Ok(()),
            }
        }
        Ok(())
    }

    /// Serves one session to its end: the reason, or `None` when finished.
    async fn serve(
        &self,
        session: Session,
        mut events: impl EventLoop,
        mut tickets: mpsc::UnboundedReceiver<u64>,
    ) -> Option<String> {
        let id = session.id;
        let mut waiting = Some(session);
        let mut in_flight = HashMap::with_capacity(usize::from(self.window));
        loop {
            let step = tokio::select! {
                step = events.step() => step,
                () = self.finished.cancelled() => return None,
            };
            let done = match step {
                Ok(Step::Connected) => {
                    if let Some(session) = waiting.take() {
                        self.stands(session);
                    }
                    continue;
                }
                Ok(Step::Sent(0)) => tickets.try_recv().ok(),
                Ok(Step::Sent(packet)) => {
                    if let Ok(ticket) = tickets.try_recv() {
                        in_flight.insert(packet, ticket);
                    }
                    continue;
                }
                Ok(Step::Done(packet)) => in_flight.remove(&packet),
                Ok(Step::Other) => continue,
                Err(reason) => return Some(reason),
            };
            if let Some(ticket) = done {
                // The player lives longer than the session, or is being stopped.
                let _ = self.acks.send(Ack { session: id, ticket });
            }
        }
    }

    fn stands(&self, session: Session) {
        self.sessions.send_replace(Some(session));
        self.gate.open();
    }
}

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// A broker that falls silent is given up after at most twice this.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
