//! A socket's requests to watch other channels. Each waits for Redis, so a task of the socket takes them one after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use ws_server::{Client, Session};

use crate::client_message::ClientMessage;
use crate::socket_runs::{RunEnded, SocketRuns};

/// Bytes of requests that may wait when another one arrives.
const MAX_WAITING: usize = 64 * 1024;

/// What is kept for a socket.
pub(crate) struct ViewerSession {
    client: Client,
    /// Until the first request. Most sockets never send one, and need no task.
    idle: Option<Box<SocketRuns>>,
    task: Option<RequestTask>,
}

struct RequestTask {
    /// As they were sent: what they take in memory is bounded by `waiting`.
    requests: mpsc::UnboundedSender<String>,
    waiting: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl ViewerSession {
    pub(crate) fn new(client: Client, runs: SocketRuns) -> Self {
        Self { client, idle: Some(Box::new(runs)), task: None }
    }
}

impl Session for ViewerSession {
    fn on_text(&mut self, text: &str) {
        if !ClientMessage::may_be(text) {
            return;
        }
        if let Some(runs) = self.idle.take() {
            self.task = Some(RequestTask::start(runs));
        }
        let Some(task) = &self.task else { return };
        if task.waiting.fetch_add(text.len(), Ordering::Relaxed) > MAX_WAITING {
            self.client.close(1008, "too many requests wait");
            return;
        }
        // The task ends only with this.
        let _ = task.requests.send(text.to_owned());
    }
}

impl RequestTask {
    fn start(mut runs: Box<SocketRuns>) -> Self {
        let (requests, mut received) = mpsc::unbounded_channel::<String>();
        let (ended, mut ends) = mpsc::unbounded_channel::<RunEnded>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let still_waiting = waiting.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    // First, so that no number of requests prolongs the access to a run.
                    Some(end) = ends.recv() => runs.end(&end),
                    request = received.recv() => {
                        let Some(text) = request else { return };
                        if let Some(message) = ClientMessage::parse(&text) {
                            runs.apply(message, &ended).await;
                        }
                        still_waiting.fetch_sub(text.len(), Ordering::Relaxed);
                    }
                }
            }
        });
        Self { requests, waiting, _task: AbortOnDropHandle::new(task) }
    }
}
