//! The timeline and the stored scenarios, in memory or in Redis: the same operations on either.

use std::sync::Arc;

use fred::bytes_utils::Str;
use redis_core::id::CustomerId;
use tokio::sync::broadcast;

use crate::event::Event;
use crate::memory::Memory;
use crate::playback::Playback;
use crate::scenario::Step;
use crate::store::Store;
use crate::time::Micros;

/// Where scenarios and steps to come are kept. Cloning shares it.
#[derive(Clone)]
pub(crate) enum Timeline {
    /// In this process.
    Memory(Arc<Memory>),
    /// In Redis, shared by all instances.
    Redis(Arc<Store>),
}

/// A stored scenario.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Its steps as they were given.
    pub(crate) steps: Vec<Step>,
    /// How it is being played.
    pub(crate) playback: Playback,
}

/// A stored scenario without its steps.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    /// Number of its steps.
    pub(crate) steps: usize,
    /// How it is being played.
    pub(crate) playback: Playback,
}

/// Steps to store and to put on the timeline.
pub(crate) struct Post {
    /// Whose.
    pub(crate) customer: Arc<CustomerId>,
    /// Steps to store.
    pub(crate) steps: Vec<Step>,
    /// True: they replace what is stored. False: they are appended to it.
    pub(crate) replaces: bool,
    /// The playback of all that is stored afterwards.
    pub(crate) playback: Playback,
    /// The steps as events, in the order they were given.
    pub(crate) events: Vec<Event>,
}

/// A change of a playback, from what it was when it was read.
pub(crate) struct Swap {
    /// Whose.
    pub(crate) customer: Arc<CustomerId>,
    /// As it was read.
    pub(crate) old: Playback,
    /// As it shall be; `None` deletes the scenario.
    pub(crate) new: Option<Playback>,
    /// Events to take off the timeline.
    pub(crate) remove: Vec<Event>,
    /// Events to put there.
    pub(crate) add: Vec<Event>,
}

/// What to read of the timeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Events due from this time on (ms).
    pub(crate) from_ms: i64,
    /// And no later than this (ms).
    pub(crate) until_ms: i64,
    /// At most so many.
    pub(crate) limit: usize,
    /// Where the timeline starts (ms).
    pub(crate) start_ms: i64,
}

/// Events that are due soon, read but still on the timeline.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The time of whoever keeps the timeline, in milliseconds.
    pub(crate) now_ms: f64,
    /// Counts the times that steps were put on the timeline or moved: a reader that sees it change begins again.
    pub(crate) changes: u64,
    /// In the order they are due.
    pub(crate) claimed: Vec<Claimed>,
    /// When the first of all since the start was or is due, whoever plays it.
    pub(crate) first_due_ms: Option<i64>,
    /// True if there may be more within what was asked for.
    pub(crate) full: bool,
    /// When the first after what was asked for is due.
    pub(crate) next_due_ms: Option<i64>,
}

/// An event that this instance will publish.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    /// When it is due, in milliseconds.
    pub(crate) due_ms: i64,
    /// The lane of its customer.
    pub(crate) lane: usize,
    /// The event.
    pub(crate) event: Event,
    /// How it stands on the timeline in Redis; empty in memory.
    pub(crate) member: Str,
}

/// Something changed. A hint: it may be lost, so what it tells is also found by looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Steps came.
    Posted,
    /// Steps were taken away or moved: what was read ahead is not to be trusted.
    Reset,
    /// Lanes were given up or are to be shared anew.
    Lanes,
}

/// Redis could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the timeline's redis does not answer: {0}")]
pub(crate) struct Unavailable(pub String);

macro_rules! either {
    ($self:ident, $backend:ident => $call:expr, $redis:ident => $redis_call:expr) => {
        match $self {
            Timeline::Memory($backend) => Ok($call),
            Timeline::Redis($redis) => $redis_call,
        }
    };
}

impl Timeline {
    /// The number of the next post: each is given once.
    ///
    /// # Errors
    /// [`Unavailable`], as all that follow.
    pub(crate) async fn next_post(&self) -> Result<u32, Unavailable> {
        either!(self, memory => memory.next_post(), store => store.next_post().await)
    }

    /// Stores steps and puts them on the timeline.
    pub(crate) async fn post(&self, post: Post) -> Result<(), Unavailable> {
        either!(self, memory => memory.post(post), store => store.post(post).await)
    }

    /// The stored scenario of a customer.
    pub(crate) async fn load(&self, customer: &CustomerId) -> Result<Option<Stored>, Unavailable> {
        either!(self, memory => memory.load(customer), store => store.load(customer).await)
    }

    /// How many steps are stored of a customer, and how they are being played.
    pub(crate) async fn summary(&self, customer: &CustomerId) -> Result<Option<Summary>, Unavailable> {
        either!(self, memory => memory.summary(customer), store => store.summary(customer).await)
    }

    /// The customers that have a stored scenario.
    pub(crate) async fn customers(&self) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        either!(self, memory => memory.customers(), store => store.customers().await)
    }

    /// Changes a playback; false if somebody else did so first, and nothing happened.
    pub(crate) async fn swap(&self, swap: Swap) -> Result<bool, Unavailable> {
        either!(self, memory => memory.swap(swap), store => store.swap(swap).await)
    }

    /// The customers whose round of a loop ends by `until`.
    pub(crate) async fn rounds_ending(&self, until: Micros) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        either!(self, memory => memory.rounds_ending(until), store => store.rounds_ending(until).await)
    }

    /// The next events, overdue ones first.
    pub(crate) async fn upcoming(&self, limit: usize) -> Result<Vec<Event>, Unavailable> {
        either!(self, memory => memory.upcoming(limit), store => store.upcoming(limit).await)
    }

    /// What is due soon; it stays on the timeline.
    pub(crate) async fn read(&self, look: Look) -> Result<Page, Unavailable> {
        either!(self, memory => memory.read(look), store => store.read(look).await)
    }

    /// Takes published events off the timeline. False if `instance` has lost its lease, and nothing happened.
    pub(crate) async fn ack(&self, instance: &str, claimed: &[Claimed]) -> Result<bool, Unavailable> {
        either!(self, memory => memory.ack(claimed), store => store.ack(instance, claimed).await)
    }

    /// Hints of changes from now on.
    pub(crate) fn hints(&self) -> broadcast::Receiver<Hint> {
        match self {
            Timeline::Memory(memory) => memory.hints(),
            Timeline::Redis(store) => store.hints(),
        }
    }

    /// Events as they have been published, by any instance, from now on.
    pub(crate) fn published(&self) -> broadcast::Receiver<Event> {
        match self {
            Timeline::Memory(memory) => memory.published(),
            Timeline::Redis(store) => store.published(),
        }
    }
}

/// Hints and published events that a slow receiver may fall behind before it is told that it missed some.
pub(crate) const BROADCAST_CAPACITY: usize = 16_384;
