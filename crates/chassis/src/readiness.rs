//! Whether this process should get work: every gate open, and no stop under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tracing::{info, warn};

/// The readiness of a process. Cloning shares it.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    draining: bool,
    gates: BTreeMap<&'static str, GateEntry>,
}

struct GateEntry {
    state: GateState,
    /// How often it was open and then closed.
    closings: u64,
}

enum GateState {
    Open,
    /// Open, with something an operator should know.
    Noted(String),
    Closed(String),
}

impl GateState {
    fn is_open(&self) -> bool {
        !matches!(self, Self::Closed(_))
    }
}

/// What `/ready` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// All gates are open; the notes of those that have one.
    Yes(Vec<String>),
    /// The reasons, one per closed gate.
    No(Vec<String>),
    /// The process is stopping: no new work.
    Draining,
}

/// One condition of readiness, owned by whoever knows it. Cloning shares it.
#[derive(Clone)]
pub struct Gate {
    readiness: Readiness,
    name: &'static str,
}

impl Readiness {
    /// Adds a condition, closed at first. `name` begins its reasons.
    pub fn gate(&self, name: &'static str) -> Gate {
        let state = GateState::Closed("starting".to_owned());
        self.lock().gates.insert(name, GateEntry { state, closings: 0 });
        Gate { readiness: self.clone(), name }
    }

    /// What `/ready` says now.
    pub fn now(&self) -> Ready {
        let state = self.lock();
        if state.draining {
            return Ready::Draining;
        }
        let texts = |wanted: fn(&GateState) -> Option<&String>| -> Vec<String> {
            let found = state
                .gates
                .iter()
                .filter_map(|(name, gate)| Some(format!("{name}: {}", wanted(&gate.state)?)));
            found.collect()
        };
        let reasons = texts(|gate| if let GateState::Closed(reason) = gate { Some(reason) } else { None });
        if reasons.is_empty() {
            Ready::Yes(texts(|gate| if let GateState::Noted(note) = gate { Some(note) } else { None }))
        } else {
            Ready::No(reasons)
        }
    }

    /// Each gate's name, whether it is open, and how often it was open and then closed.
    pub(crate) fn gates(&self) -> Vec<(&'static str, bool, u64)> {
        let state = self.lock();
        state.gates.iter().map(|(name, gate)| (*name, gate.state.is_open(), gate.closings)).collect()
    }

    pub(crate) fn drain(&self) {
        self.lock().draining = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Gate {
    /// The condition holds.
    pub fn open(&self) {
        if !matches!(self.replace(GateState::Open), Some(GateState::Open)) {
            info!(gate = self.name, "{} is ready", self.name);
        }
    }

    /// The condition holds, with a restriction that `/ready` shows.
    pub fn note(&self, note: impl Into<String>) {
        let note = note.into();
        let before = self.replace(GateState::Noted(note.clone()));
        if !matches!(before, Some(GateState::Noted(old)) if old == note) {
            warn!(gate = self.name, "{} is ready, but {note}", self.name);
        }
    }

    /// The condition does not hold. Logged when that is new.
    pub fn close(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let before = self.replace(GateState::Closed(reason.clone()));
        if !matches!(before, Some(GateState::Closed(old)) if old == reason) {
            warn!(gate = self.name, "{} is not ready: {reason}", self.name);
        }
    }

    /// Opens and closes as `state` says, until its sender is gone: open, open with a note, or closed with a reason.
    pub async fn follow(self, mut state: watch::Receiver<Result<Option<String>, String>>) {
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                Ok(None) => self.open(),
                Ok(Some(note)) => self.note(note),
                Err(reason) => self.close(reason),
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    }

    fn replace(&self, new: GateState) -> Option<GateState> {
        let mut state = self.readiness.lock();
        let gate = state.gates.get_mut(self.name)?;
        gate.closings += u64::from(gate.state.is_open() && !new.is_open());
        Some(std::mem::replace(&mut gate.state, new))
    }
}

#[cfg(test)]
mod tests;
