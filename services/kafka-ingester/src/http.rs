//! What is served over HTTP: the page, dead letters, and the probes.

mod dead_letters;

use actix_web::web::ServiceConfig;
use chassis::http::{JAVASCRIPT, StaticFile};
use chassis::probe::Probes;

pub(crate) use dead_letters::DeadLetterRoutes;

/// The routes of this service.
pub(crate) fn routes(
    dead_letters: DeadLetterRoutes,
    probes: Probes,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let probe_routes = chassis::http::probe_routes(probes);
    move |routes| {
        routes.route("/", chassis::http::page(include_str!("../web/index.html")));
        chassis::http::static_files(&FILES, routes);
        chassis::http::console_files(routes);
        dead_letters.routes(routes);
        probe_routes(routes);
    }
}

const FILES: [StaticFile; 3] = [
    StaticFile::new("/page.js", JAVASCRIPT, include_str!("../web/page.js")),
    StaticFile::new("/dead_letters.js", JAVASCRIPT, include_str!("../web/dead_letters.js")),
    StaticFile::new("/partitions.js", JAVASCRIPT, include_str!("../web/partitions.js")),
];
