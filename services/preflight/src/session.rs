//! One open socket: the runs that its client watches.

use std::sync::Arc;

use bytes::Bytes;
use redis_core::id::RunId;
use ws_chassis::{Access, RunAccess};
use ws_server::{Client, Session};

use crate::client_message::ClientMessage;
use crate::hub_handle::{HubHandle, ViewerGuard};
use crate::run_refusal::RunRefusal;
use crate::server_message::{refused, refused_with, subscribed, unsubscribed};
use crate::viewer::ViewerPlace;

/// The socket's side of its viewers.
pub(crate) struct RunsSession {
    hub: HubHandle,
    client: Client,
    access: Access,
    max_runs: usize,
    /// The slot of the run that was added last. The run of the URL has slot 0.
    last_slot: u32,
    /// The viewer of the run of the URL, until that is ended. Most sockets have no other.
    opened: Option<SocketRun>,
    added: Vec<SocketRun>,
    /// There is a clone for each run that waits to be let in, also for those that the client has ended since.
    waiting: Arc<()>,
}

/// A run on a socket, and the right to watch it.
pub(crate) struct SocketRun {
    viewer: ViewerGuard,
    access: RunAccess,
}

impl SocketRun {
    pub(crate) fn new(viewer: ViewerGuard, access: RunAccess) -> Self {
        Self { viewer, access }
    }
}

impl RunsSession {
    /// A socket that was opened for a run.
    pub(crate) fn new(
        hub: HubHandle,
        client: Client,
        access: Access,
        opened: SocketRun,
        max_runs: usize,
    ) -> Self {
        opened.viewer.connect(client.clone());
        Self {
            hub,
            client,
            access,
            max_runs,
            last_slot: 0,
            opened: Some(opened),
            added: Vec::new(),
            waiting: Arc::default(),
        }
    }

    fn subscribe(&mut self, text: &str, token: Option<&str>) {
        let Ok(run) = RunId::parse(text) else {
            return self.tell(&refused_with(text, 4400, "this is no run id"));
        };
        let access = match token {
            Some(token) => self.access.enter_with(token, text),
            None => self.access.enter(text),
        };
        let mut access = match access {
            Ok(access) => access,
            Err(denied) => return self.tell(&refused_with(text, denied.close_code(), denied.reason())),
        };
        self.forget_gone();
        if let Some(watched) = self.opened.iter_mut().chain(&mut self.added).find(|w| *w.viewer.run() == run)
        {
            if token.is_some() {
                access.when_ended(watched.viewer.expiry(self.client.clone()));
                watched.access = access;
            }
            // If it waits, it will be told.
            if let ViewerPlace::Opened(_) | ViewerPlace::Added(_) = watched.viewer.place() {
                self.tell(&subscribed(&run));
            }
            return;
        }
        if self.opened.iter().chain(&self.added).count() >= self.max_runs {
            return self.tell(&refused(text, RunRefusal::SocketFull));
        }
        // Runs that were added and ended before the hub has come to them are not among those.
        if Arc::strong_count(&self.waiting) > 2 * self.max_runs {
            return self.client.close(1008, "too many requests wait");
        }
        self.last_slot = self.last_slot.wrapping_add(1);
        match self.hub.add(run, self.client.clone(), self.last_slot, self.waiting.clone()) {
            Ok(viewer) => {
                access.when_ended(viewer.expiry(self.client.clone()));
                self.added.push(SocketRun::new(viewer, access));
            }
            Err(refusal) => self.tell(&refused(text, refusal)),
        }
    }

    /// Of runs that were refused, or whose token has ended, the client was told.
    fn forget_gone(&mut self) {
        let is_gone = |watched: &SocketRun| watched.viewer.place() == ViewerPlace::Gone;
        self.added.retain(|watched| !is_gone(watched));
        self.opened.take_if(|watched| is_gone(watched));
    }

    fn unsubscribe(&mut self, text: &str) {
        self.forget_gone();
        let is_run = |watched: &SocketRun| watched.viewer.run().as_str() == text;
        let ended = match self.added.iter().position(is_run) {
            Some(index) => Some(self.added.swap_remove(index)),
            None => self.opened.take_if(|opened| is_run(opened)),
        };
        match ended {
            Some(watched) => watched.viewer.leave(self.client.clone()),
            None => self.tell(&unsubscribed(text)),
        }
    }

    fn tell(&self, notice: &Bytes) {
        self.client.send_notice(notice);
    }
}

impl Session for RunsSession {
    fn on_text(&mut self, text: &str) {
        match ClientMessage::parse(text) {
            Some(ClientMessage::Subscribe { run, token }) => self.subscribe(&run, token.as_deref()),
            Some(ClientMessage::Unsubscribe { run }) => self.unsubscribe(&run),
            None => {}
        }
    }
}
