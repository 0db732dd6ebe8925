//! Heartbeats: one timer for many clients. A wheel of slots turns once an interval; a client's beat and its
//! silence are looked at when its slot comes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::MissedTickBehavior;

use crate::client::{Connection, Phase, Transport};
use crate::options::Options;

const SLOTS: usize = 64;
/// Beats sent before others get a turn: some tenths of a millisecond's work.
const BEATS_AT_ONCE: usize = 32;

pub(crate) struct Heart {
    tick: Duration,
    ping_interval_ms: u64,
    pong_timeout_ms: u64,
    wheel: Mutex<Wheel>,
}

struct Wheel {
    slots: Vec<Vec<Entry>>,
    current: usize,
}

struct Entry {
    connection: Weak<Connection>,
    beat_at_ms: u64,
}

impl Heart {
    pub(crate) fn new(options: &Options) -> Self {
        let tick = options.ping_interval.min(options.pong_timeout) / SLOTS as u32;
        Self {
            tick: tick.clamp(Duration::from_millis(10), Duration::from_millis(250)),
            ping_interval_ms: options.ping_interval.as_millis() as u64,
            pong_timeout_ms: options.pong_timeout.as_millis() as u64,
            wheel: Mutex::new(Wheel { slots: (0..SLOTS).map(|_| Vec::new()).collect(), current: 0 }),
        }
    }

    /// Takes on a client that has just connected: its first beat comes a whole interval later.
    pub(crate) fn add(&self, connection: &Arc<Connection>) {
        let beat_at_ms = connection.shared.now_ms() + self.ping_interval_ms;
        self.put(connection, Entry { connection: Arc::downgrade(connection), beat_at_ms });
    }

    /// All clients that are not just being looked at.
    pub(crate) fn connections(&self) -> Vec<Weak<Connection>> {
        self.wheel.lock().slots.iter().flatten().map(|entry| entry.connection.clone()).collect()
    }

    /// Turns the wheel, for ever.
    pub(crate) async fn run(&self) {
        let mut timer = tokio::time::interval(self.tick);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let due = {
                let mut wheel = self.wheel.lock();
                wheel.current = (wheel.current + 1) % SLOTS;
                let current = wheel.current;
                std::mem::take(&mut wheel.slots[current])
            };
            for (index, entry) in due.into_iter().enumerate() {
                if index % BEATS_AT_ONCE == BEATS_AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
                self.look_at(entry);
            }
        }
    }

    fn look_at(&self, mut entry: Entry) {
        let Some(connection) = entry.connection.upgrade() else { return };
        if connection.phase() != Phase::Open {
            // Its own task sees to the rest.
            return;
        }
        let now = connection.shared.now_ms();
        if now >= self.silent_at(&connection) {
            connection.close(1008, "silent for too long", "silent");
            return;
        }
        if now >= entry.beat_at_ms {
            connection.beat();
            entry.beat_at_ms = now + self.ping_interval_ms;
        }
        self.put(&connection, entry);
    }

    /// When the client has been silent for too long. Event streams cannot speak: a write that fails ends them.
    fn silent_at(&self, connection: &Connection) -> u64 {
        match connection.transport {
            Transport::WebSocket => connection.last_heard.load(Ordering::Relaxed) + self.pong_timeout_ms,
            Transport::EventStream => u64::MAX,
        }
    }

    fn put(&self, connection: &Connection, entry: Entry) {
        let due = entry.beat_at_ms.min(self.silent_at(connection));
        let wait = due.saturating_sub(connection.shared.now_ms());
        let ticks = wait.div_ceil(self.tick.as_millis() as u64).clamp(1, SLOTS as u64 - 1) as usize;
        let mut wheel = self.wheel.lock();
        let slot = (wheel.current + ticks) % SLOTS;
        wheel.slots[slot].push(entry);
    }
}
