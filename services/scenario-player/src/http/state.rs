//! What the handlers share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::body_budget::BodyBudget;
use crate::metrics::Metrics;
use crate::service::ScenarioService;

/// Everything that handlers need.
pub(crate) struct AppState {
    pub(crate) service: Arc<ScenarioService>,
    pub(super) limits: Limits,
    pub(super) body_budget: BodyBudget,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: CancellationToken,
}

impl AppState {
    pub(crate) fn new(
        service: Arc<ScenarioService>,
        limits: Limits,
        metrics: Metrics,
        stopping: CancellationToken,
    ) -> Self {
        Self { service, limits, body_budget: BodyBudget::new(limits.bodies_bytes), metrics, stopping }
    }
}

/// The limits of requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) body_bytes: usize,
    /// All bodies that are under way.
    pub(crate) bodies_bytes: usize,
    pub(crate) steps: usize,
}
