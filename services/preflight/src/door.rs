//! Where viewers come in and leave.

use std::sync::{Arc, OnceLock};

use redis_core::id::RunId;
use tokio::sync::mpsc;
use ws_server::Client;

/// What handlers tell the hub.
pub(crate) enum Command {
    /// A viewer comes. Its number is written to `seat`.
    Join { run: RunId, client: Client, seat: Arc<OnceLock<usize>> },
    /// It has left.
    Leave { run: RunId, seat: Arc<OnceLock<usize>> },
}

/// The way in. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Door(mpsc::UnboundedSender<Command>);

impl Door {
    /// A door, and what comes through it. It has no bound of its own: there are at most two commands a connection, and
    /// those are bounded.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (sender, commands) = mpsc::unbounded_channel();
        (Self(sender), commands)
    }

    /// The client gets the run's present answer, then each that differs, until the seat is dropped.
    pub(crate) fn join(&self, run: RunId, client: Client) -> Seat {
        let number = Arc::new(OnceLock::new());
        // Without a hub the process is ending, and so is the client.
        let _ = self.0.send(Command::Join { run: run.clone(), client, seat: Arc::clone(&number) });
        Seat { door: self.clone(), run, number }
    }
}

/// A viewer's place, which is free again when this is dropped.
pub(crate) struct Seat {
    door: Door,
    run: RunId,
    number: Arc<OnceLock<usize>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.door.0.send(Command::Leave { run: self.run.clone(), seat: Arc::clone(&self.number) });
    }
}
