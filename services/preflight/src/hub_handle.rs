//! How socket handlers talk to the hub.

use std::sync::{Arc, OnceLock};

use redis_core::id::RunId;
use tokio::sync::mpsc;
use ws_server::Client;

/// A request to the hub.
pub(crate) enum Command {
    /// Adds a viewer to a run. The hub writes the viewer's id to `viewer_id`.
    Join { run: RunId, client: Client, viewer_id: Arc<OnceLock<usize>> },
    /// Removes the viewer.
    Leave { run: RunId, viewer_id: Arc<OnceLock<usize>> },
}

/// Sends commands to the hub. Clones share one queue.
#[derive(Clone)]
pub(crate) struct HubHandle(mpsc::UnboundedSender<Command>);

impl HubHandle {
    /// A handle, and the queue that the hub reads. The queue needs no bound of its own: each connection sends
    /// at most two commands, and the number of connections is bounded.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (sender, commands) = mpsc::unbounded_channel();
        (Self(sender), commands)
    }

    /// Sends the client the run's current checklist, then each one that differs, until the guard is dropped.
    pub(crate) fn join(&self, run: RunId, client: Client) -> ViewerGuard {
        let viewer_id = Arc::new(OnceLock::new());
        // If the hub has ended, the process is ending and closes the client too.
        let _ = self.0.send(Command::Join { run: run.clone(), client, viewer_id: Arc::clone(&viewer_id) });
        ViewerGuard { hub: self.clone(), run, viewer_id }
    }
}

/// Removes a viewer from its run when dropped.
pub(crate) struct ViewerGuard {
    hub: HubHandle,
    run: RunId,
    viewer_id: Arc<OnceLock<usize>>,
}

impl Drop for ViewerGuard {
    fn drop(&mut self) {
        let viewer_id = Arc::clone(&self.viewer_id);
        let _ = self.hub.0.send(Command::Leave { run: self.run.clone(), viewer_id });
    }
}
