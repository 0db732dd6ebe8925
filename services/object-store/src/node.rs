//! What all connections of one node share.

use crate::budget::TransferBudget;
use crate::limits::Limits;
use crate::metrics::{Metrics, RequestCounters};
use crate::refusal_log::RefusalLog;
use crate::session_registry::SessionRegistry;
use crate::shared_reads::SharedReads;
use crate::store::ObjectStore;

/// One server process: its store, its sessions, its limits and its metrics.
pub(crate) struct Node {
    pub(crate) identity: String,
    pub(crate) store: ObjectStore,
    pub(crate) sessions: SessionRegistry,
    pub(crate) budget: TransferBudget,
    /// What is read for HTTP, within the budget.
    pub(crate) reads: SharedReads,
    pub(crate) limits: Limits,
    pub(crate) refusal_log: RefusalLog,
    pub(crate) metrics: Metrics,
    pub(crate) requests: RequestCounters,
}
