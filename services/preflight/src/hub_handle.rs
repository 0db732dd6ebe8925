//! How socket handlers talk to the hub.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use redis_core::id::RunId;
use tokio::sync::{mpsc, oneshot};
use ws_server::Client;

use crate::audience::Entrant;
use crate::run_refusal::RunRefusal;
use crate::server_message::{refused_with, unsubscribed};
use crate::viewer::{Viewer, ViewerPlace};

/// Commands that may wait for the hub before new viewers are refused.
const MAX_WAITING: usize = 65_536;

/// A request to the hub.
pub(crate) enum Command {
    /// Asks to let a viewer in: the run is read first.
    Enter { run: RunId, viewer: Arc<Viewer>, entrant: Entrant },
    /// Connects a viewer whose request was let in.
    Connect { run: RunId, viewer: Arc<Viewer>, client: Client },
    /// Removes the viewer, and then sends this client this notice, if there is one.
    Leave { run: RunId, viewer: Arc<Viewer>, tell: Option<(Client, Bytes)> },
}

/// Sends commands to the hub. Clones share one queue. Each viewer has one, so it is small.
#[derive(Clone)]
pub(crate) struct HubHandle(Arc<CommandSender>);

struct CommandSender {
    commands: mpsc::UnboundedSender<Command>,
    waiting: Arc<AtomicUsize>,
}

/// The queue that the hub reads.
pub(crate) struct Commands {
    queue: mpsc::UnboundedReceiver<Command>,
    waiting: Arc<AtomicUsize>,
}

impl HubHandle {
    /// A handle, and the queue that the hub reads.
    pub(crate) fn new() -> (Self, Commands) {
        let (commands, queue) = mpsc::unbounded_channel();
        let waiting = Arc::<AtomicUsize>::default();
        let sender = CommandSender { commands, waiting: Arc::clone(&waiting) };
        (Self(Arc::new(sender)), Commands { queue, waiting })
    }

    /// Waits until it is known whether the run can be watched. If Redis cannot be asked now, it can.
    ///
    /// # Errors
    /// Says why it cannot be watched.
    pub(crate) async fn enter(&self, run: RunId) -> Result<ViewerGuard, RunRefusal> {
        let (answer, answered) = oneshot::channel();
        let guard = self.ask(run, Entrant::Request(Some(answer)))?;
        // Without an answer the hub has ended: the process ends, and closes all sockets.
        answered.await.unwrap_or(Ok(())).map(|()| guard)
    }

    /// Adds a run to an open socket. What comes of it, the hub tells the client in the socket's `slot`. Until then it keeps
    /// `waiting`.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(crate) fn add(
        &self,
        run: RunId,
        client: Client,
        slot: u32,
        waiting: Arc<()>,
    ) -> Result<ViewerGuard, RunRefusal> {
        self.ask(run, Entrant::Socket { client, slot, _waiting: waiting })
    }

    fn ask(&self, run: RunId, entrant: Entrant) -> Result<ViewerGuard, RunRefusal> {
        // What a viewer asks for later is bounded by what it has entered.
        if self.0.waiting.load(Ordering::Relaxed) > MAX_WAITING {
            return Err(RunRefusal::InstanceFull);
        }
        let viewer = Arc::new(Viewer::default());
        self.send(Command::Enter { run: run.clone(), viewer: Arc::clone(&viewer), entrant });
        Ok(ViewerGuard { hub: self.clone(), run, viewer, tell_on_leave: None })
    }

    fn send(&self, command: Command) {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        // If the hub has ended, the process is ending and closes the client too.
        let _ = self.0.commands.send(command);
    }
}

impl Commands {
    /// The next command. `None` once all handles are dropped. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Command> {
        let command = self.queue.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(command)
    }
}

/// A viewer of a run. It leaves the run when this is dropped.
pub(crate) struct ViewerGuard {
    hub: HubHandle,
    run: RunId,
    viewer: Arc<Viewer>,
    tell_on_leave: Option<(Client, Bytes)>,
}

impl ViewerGuard {
    /// The run.
    pub(crate) fn run(&self) -> &RunId {
        &self.run
    }

    /// Where the hub keeps the viewer.
    pub(crate) fn place(&self) -> ViewerPlace {
        self.viewer.place()
    }

    /// Sends the client the run's current checklist, then each one that differs.
    pub(crate) fn connect(&self, client: Client) {
        let (run, viewer) = (self.run.clone(), Arc::clone(&self.viewer));
        self.hub.send(Command::Connect { run, viewer, client });
    }

    /// Leaves the run. The client is told when nothing of it follows any more.
    pub(crate) fn leave(mut self, client: Client) {
        self.tell_on_leave = Some((client, unsubscribed(self.run.as_str())));
    }

    /// Ends the viewer when the token for its run has ended, and tells the client.
    pub(crate) fn expiry(&self, client: Client) -> impl FnOnce() + Send + 'static {
        let (hub, run, viewer) = (self.hub.clone(), self.run.clone(), Arc::clone(&self.viewer));
        move || {
            let notice = refused_with(run.as_str(), 4401, "the access token has expired");
            hub.send(Command::Leave { run, viewer, tell: Some((client, notice)) });
        }
    }
}

impl Drop for ViewerGuard {
    fn drop(&mut self) {
        let (run, viewer) = (self.run.clone(), Arc::clone(&self.viewer));
        self.hub.send(Command::Leave { run, viewer, tell: self.tell_on_leave.take() });
    }
}
