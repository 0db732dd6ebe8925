//! What status-proxy serves on its port.
//!
//! | request | answer |
//! |---|---|
//! | WebSocket `/…/<run>:<channel>` or `/…/<run>:<a>,<b>` | the lines, one frame each; 400 for any other path |
//! | `GET /…/<run>:<channels>/sse` | the same as server-sent events |
//! | `GET /` | the page |
//! | `GET /health`, `/ready`, `/metrics` | the probes |
//!
//! Query: `history=N` the last N lines first; `since=<id>` all lines after that one (or `Last-Event-ID`); `token=<JWT>`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use ws_chassis::Front;
use ws_server::{Handler, Reply, Request, Response};

use crate::hub::Hub;
use crate::interest::Wishes;
use crate::line::{Id, PRIVATE};
use crate::ring::{Ask, Recorded};
use crate::shard::Joined;
use crate::source::Position;
use crate::store::Store;
use crate::target::Target;

/// The most lines that can be asked for.
const MAX_HISTORY: usize = 100_000;
/// How long a line that a client has seen elsewhere may take to come by here.
const BEHIND: Duration = Duration::from_millis(500);
/// How long it may take until somebody records again after the recorder has died: its lease, and some more.
const TAKEOVER: Duration = Duration::from_secs(4);
const POLL: Duration = Duration::from_millis(10);

/// Answers requests.
pub(crate) struct Endpoint {
    pub(crate) front: Front,
    pub(crate) hub: Hub,
    pub(crate) wishes: Wishes,
    pub(crate) position: Position,
    /// With history in Redis: where it is read from.
    pub(crate) recording: Option<Arc<Store>>,
    /// How long a client waits for its subscription before it is told to come back later.
    pub(crate) patience: Duration,
}

impl Handler for Endpoint {
    async fn handle(&self, request: Request) -> Reply {
        match self.front.answer(&request) {
            Some(response) => response.into(),
            None => self.watch(request).await.unwrap_or_else(|refusal| refusal),
        }
    }
}

impl Endpoint {
    async fn watch(&self, request: Request) -> Result<Reply, Reply> {
        let mut segments = request.path().rsplit('/');
        let mut last = segments.next().unwrap_or_default();
        let is_events = last == "sse" && !request.is_websocket();
        if is_events {
            last = segments.next().unwrap_or_default();
        }
        let target = Target::parse(last).map_err(|problem| Response::text(400, problem))?;
        let mut ask = ask(&request).map_err(|problem| Response::text(400, problem))?;
        self.front.admit(&request, target.run().as_str())?;
        if !request.is_websocket() && !is_events {
            return Err(Response::text(426, "this is a WebSocket").header("Upgrade", "websocket").into());
        }

        let deadline = Instant::now() + self.patience;
        let wanted: Vec<_> = target.channels().map(|channel| self.wishes.want(channel)).collect();
        let mut channels = Vec::with_capacity(wanted.len());
        for interest in wanted {
            let away = || Response::text(503, "Redis cannot be reached now").header("Retry-After", "1");
            let interest = timeout_at(deadline, interest).await.map_err(|_| away())?.map_err(|_| away())?;
            channels.push(Joined { interest, recorded: None });
        }
        ask.since = match ask.since {
            Some(since) => Some(self.known(since).await),
            None => None,
        };
        if let Some(store) = self.recording.as_ref().filter(|_| ask.is_some()) {
            let names: Vec<&str> = target.channels().collect();
            match self.recorded(store, &names, ask).await {
                Ok(recorded) => {
                    for (channel, recorded) in channels.iter_mut().zip(recorded) {
                        channel.recorded = Some(recorded);
                    }
                }
                // What the memory knows has to do; it says honestly whether that is all.
                Err(error) => tracing::warn!("read history: {}", error.details()),
            }
        }

        let hub = self.hub.clone();
        let open = move |client| hub.join(client, target, ask, channels);
        Ok(if is_events { Reply::event_stream(open) } else { Reply::websocket(open) })
    }

    /// The id, if it can be one of those given for the lines that have come by here, or will have in a moment.
    async fn known(&self, since: Option<Id>) -> Option<Id> {
        let since = since.filter(|since| since.number < PRIVATE)?;
        let latest = || self.position.lock().latest;
        if self.recording.is_none() {
            return Some(since).filter(|since| *since <= latest() && since.mark == latest().mark);
        }
        let deadline = Instant::now() + BEHIND;
        while since > latest() {
            if Instant::now() > deadline {
                return None;
            }
            sleep(POLL).await;
        }
        Some(since)
    }

    /// What is recorded. If this instance has just begun to listen, another may still have to record what was before.
    async fn recorded(
        &self,
        store: &Store,
        names: &[&str],
        ask: Ask,
    ) -> Result<Vec<Recorded>, fred::error::Error> {
        let deadline = Instant::now() + TAKEOVER.min(self.patience);
        loop {
            let recorded = store.past(names, ask).await?;
            let begin = self.position.lock().begin;
            let joins = recorded.iter().all(|recorded| recorded.complete_until.mark >= begin);
            if joins || ask.since.flatten().is_none() || Instant::now() > deadline {
                return Ok(recorded);
            }
            sleep(POLL).await;
        }
    }
}

/// What of the past the request asks for.
fn ask(request: &Request) -> Result<Ask, String> {
    let history = match request.query("history") {
        None => None,
        Some(text) => {
            let count: usize =
                text.parse().map_err(|_| "history must be a whole number of lines".to_owned())?;
            Some(count.min(MAX_HISTORY))
        }
    };
    // What an EventSource remembers is newer than what its URL says.
    let since = request.header("last-event-id").map(str::to_owned).or_else(|| request.query("since"));
    Ok(Ask { since: since.map(|id| id.parse().ok()), history })
}
