//! The events in this instance's hands, and which lanes it takes them of.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::Event;
use crate::lanes::LANES;
use crate::timeline::Claimed;

/// The events in this instance's hands: read, and not yet off the timeline.
#[derive(Default)]
pub(crate) struct Holdings {
    held: Mutex<Held>,
    /// A lane that is to be given up has become empty.
    pub(crate) emptied: Notify,
}

struct Held {
    /// What is in hand, and what `released` names.
    events: HashSet<Event>,
    by_lane: [usize; LANES],
    /// Lanes of which events are taken into hand: our own, without those that are to be given up.
    open: [bool; LANES],
    leaving: Vec<usize>,
    /// What was released since the present look at the timeline began, which may still have seen it there.
    released: Vec<Event>,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            events: HashSet::new(),
            by_lane: [0; LANES],
            open: [false; LANES],
            leaving: Vec::new(),
            released: Vec::new(),
        }
    }
}

impl Held {
    fn is_empty(&self) -> bool {
        self.events.len() == self.released.len()
    }
}

impl Holdings {
    /// Holdings of an instance that has every lane: the memory backend.
    pub(crate) fn of_all_lanes() -> Self {
        let holdings = Self::default();
        holdings.lock().open = [true; LANES];
        holdings
    }

    /// A look at the timeline begins: it sees nothing that has been acknowledged by now.
    pub(crate) fn look(&self) {
        let held = &mut *self.lock();
        for event in held.released.drain(..) {
            held.events.remove(&event);
        }
    }

    /// Takes events into hand; leaves out those that are or were there already, or are of a lane that is not ours.
    pub(crate) fn take(&self, mut claimed: Vec<Claimed>) -> Vec<Claimed> {
        let held = &mut *self.lock();
        claimed.retain(|claimed| {
            let taken = held.open[claimed.lane] && held.events.insert(claimed.event.clone());
            held.by_lane[claimed.lane] += usize::from(taken);
            taken
        });
        claimed
    }

    /// Lets events go that were taken.
    pub(crate) fn release<'a>(&self, claimed: impl IntoIterator<Item = &'a Claimed>) {
        let mut held = self.lock();
        for claimed in claimed {
            held.by_lane[claimed.lane] -= 1;
            held.released.push(claimed.event.clone());
        }
        if held.leaving.iter().any(|lane| held.by_lane[*lane] == 0) {
            self.emptied.notify_one();
        }
    }

    /// Takes nothing more, if nothing is in hand.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut held = self.lock();
        let empty = held.is_empty();
        if empty {
            held.open = [false; LANES];
        }
        empty
    }

    /// True if nothing is in hand.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes events of these lanes from now on, and no more of those that are to be given up; which of the latter are
    /// empty already. One step: between them no event can slip into a lane that is about to be another's.
    pub(crate) fn reopen(&self, open: [bool; LANES], leaving: &[usize]) -> Vec<usize> {
        let mut held = self.lock();
        held.open = open;
        held.leaving = leaving.to_vec();
        leaving.iter().copied().filter(|lane| held.by_lane[*lane] == 0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
