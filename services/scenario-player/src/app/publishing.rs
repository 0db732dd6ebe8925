//! The way of an event: reader → player → broker → player → acker, joined by channels. Each lane has a reader and an acker; there is
//! one player.

use std::sync::Arc;

use chassis::Lifecycle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::DropGuard;

use super::parts::{Backend, OwnLane, Shared};
use crate::acker::Acker;
use crate::config::Config;
use crate::lanes::Lanes;
use crate::mqtt::{Ack, MqttConnection, Session};
use crate::player::{PlayedLane, Player};
use crate::reader::LaneReader;
use crate::release_request::ReleaseRequest;
use crate::timeline::Timeline;

/// Pages that a reader may hand over before the player takes them.
const PAGE_QUEUE: usize = 2;
/// Events of all lanes that wait in the player, at least.
const MIN_WAITING: usize = 1_000;

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
    let (requests, release_requests) = mpsc::channel(1);
    let finished = Arc::new(shared.finished.clone().drop_guard());
    let spawn_lane = |own: OwnLane| {
        let timeline = backend.timeline.clone();
        spawn_lane(config, timeline, own, requests.clone(), Arc::clone(&finished), shared, lifecycle)
    };
    let lanes = backend.lanes.into_iter().map(spawn_lane).collect();
    let mqtt = spawn_mqtt(config, shared, lifecycle)?;
    let player = Player {
        messages: config.mqtt.messages(),
        lanes,
        release_requests,
        sessions: mqtt.sessions,
        acks: mqtt.acks,
        woken: Arc::clone(&shared.player),
        metrics: shared.metrics.clone(),
        stopping: shared.stopping.clone(),
    };
    lifecycle.spawn("player", player.run(shared.lanes));
    Ok(())
}

/// Starts the reader and the acker of a lane.
fn spawn_lane(
    config: &Config,
    timeline: Timeline,
    own: OwnLane,
    release_requests: mpsc::Sender<ReleaseRequest>,
    finished: Arc<DropGuard>,
    shared: &Shared,
    lifecycle: &Lifecycle,
) -> PlayedLane {
    let OwnLane { lane, claimed, assignment } = own;
    let (page_sender, pages) = mpsc::channel(PAGE_QUEUE);
    let (settled_sender, settled) = mpsc::unbounded_channel();
    let instance = Arc::clone(&assignment.borrow().instance);
    // Each lane has its share, so that one whose Redis is away cannot use up that of the others.
    let batch_size = usize::from(config.timeline.consume_batch_size);
    let share = |count: usize| (count / shared.lanes.count()).max(1);
    let permits = share(batch_size);
    // Where there are many lanes, each has so few events at a time that nearly every one would be a call. The other half of them can
    // be published meanwhile.
    let min_batch = if shared.lanes == Lanes::ONE { 1 } else { permits.div_ceil(2) };
    let permits = Arc::new(Semaphore::new(permits));

    let reader = LaneReader {
        lane,
        timeline: timeline.clone(),
        clocks: Arc::clone(&shared.clocks),
        claimed: Arc::clone(&claimed),
        instance: Arc::clone(&instance),
        assignment: assignment.clone(),
        work: Arc::clone(&shared.work),
        pages: page_sender,
        player: Arc::clone(&shared.player),
        release_requests,
        stopping: shared.stopping.clone(),
    };
    lifecycle.spawn("reader", reader.run());

    let acker = Acker {
        lane,
        timeline,
        assignment: assignment.clone(),
        claimed,
        settled,
        permits: Arc::clone(&permits),
        min_batch,
        player: Arc::clone(&shared.player),
        metrics: shared.metrics.clone(),
        finished,
    };
    lifecycle.spawn("acker", acker.run());

    PlayedLane {
        lane,
        clocks: Arc::clone(&shared.clocks),
        instance,
        assignment,
        pages,
        max_waiting: share(batch_size.max(MIN_WAITING)),
        settled: settled_sender,
        permits,
    }
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
