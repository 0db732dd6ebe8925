//! HTTP by actix-web: binding, the probes' routes, and a server that stops when told.

use std::io;
use std::net::TcpListener;

use actix_web::http::header::AUTHORIZATION;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::probe::Probes;

/// Binds eagerly, so that a port that is taken is an error of the start. `HOST:0` takes a free port.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(listen_addr: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(listen_addr)?;
    listener.set_nonblocking(true)?;
    info!(addr = %listener.local_addr()?, "listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// The routes `/health`, `/ready` and `/metrics`, to be given to an actix application.
///
/// Where the application has no `/` of its own, the page of the probes is there. Any other path is a 404 with a line.
pub fn probe_routes(probes: Probes) -> impl Fn(&mut ServiceConfig) + Clone {
    move |routes| {
        for path in ["/health", "/ready", "/metrics"] {
            let probes = probes.clone();
            let answer = move |request: HttpRequest| {
                let answer = probes.answer(request.path());
                async move { respond(answer) }
            };
            routes.service(
                web::resource(path).route(web::get().to(answer.clone())).route(web::head().to(answer)),
            );
        }
        let probes = probes.clone();
        routes.default_service(web::to(move |request: HttpRequest| {
            let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
            let answer = if is_read && request.path() == "/" { probes.answer("/") } else { None };
            async move { respond(answer) }
        }));
    }
}

/// Serves `routes` on `listener` until `stopping`; what is under way then ends first.
///
/// # Errors
/// When the server cannot start, or fails.
pub async fn serve(
    listener: TcpListener,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    // Only the running server may be sent between threads, so its builder must be gone before the wait.
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .workers(HTTP_THREADS)
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
        .shutdown_signal(stopping.cancelled_owned())
        .listen(listener)
        .context("serve http")?
        .run();
    server.await.context("serve http")
}

/// The token of `Authorization: Bearer TOKEN`, as it was sent.
pub fn bearer_token(request: &HttpRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn respond(answer: Option<crate::probe::Answer>) -> HttpResponse {
    let Some(answer) = answer else {
        return HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body(NOT_FOUND);
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type(answer.content_type).body(answer.body)
}

const NOT_FOUND: &str = "nothing is at this path; / says what is where\n";
const HTTP_THREADS: usize = 2;
const SHUTDOWN_TIMEOUT_S: u64 = 8;
