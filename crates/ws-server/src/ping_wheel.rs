//! Heartbeats of many clients with one timer per core: a timer wheel whose slots are due one after another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::connection::{Connection, ConnectionState};
use crate::options::Options;
use crate::transport::Transport;

const SLOTS: usize = 64;
/// Pings between two yields to other tasks: some tenths of a millisecond of work.
const PINGS_PER_YIELD: usize = 32;

/// One wheel per core. Together they know all open connections.
pub(crate) struct PingWheels {
    per_core: Vec<PingWheel>,
    /// Counts the connections, which are dealt to the wheels in turn.
    next: AtomicUsize,
}

impl PingWheels {
    pub(crate) fn new(options: &Options) -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        Self { per_core: (0..count).map(|_| PingWheel::new(options)).collect(), next: AtomicUsize::new(0) }
    }

    /// Adds a client that has just connected. Its first ping follows one interval later.
    pub(crate) fn add(&self, connection: &Arc<Connection>) {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % self.per_core.len();
        self.per_core[index].add(connection);
    }

    /// All connections, except those that a wheel is checking at this moment.
    pub(crate) fn connections(&self) -> Vec<Weak<Connection>> {
        self.per_core.iter().flat_map(PingWheel::connections).collect()
    }

    /// Starts one task per wheel. They end when the set is dropped.
    pub(crate) fn spawn(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for index in 0..self.per_core.len() {
            let wheels = self.clone();
            tasks.spawn(async move { wheels.per_core[index].run().await });
        }
        tasks
    }
}

struct PingWheel {
    tick: Duration,
    ping_interval_ms: u64,
    pong_timeout_ms: u64,
    slots: Mutex<Slots>,
}

struct Slots {
    entries: Vec<Vec<Entry>>,
    current: usize,
}

struct Entry {
    connection: Weak<Connection>,
    next_ping_ms: u64,
}

impl PingWheel {
    fn new(options: &Options) -> Self {
        let tick = options.ping_interval.min(options.pong_timeout) / SLOTS as u32;
        Self {
            tick: tick.clamp(Duration::from_millis(10), Duration::from_millis(250)),
            ping_interval_ms: options.ping_interval.as_millis() as u64,
            pong_timeout_ms: options.pong_timeout.as_millis() as u64,
            slots: Mutex::new(Slots { entries: (0..SLOTS).map(|_| Vec::new()).collect(), current: 0 }),
        }
    }

    fn add(&self, connection: &Arc<Connection>) {
        let next_ping_ms = connection.context.now_ms() + self.ping_interval_ms;
        self.schedule(connection, Entry { connection: Arc::downgrade(connection), next_ping_ms });
    }

    fn connections(&self) -> Vec<Weak<Connection>> {
        self.slots.lock().entries.iter().flatten().map(|entry| entry.connection.clone()).collect()
    }

    async fn run(&self) {
        let mut timer = tokio::time::interval(self.tick);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            for (index, entry) in self.take_next_slot().into_iter().enumerate() {
                if index % PINGS_PER_YIELD == PINGS_PER_YIELD - 1 {
                    tokio::task::yield_now().await;
                }
                self.check(entry);
            }
        }
    }

    fn take_next_slot(&self) -> Vec<Entry> {
        let slots = &mut *self.slots.lock();
        slots.current = (slots.current + 1) % SLOTS;
        std::mem::take(&mut slots.entries[slots.current])
    }

    /// Closes a silent client, or pings it if that is due, and schedules the next check.
    fn check(&self, mut entry: Entry) {
        let Some(connection) = entry.connection.upgrade() else { return };
        if connection.state() != ConnectionState::Open {
            // Its own task completes the close.
            return;
        }
        let now = connection.context.now_ms();
        if now >= self.silence_deadline_ms(&connection) {
            connection.close(1008, "silent for too long", "silent");
            return;
        }
        if now >= entry.next_ping_ms {
            connection.ping();
            entry.next_ping_ms = now + self.ping_interval_ms;
        }
        self.schedule(&connection, entry);
    }

    /// When the client has been silent for too long. An event stream's client cannot send anything: such a connection
    /// ends when a write fails.
    fn silence_deadline_ms(&self, connection: &Connection) -> u64 {
        match connection.transport {
            Transport::WebSocket => {
                connection.last_received_ms.load(Ordering::Relaxed) + self.pong_timeout_ms
            }
            Transport::EventStream => u64::MAX,
        }
    }

    fn schedule(&self, connection: &Connection, entry: Entry) {
        let due_ms = entry.next_ping_ms.min(self.silence_deadline_ms(connection));
        let wait_ms = due_ms.saturating_sub(connection.context.now_ms());
        let ticks = wait_ms.div_ceil(self.tick.as_millis() as u64).clamp(1, SLOTS as u64 - 1) as usize;
        let slots = &mut *self.slots.lock();
        slots.entries[(slots.current + ticks) % SLOTS].push(entry);
    }
}
