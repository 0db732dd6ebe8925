//! Whether a connection works, put together from what several watchers found.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// `Ok` while every connection of a client is there and Redis does what the service needs, possibly with a note for the
/// operator; otherwise the reason why not, in words.
pub type State = Result<Option<String>, String>;

/// Publishes a state. Its receivers wake only if it is another one.
pub fn publish_state(sender: &watch::Sender<State>, state: State) {
    sender.send_if_modified(|old| {
        let is_new = *old != state;
        *old = state;
        is_new
    });
}

/// The state of a client that was just started.
pub(crate) fn starting() -> State {
    Err("not connected yet".to_owned())
}

/// The first of these that is an error; if none is, the first that has a note.
pub(crate) fn first_problem<'a>(states: impl Iterator<Item = &'a State> + Clone) -> State {
    let problem = states.clone().find(|state| state.is_err());
    let note = || states.clone().find(|state| matches!(state, Ok(Some(_))));
    problem.or_else(note).cloned().unwrap_or(Ok(None))
}

/// The state of what has a connection to each shard: the first problem, with the name of its shard if there are several.
pub fn state_of_shards<N: Display>(shards: impl ExactSizeIterator<Item = (N, State)>) -> State {
    let count = shards.len();
    if count == 0 {
        return starting();
    }
    for (name, state) in shards {
        if let Err(reason) = state {
            return Err(if count > 1 { format!("shard of {name}: {reason}") } else { reason });
        }
    }
    Ok(None)
}

/// What a watcher looks at. The first one in this order that is not `Ok` decides the [`State`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The connection with this number.
    Connection(usize),
    /// Whether it is one Redis or a Cluster, as the settings say.
    Mode,
    /// Whether Redis answers on the connection with this number, and would write.
    Ping(usize),
    /// Whether Redis would run what the service [needs](crate::Needs).
    Needs,
    /// Whether Redis may evict keys.
    Eviction,
}

/// Collects findings and publishes the [`State`]. Cloning shares it.
#[derive(Clone)]
pub(crate) struct StateBoard {
    findings: Arc<Mutex<BTreeMap<Source, State>>>,
    sender: Arc<watch::Sender<State>>,
    trouble: Arc<Notify>,
}

impl StateBoard {
    /// A board for this many connections, none of which is there yet.
    pub(crate) fn new(connections: usize) -> (Self, watch::Receiver<State>) {
        let (sender, receiver) = watch::channel(starting());
        let findings = (0..connections).map(|number| (Source::Connection(number), starting()));
        let findings = Arc::new(Mutex::new(findings.collect()));
        (Self { findings, sender: Arc::new(sender), trouble: Arc::default() }, receiver)
    }

    /// Notes what a watcher found.
    pub(crate) fn set(&self, source: Source, finding: State) {
        let mut findings = self.findings.lock();
        findings.insert(source, finding);
        publish_state(&self.sender, first_problem(findings.values()));
    }

    /// Tells those who wait for [`StateBoard::trouble`] to look at their connections now.
    pub(crate) fn report_trouble(&self) {
        self.trouble.notify_waiters();
    }

    /// Waits until the check finds that Redis refuses work, which other connections may not know yet.
    pub(crate) async fn trouble(&self) {
        self.trouble.notified().await;
    }

    /// Whether nobody looks at the state any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_comes_before_a_refusal_and_a_refusal_before_a_note() {
        let (board, state) = StateBoard::new(1);
        assert!(state.borrow().is_err());
        board.set(Source::Eviction, Ok(Some("may evict".to_owned())));
        board.set(Source::Needs, Err("refused".to_owned()));
        board.set(Source::Connection(0), Err("gone".to_owned()));
        assert_eq!(*state.borrow(), Err("gone".to_owned()));
        board.set(Source::Connection(0), Ok(None));
        assert_eq!(*state.borrow(), Err("refused".to_owned()));
        board.set(Source::Needs, Ok(None));
        assert_eq!(*state.borrow(), Ok(Some("may evict".to_owned())));
        board.set(Source::Eviction, Ok(None));
        assert_eq!(*state.borrow(), Ok(None));
    }
}
