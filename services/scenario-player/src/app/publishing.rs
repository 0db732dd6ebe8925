//! The way of an event: reader → player → broker → player → acker. One task each, joined by channels.

use std::sync::Arc;

use chassis::Lifecycle;
use tokio::sync::{Semaphore, mpsc, watch};

use super::parts::{Backend, Shared};
use crate::acker::Acker;
use crate::assignment::Assignment;
use crate::config::Config;
use crate::mqtt::{Ack, MqttConnection, Session};
use crate::player::Player;
use crate::range::ClaimedEvent;
use crate::reader::TimelineReader;
use crate::release_request::ReleaseRequest;
use crate::settled::Settled;

/// Pages that the reader may hand over before the player takes them.
const PAGE_QUEUE: usize = 2;

/// What the player gets from the reader.
struct ReaderOutput {
    instance: Arc<str>,
    pages: mpsc::Receiver<Vec<ClaimedEvent>>,
    release_requests: mpsc::Receiver<ReleaseRequest>,
}

/// What the player gets from the connection to the broker.
struct MqttOutput {
    sessions: watch::Receiver<Option<Session>>,
    acks: mpsc::UnboundedReceiver<Ack>,
}

/// Starts all tasks between the timeline and the broker.
///
/// # Errors
/// When a file of TLS cannot be used any more.
pub(super) fn spawn(
    config: &Config,
    backend: Backend,
    shared: &Shared,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let (timeline, claimed) = (backend.timeline.clone(), Arc::clone(&backend.claimed));
    let assignment = backend.assignment.clone();
    let permits = Arc::new(Semaphore::new(usize::from(config.timeline.consume_batch_size)));

    let reader = spawn_reader(backend, shared, lifecycle);
    let mqtt = spawn_mqtt(config, shared, lifecycle)?;
    let settled =
        spawn_player(config, reader, mqtt, assignment.clone(), Arc::clone(&permits), shared, lifecycle);
    let acker = Acker {
        timeline,
        assignment,
        claimed,
        settled,
        permits,
        metrics: shared.metrics.clone(),
        finished: shared.finished.clone(),
    };
    lifecycle.spawn("acker", acker.run());
    Ok(())
}

fn spawn_reader(backend: Backend, shared: &Shared, lifecycle: &Lifecycle) -> ReaderOutput {
    let (page_sender, pages) = mpsc::channel(PAGE_QUEUE);
    let (request_sender, release_requests) = mpsc::channel(1);
    let instance = Arc::clone(&backend.assignment.borrow().instance);
    let reader = TimelineReader {
        timeline: backend.timeline,
        clock: Arc::clone(&shared.clock),
        claimed: backend.claimed,
        instance: Arc::clone(&instance),
        assignment: backend.assignment,
        has_work: backend.has_work,
        pages: page_sender,
        release_requests: request_sender,
        stopping: shared.stopping.clone(),
    };
    lifecycle.spawn("reader", reader.run());
    ReaderOutput { instance, pages, release_requests }
}

fn spawn_mqtt(config: &Config, shared: &Shared, lifecycle: &Lifecycle) -> anyhow::Result<MqttOutput> {
    let (session_sender, sessions) = watch::channel(None);
    let (ack_sender, acks) = mpsc::unbounded_channel();
    let connection = MqttConnection {
        target: config.mqtt.target()?,
        max_qos: config.mqtt.messages().max_qos(),
        max_inflight: config.timeline.consume_batch_size,
        sessions: session_sender,
        acks: ack_sender,
        gate: lifecycle.readiness().gate("mqtt"),
        finished: shared.finished.clone(),
    };
    lifecycle.spawn("mqtt", connection.run());
    Ok(MqttOutput { sessions, acks })
}

/// Returns the events that the broker has decided about.
fn spawn_player(
    config: &Config,
    reader: ReaderOutput,
    mqtt: MqttOutput,
    assignment: watch::Receiver<Assignment>,
    permits: Arc<Semaphore>,
    shared: &Shared,
    lifecycle: &Lifecycle,
) -> mpsc::UnboundedReceiver<Settled> {
    let (settled_sender, settled) = mpsc::unbounded_channel();
    let player = Player {
        messages: config.mqtt.messages(),
        clock: Arc::clone(&shared.clock),
        instance: reader.instance,
        assignment,
        pages: reader.pages,
        release_requests: reader.release_requests,
        sessions: mqtt.sessions,
        acks: mqtt.acks,
        settled: settled_sender,
        permits,
        max_unacknowledged: usize::from(config.timeline.consume_batch_size),
        metrics: shared.metrics.clone(),
        stopping: shared.stopping.clone(),
    };
    lifecycle.spawn("player", player.run());
    settled
}
