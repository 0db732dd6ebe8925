//! The runs and channels that one socket watches.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;
use ws_chassis::{Access, RunAccess};
use ws_server::Client;

use crate::client_message::{ClientMessage, Wanted};
use crate::hub::ViewerGuard;
use crate::preparer::Preparer;
use crate::run_channels::{EVERY_CHANNEL, MAX_CHANNELS, RunChannels, is_whole_run, short_name};
use crate::server_message::{refused, subscribed, unsubscribed};

/// The token for one run has ended. The number tells it from one that has taken its place.
pub(crate) struct RunEnded(String, u64);

/// See [the module](self).
pub(crate) struct SocketRuns {
    client: Client,
    access: Access,
    preparer: Arc<Preparer>,
    runs: Vec<WatchedRun>,
    /// How often a run got a token of its own.
    tokens: u64,
}

/// A run, the right to watch it, and what is watched of it.
struct WatchedRun {
    name: String,
    /// Held for its drop.
    _access: RunAccess,
    token: u64,
    viewers: Vec<ViewerGuard>,
}

impl WatchedRun {
    /// Waits until the client has got the history that it asked for.
    async fn has_history(&self) {
        for viewer in &self.viewers {
            viewer.has_history().await;
        }
    }

    fn watches(&self, channel: &str) -> bool {
        self.channels().any(|other| other == channel || is_whole_run(other))
    }

    fn is_whole(&self) -> bool {
        self.channels().any(is_whole_run)
    }

    fn channels(&self) -> impl Iterator<Item = &str> {
        self.viewers.iter().flat_map(|viewer| viewer.channels().channels())
    }
}

impl SocketRuns {
    /// A socket that was opened for a run.
    pub(crate) fn new(
        client: Client,
        access: Access,
        preparer: Arc<Preparer>,
        viewer: ViewerGuard,
        run_access: RunAccess,
    ) -> Self {
        let name = viewer.channels().run().as_str().to_owned();
        let opened = WatchedRun { name, _access: run_access, token: 0, viewers: vec![viewer] };
        Self { client, access, preparer, runs: vec![opened], tokens: 0 }
    }

    /// Does what the client asks for, and tells it so. Ends of tokens go to `ended`. Returns when the run's shard has carried it
    /// out, so that requests wait here, and not there.
    pub(crate) async fn apply(&mut self, message: ClientMessage, ended: &mpsc::UnboundedSender<RunEnded>) {
        let run = match message {
            ClientMessage::Subscribe { run, wanted, token } => {
                let refusal = match wanted {
                    Ok(wanted) => self.subscribe(&run, wanted, token, ended).await.err(),
                    Err(problem) => Some(refused(&run, &[], 4400, problem)),
                };
                if let Some(refusal) = refusal {
                    self.client.send_notice(&refusal);
                }
                run
            }
            ClientMessage::Unsubscribe { run, channels } => {
                self.unsubscribe(&run, channels.as_deref());
                run
            }
        };
        self.preparer.hub.settle(&run).await;
    }

    /// The error is what the client is told.
    async fn subscribe(
        &mut self,
        run: &str,
        wanted: Wanted,
        token: Option<String>,
        ended: &mpsc::UnboundedSender<RunEnded>,
    ) -> Result<(), Bytes> {
        let channels = RunChannels::of_run(run, wanted.channels.iter().map(String::as_str))
            .map_err(|problem| refused(run, &[], 4400, &problem))?;
        let names: Vec<&str> = channels.channels().map(short_name).collect();
        let refuse = |code, reason: &str| refused(run, &names, code, reason);
        let denied = |denied: ws_server::token::AccessDenied| refuse(denied.close_code(), denied.reason());
        let known = self.runs.iter().position(|watched| watched.name == run);
        let access = match &token {
            Some(token) => Some(self.access.enter_with(token, run).map_err(denied)?),
            None if known.is_none() => Some(self.access.enter(run).map_err(denied)?),
            None => None,
        };
        let new: Vec<&str> = match known {
            Some(index) => channels.channels().filter(|name| !self.runs[index].watches(name)).collect(),
            None => channels.channels().collect(),
        };
        let watched: usize = self.runs.iter().map(|watched| watched.channels().count()).sum();
        if watched + new.len() > self.preparer.max_subscriptions {
            return Err(refuse(4429, "this socket watches too many channels"));
        }
        if let Some(index) = known
            && channels.is_whole_run()
            && timeout(self.preparer.subscribe_timeout, self.runs[index].has_history()).await.is_err()
        {
            return Err(refuse(4429, "the history of the run is still being sent"));
        }
        let prepared = match new.is_empty() {
            true => None,
            false => {
                let new = RunChannels::of_run(run, new.into_iter().map(short_name))
                    .map_err(|problem| refuse(4400, &problem))?;
                let prepared = self.preparer.prepare(new, wanted.resume).await;
                Some(prepared.map_err(|refusal| refuse(refusal.close_code(), refusal.reason()))?)
            }
        };
        let (hub, client, notice) = (&self.preparer.hub, &self.client, subscribed(run, &names));
        let viewer = match prepared {
            // The shard tells it, so that every line after that is one of its lines.
            Some(prepared) => {
                // All channels take the place of those that are watched already, so that no line comes twice.
                let replaced = match known {
                    Some(index) if prepared.channels.is_whole_run() => {
                        std::mem::take(&mut self.runs[index].viewers)
                    }
                    _ => Vec::new(),
                };
                Some(hub.add(client.clone(), prepared, notice, &replaced))
            }
            None => {
                hub.notify(client, run, notice);
                None
            }
        };
        let access = access.map(|access| self.with_end(access, run, ended));
        match (known, access) {
            (Some(index), access) => {
                let watched = &mut self.runs[index];
                watched.viewers.extend(viewer);
                if let Some(access) = access {
                    (watched._access, watched.token) = (access, self.tokens);
                }
            }
            (None, Some(access)) => self.runs.push(WatchedRun {
                name: run.to_owned(),
                _access: access,
                token: self.tokens,
                viewers: viewer.into_iter().collect(),
            }),
            // A run that is not known has got its access above.
            (None, None) => {}
        }
        Ok(())
    }

    fn with_end(
        &mut self,
        mut access: RunAccess,
        run: &str,
        ended: &mpsc::UnboundedSender<RunEnded>,
    ) -> RunAccess {
        self.tokens += 1;
        let (end, ended) = (RunEnded(run.to_owned(), self.tokens), ended.downgrade());
        access.when_ended(move || {
            if let Some(ended) = ended.upgrade() {
                // The socket has gone otherwise.
                let _ = ended.send(end);
            }
        });
        access
    }

    /// Ends the run whose own token has ended.
    pub(crate) fn end(&mut self, RunEnded(run, token): &RunEnded) {
        let Some(index) =
            self.runs.iter().position(|watched| watched.name == *run && watched.token == *token)
        else {
            return;
        };
        let watched = self.runs.swap_remove(index);
        let channels: Vec<String> = watched.channels().map(|name| short_name(name).to_owned()).collect();
        drop(watched);
        let names: Vec<&str> = channels.iter().map(String::as_str).collect();
        self.notify(run, refused(run, &names, 4401, "the access token has expired"));
    }

    fn unsubscribe(&mut self, run: &str, channels: Option<&[String]>) {
        let names: Option<Vec<&str>> =
            channels.map(|channels| channels.iter().take(MAX_CHANNELS).map(String::as_str).collect());
        if let Some(index) = self.runs.iter().position(|watched| watched.name == run) {
            let watched = &mut self.runs[index];
            if watched.is_whole()
                && let Some(names) = names.as_deref().filter(|names| !names.contains(&EVERY_CHANNEL))
            {
                let reason = "all channels of the run are watched, not some of them";
                self.notify(run, refused(run, names, 4400, reason));
                return;
            }
            let stays = |name: &str| {
                channels.is_some_and(|channels| !channels.iter().any(|other| other == short_name(name)))
            };
            watched.viewers.retain_mut(|viewer| viewer.keep_channels(&self.client, stays));
            if watched.viewers.is_empty() {
                self.runs.swap_remove(index);
            }
        }
        self.notify(run, unsubscribed(run, names.as_deref()));
    }

    fn notify(&self, run: &str, message: Bytes) {
        self.preparer.hub.notify(&self.client, run, message);
    }
}
