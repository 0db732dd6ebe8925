//! Scenarios over HTTP.

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use chassis::Lifecycle;
use chassis::http::Server;
use chassis::probe::Probes;

use super::parts::Shared;
use crate::config::Config;
use crate::http::{self, AppState, Limits};
use crate::loops;
use crate::service::ScenarioService;
use crate::timeline::Timeline;

/// The stored scenarios, and the task that keeps looping ones going.
pub(super) fn spawn_service(
    config: &Config,
    timeline: Timeline,
    shared: &Shared,
    lifecycle: &Lifecycle,
) -> Arc<ScenarioService> {
    let service = Arc::new(ScenarioService {
        timeline,
        clocks: Arc::clone(&shared.clocks),
        overwrite: config.timeline.scenario_overwrite,
        metrics: shared.metrics.clone(),
    });
    for lane in shared.lanes.iter() {
        lifecycle.spawn("loops", loops::run(Arc::clone(&service), lane, shared.stopping.clone()));
    }
    service
}

/// The HTTP server, with the probes.
pub(super) fn spawn_server(
    config: &Config,
    service: Arc<ScenarioService>,
    probes: Probes,
    server: Server,
    shared: &Shared,
    lifecycle: &Lifecycle,
) {
    let limits = Limits {
        body_bytes: config.timeline.max_body_bytes,
        bodies_bytes: config.timeline.max_bodies_bytes,
        steps: config.timeline.max_scenario_steps,
    };
    let (metrics, stopping) = (shared.metrics.clone(), shared.stopping.clone());
    let probe_routes = chassis::http::probe_routes(probes);
    let service_routes = http::routes(AppState::new(service, limits, metrics, stopping));
    let routes = move |config: &mut ServiceConfig| {
        probe_routes(config);
        service_routes(config);
    };
    lifecycle.spawn("http", server.run(routes, shared.stopping.clone()));
}
