//! What is said of runs as JSON.
//!
//! | request | answer |
//! |---|---|
//! | `GET /runs?search=TEXT&limit=50` | the runs that changed last, and how far each is |
//! | `GET /runs/<run id>/checklist` | when each step was done, and why it is not current |

use std::sync::Arc;

use redis_core::ErrorClass;
use redis_core::catalog::{RecentRuns, RunCatalog};
use redis_core::error::reason;
use redis_core::id::RunId;
use tokio::sync::Semaphore;
use ws_chassis::{Access, ListQuery};
use ws_server::token::AccessDenied;
use ws_server::{Request, Response};

use crate::rules::Rules;
use crate::run_progress::RunProgress;
use crate::run_refusal::RunRefusal;
use crate::run_source::StoredRuns;
use crate::store::Store;

/// Runs that are read at once for those who ask for explanations: the viewers' reads go first.
const EXPLAINED_AT_ONCE: usize = 4;
const MAX_LIMIT: usize = RecentRuns::<RunProgress>::CAPACITY;

pub(crate) struct RunsApi {
    catalog: RunCatalog<StoredRuns>,
    store: Arc<Store>,
    rules: Rules,
    explaining: Semaphore,
}

impl RunsApi {
    pub(crate) fn new(store: Arc<Store>, rules: Rules) -> Self {
        let catalog = RunCatalog::new(StoredRuns { store: Arc::clone(&store), rules: rules.clone() });
        Self { catalog, store, rules, explaining: Semaphore::new(EXPLAINED_AT_ONCE) }
    }

    /// The answer, if the request is about one of these.
    ///
    /// # Errors
    /// If the client may not know it.
    pub(crate) async fn answer(
        &self,
        request: &Request,
        access: &Access,
    ) -> Result<Option<Response>, AccessDenied> {
        let segments: Vec<&str> = request.path().trim_matches('/').split('/').collect();
        match segments[..] {
            ["runs"] => self.list(request, access).await.map(Some),
            ["runs", run, "checklist"] => self.explain(run, access).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn list(&self, request: &Request, access: &Access) -> Result<Response, AccessDenied> {
        let listing = access.listing()?;
        let ListQuery { search, limit } = match ListQuery::parse(request, MAX_LIMIT) {
            Ok(query) => query,
            Err(response) => return Ok(response),
        };
        let answer = self.catalog.view(|runs| {
            let list = runs.only(&search, limit, |run| listing.shows(run));
            match list.problem {
                Some(problem) if list.is_empty() => unavailable(problem),
                _ => Response::json(&list),
            }
        });
        Ok(answer.await)
    }

    async fn explain(&self, run: &str, access: &Access) -> Result<Response, AccessDenied> {
        let run = match RunId::parse(run) {
            Ok(run) => run,
            Err(error) => return Ok(Response::text(400, error.to_string())),
        };
        let _access = access.enter(run.as_str())?;
        let _permit = self.explaining.acquire().await;
        let refuse = |refusal: RunRefusal| Response::text(refusal.status(), refusal.to_string());
        Ok(match self.store.read(&run).await {
            Ok(Some(hash)) if hash.is_empty() => {
                Response::text(404, format!("there is no data of run {run}"))
            }
            Ok(Some(hash)) => Response::json(&self.rules.explain(run.as_str(), &hash)),
            Ok(None) => refuse(RunRefusal::TooLarge),
            Err(error) if ErrorClass::of(&error) == ErrorClass::Forbidden => refuse(RunRefusal::Forbidden),
            Err(error) => unavailable(&reason(&error)),
        })
    }
}

fn unavailable(problem: &str) -> Response {
    Response::text(503, problem).header("Retry-After", "1")
}
