//! What the handlers share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::service::ScenarioService;

/// Everything that handlers need.
pub(crate) struct AppState {
    pub(crate) service: Arc<ScenarioService>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: CancellationToken,
}

/// The limits of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) body_bytes: usize,
    pub(crate) steps: usize,
}
