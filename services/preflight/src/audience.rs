//! The viewers of one run, and those who wait to be let in.

use std::sync::Arc;

use bytes::Bytes;
use redis_core::id::RunId;
use slab::Slab;
use tokio::sync::oneshot;
use ws_server::{Client, Recipients};

use crate::latest_checklist::LatestChecklist;
use crate::run_refusal::RunRefusal;
use crate::server_message::{refused, subscribed};
use crate::viewer::{Viewer, ViewerPlace};

/// Who wants to watch a run.
pub(crate) enum Entrant {
    /// A request. Its socket is opened after the answer; `None` once it has one.
    Request(Option<oneshot::Sender<Result<(), RunRefusal>>>),
    /// An open socket, of which the run gets this slot.
    Socket {
        client: Client,
        slot: u32,
        /// Held for its drop: the socket counts those that wait.
        _waiting: Arc<()>,
    },
}

/// The viewers of one run.
#[derive(Default)]
pub(crate) struct Audience {
    entrants: Slab<(Arc<Viewer>, Entrant)>,
    opened: Recipients,
    added: Slab<AddedViewer>,
}

/// A viewer that has added the run to its socket.
struct AddedViewer {
    viewer: Arc<Viewer>,
    client: Client,
    slot: u32,
}

impl Audience {
    /// Whether nobody watches or waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.entrants.is_empty() && !self.has_viewers()
    }

    /// Whether somebody watches.
    pub(crate) fn has_viewers(&self) -> bool {
        !self.opened.is_empty() || !self.added.is_empty()
    }

    /// Somebody waits until [`admit`](Self::admit) or [`refuse_entrants`](Self::refuse_entrants) is called.
    pub(crate) fn enter(&mut self, viewer: Arc<Viewer>, entrant: Entrant) {
        let entry = self.entrants.vacant_entry();
        viewer.move_to(ViewerPlace::Waiting(entry.key() as u32));
        entry.insert((viewer, entrant));
    }

    /// Lets in all who wait. Sockets that are open already get the latest checklist.
    pub(crate) fn admit(&mut self, run: &RunId, latest: &mut Option<LatestChecklist>) {
        let mut sockets = Vec::new();
        for (key, (_, entrant)) in &mut self.entrants {
            match entrant {
                // If it has gone away meanwhile, it leaves.
                Entrant::Request(answer) => drop(answer.take().map(|answer| answer.send(Ok(())))),
                Entrant::Socket { .. } => sockets.push(key),
            }
        }
        for key in sockets {
            let (viewer, Entrant::Socket { client, slot, .. }) = self.entrants.remove(key) else { continue };
            client.send_notice(&subscribed(run));
            if let Some(latest) = latest {
                client.send_latest(slot, latest.named_frame(run));
            }
            let entry = self.added.vacant_entry();
            viewer.move_to(ViewerPlace::Added(entry.key() as u32));
            entry.insert(AddedViewer { viewer, client, slot });
        }
        self.release_memory();
    }

    /// Sends away all who wait.
    pub(crate) fn refuse_entrants(&mut self, run: &RunId, refusal: RunRefusal) {
        for (_, (viewer, entrant)) in std::mem::take(&mut self.entrants) {
            viewer.move_to(ViewerPlace::Gone);
            match entrant {
                Entrant::Request(answer) => drop(answer.map(|answer| answer.send(Err(refusal)))),
                Entrant::Socket { client, .. } => drop(client.send_notice(&refused(run.as_str(), refusal))),
            }
        }
    }

    /// Sends away all who wait and all who watch.
    pub(crate) fn refuse(&mut self, run: &RunId, refusal: RunRefusal) {
        self.refuse_entrants(run, refusal);
        // They leave when their sockets have ended.
        self.opened.close(refusal.close_code(), &refusal.to_string());
        for (_, AddedViewer { viewer, client, .. }) in std::mem::take(&mut self.added) {
            viewer.move_to(ViewerPlace::Gone);
            client.send_notice(&refused(run.as_str(), refusal));
        }
    }

    /// Connects a viewer whose request was let in. It gets the latest checklist.
    pub(crate) fn connect(&mut self, viewer: &Viewer, client: Client, latest: Option<&Bytes>) {
        if let ViewerPlace::Waiting(key) = viewer.place() {
            self.entrants.try_remove(key as usize);
        }
        if let Some(frame) = latest {
            client.send(frame);
        }
        viewer.move_to(ViewerPlace::Opened(self.opened.insert(client) as u32));
        self.release_memory();
    }

    pub(crate) fn leave(&mut self, viewer: &Viewer) {
        match viewer.place() {
            ViewerPlace::Waiting(key) => drop(self.entrants.try_remove(key as usize)),
            ViewerPlace::Opened(key) => self.opened.remove(key as usize),
            ViewerPlace::Added(key) => drop(self.added.try_remove(key as usize)),
            ViewerPlace::Unknown | ViewerPlace::Gone => {}
        }
        viewer.move_to(ViewerPlace::Gone);
        self.release_memory();
    }

    /// Sends a checklist to all who watch.
    pub(crate) async fn send(&self, run: &RunId, latest: &mut LatestChecklist) {
        self.opened.send(latest.frame()).await;
        if !self.added.is_empty() {
            let frame = latest.named_frame(run);
            for (_, viewer) in &self.added {
                viewer.client.send_latest(viewer.slot, frame);
            }
        }
    }

    /// A crowd that has moved on leaves nothing behind.
    fn release_memory(&mut self) {
        if self.entrants.is_empty() {
            self.entrants = Slab::new();
        }
        if self.added.is_empty() {
            self.added = Slab::new();
        }
    }
}
