//! One open socket: the runs that its client watches.

use bytes::Bytes;
use redis_core::id::RunId;
use ws_chassis::Access;
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
    opened: Option<ViewerGuard>,
    added: Vec<ViewerGuard>,
}

impl RunsSession {
    /// A socket that was opened for a run.
    pub(crate) fn new(
        hub: HubHandle,
        client: Client,
        access: Access,
        opened: ViewerGuard,
        max_runs: usize,
    ) -> Self {
        opened.connect(client.clone());
        Self { hub, client, access, max_runs, last_slot: 0, opened: Some(opened), added: Vec::new() }
    }

    fn subscribe(&mut self, text: &str, token: Option<&str>) {
        let Ok(run) = RunId::parse(text) else {
            return self.tell(&refused_with(text, 4400, "this is no run id"));
        };
        let allowed = match token {
            Some(_) => self.access.check_token(token, text),
            None => self.access.check(text),
        };
        if let Err(denied) = allowed {
            return self.tell(&refused_with(text, denied.close_code(), denied.reason()));
        }
        self.added.retain(|viewer| viewer.place() != ViewerPlace::Gone);
        match self.viewers().find(|viewer| *viewer.run() == run).map(ViewerGuard::place) {
            Some(ViewerPlace::Opened(_) | ViewerPlace::Added(_)) => return self.tell(&subscribed(&run)),
            // It will be told.
            Some(_) => return,
            None => {}
        }
        if self.viewers().count() >= self.max_runs {
            return self.tell(&refused(text, RunRefusal::SocketFull));
        }
        self.last_slot = self.last_slot.wrapping_add(1);
        match self.hub.add(run, self.client.clone(), self.last_slot) {
            Ok(viewer) => self.added.push(viewer),
            Err(refusal) => self.tell(&refused(text, refusal)),
        }
    }

    fn unsubscribe(&mut self, text: &str) {
        let is_run = |viewer: &ViewerGuard| viewer.run().as_str() == text;
        let ended = match self.added.iter().position(is_run) {
            Some(index) => Some(self.added.swap_remove(index)),
            None => self.opened.take_if(|opened| is_run(opened)),
        };
        match ended {
            Some(viewer) => viewer.leave(self.client.clone()),
            None => self.tell(&unsubscribed(text)),
        }
    }

    fn viewers(&self) -> impl Iterator<Item = &ViewerGuard> {
        self.opened.iter().chain(&self.added)
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
