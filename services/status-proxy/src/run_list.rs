//! Runs to choose from, over HTTP: `GET /runs?search=TEXT&limit=50`.

use std::collections::HashMap;
use std::time::Duration;

use redis_core::catalog::{RecentRuns, RunCatalog, RunEntry, RunList};
use redis_core::id::RunId;
use tokio::sync::Mutex;
use tokio::time::Instant;
use ws_chassis::{Access, ListQuery};
use ws_server::token::AccessDenied;
use ws_server::{Request, Response};

use crate::channel_list::ListedChannels;
use crate::hub::Hub;
use crate::run_channels::{is_whole_run, run_name, short_name};
use crate::store::RecordedRuns;

const MAX_LIMIT: usize = RecentRuns::<ListedChannels>::CAPACITY;

/// Where the list comes from.
pub(crate) enum RunLists {
    /// The history in Redis.
    Recorded(Box<RunCatalog<RecordedRuns>>),
    /// The channels that this instance keeps.
    Live(LiveRuns),
}

/// The runs of the channels that this instance keeps. What was found is the answer to everybody for some seconds.
pub(crate) struct LiveRuns {
    hub: Hub,
    found: Mutex<Option<(Instant, RecentRuns<ListedChannels>)>>,
}

const FRESH_FOR: Duration = Duration::from_secs(2);

impl RunLists {
    pub(crate) fn recorded(runs: RecordedRuns) -> Self {
        Self::Recorded(Box::new(RunCatalog::new(runs)))
    }

    pub(crate) fn live(hub: Hub) -> Self {
        Self::Live(LiveRuns { hub, found: Mutex::default() })
    }

    /// The answer to a request for the list.
    ///
    /// # Errors
    /// If the client may not be told.
    pub(crate) async fn answer(&self, request: &Request, access: &Access) -> Result<Response, AccessDenied> {
        let listing = access.listing()?;
        let ListQuery { search, limit } = match ListQuery::parse(request, MAX_LIMIT) {
            Ok(query) => query,
            Err(response) => return Ok(response),
        };
        let answer = |runs: &RunList<'_, ListedChannels>| {
            let list = runs.only(&search, limit, |run| listing.shows(run));
            match list.problem {
                Some(problem) if list.is_empty() => Response::text(503, problem).header("Retry-After", "1"),
                _ => Response::json(&list),
            }
        };
        Ok(match self {
            Self::Recorded(catalog) => catalog.view(answer).await,
            Self::Live(live) => live.view(answer).await,
        })
    }
}

impl LiveRuns {
    async fn view<R>(&self, view: impl FnOnce(&RunList<'_, ListedChannels>) -> R) -> R {
        let found = &mut *self.found.lock().await;
        let fresh = found.take().filter(|(time, _)| time.elapsed() < FRESH_FOR);
        let (_, runs) = match fresh {
            Some(fresh) => found.insert(fresh),
            None => found.insert((Instant::now(), live_runs(&self.hub).await)),
        };
        view(&RunList::new(runs, true, None))
    }
}

async fn live_runs(hub: &Hub) -> RecentRuns<ListedChannels> {
    let mut channels: HashMap<RunId, Vec<(String, Option<i128>)>> = HashMap::new();
    for (name, last_line_at) in hub.channels().await {
        if let (false, Ok(run)) = (is_whole_run(&name), RunId::parse(run_name(&name))) {
            channels.entry(run).or_default().push((short_name(&name).to_owned(), last_line_at));
        }
    }
    let mut runs = RecentRuns::default();
    for (run, channels) in channels {
        let listed = ListedChannels::new(channels);
        runs.set(run, Some(RunEntry { changed_at: listed.last_line_at(), about: listed }));
    }
    runs.forget_oldest();
    runs
}
