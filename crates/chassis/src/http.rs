//! HTTP by actix-web: binding, the probes' routes, who may ask, and a server that stops when told.

mod authorization;
mod files;
mod guard;
mod settings;
mod traced;

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Route};
use anyhow::Context;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::ProcessSettings;
use crate::probe::{self, Probes};
pub use authorization::{has_token, is_token};
pub use files::{CSS, JAVASCRIPT, StaticFile, console_files, static_files};
use guard::Guard;
pub use guard::keep_until_sent;
pub use settings::HttpSettings;

/// A server that is bound, so that a port that is taken is an error of the start.
pub struct Server {
    listener: TcpListener,
    guard: Arc<Guard>,
}

impl Server {
    /// Binds `LISTEN_ADDR`, for those whom `access` lets in. Warns if that is everybody, and other machines reach it.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(process: &ProcessSettings, access: &HttpSettings) -> anyhow::Result<Self> {
        let listener = listen(process)?;
        if access.operator_token.is_none() {
            process.warn_if_reachable(listener.local_addr()?, "OPERATOR_TOKEN");
        }
        Ok(Self { listener, guard: Arc::new(Guard::new(access)) })
    }

    /// Serves `routes` until `stopping`; what is under way then ends first.
    ///
    /// # Errors
    /// When the server cannot start, or fails.
    pub fn run<R>(
        self,
        routes: R,
        stopping: CancellationToken,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<R>
    where
        R: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let Self { listener, guard } = self;
        let app = move || {
            let guard = Arc::clone(&guard);
            let check = from_fn(move |request, next| Arc::clone(&guard).handle(request, next));
            App::new().wrap(check).wrap(from_fn(traced::handle)).configure(routes.clone())
        };
        async move {
            // Only the running server may be sent between threads, so its builder must be gone before the wait.
            let server = HttpServer::new(app)
                .workers(HTTP_THREADS)
                .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
                .shutdown_signal(stopping.cancelled_owned())
                .listen(listener)
                .context("serve http")?
                .run();
            server.await.context("serve http")
        }
    }
}

/// Binds `LISTEN_ADDR`. `HOST:0` takes a free port.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(process: &ProcessSettings) -> anyhow::Result<TcpListener> {
    let addr = &process.listen_addr;
    let listener = TcpListener::bind(addr).with_context(|| format!("listen on {addr}"))?;
    listener.set_nonblocking(true)?;
    info!(addr = %listener.local_addr()?, "listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// The routes of the [probes](probe), to be given to an actix application.
///
/// Where the application has no `/` of its own, the page of the probes is there. Any other path is a 404 with a line.
pub fn probe_routes(probes: Probes) -> impl Fn(&mut ServiceConfig) + Clone {
    move |routes| {
        for path in probe::PATHS {
            let probes = probes.clone();
            let answer = move |request: HttpRequest, query: web::Query<ProbeQuery>| {
                let answer = probes.answer(request.path(), query.names.as_deref());
                async move { respond(answer) }
            };
            routes.service(
                web::resource(path).route(web::get().to(answer.clone())).route(web::head().to(answer)),
            );
        }
        let probes = probes.clone();
        routes.default_service(web::to(move |request: HttpRequest| {
            let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
            let answer = if is_read && request.path() == "/" { probes.answer("/", None) } else { None };
            async move { respond(answer) }
        }));
    }
}

#[derive(Deserialize)]
struct ProbeQuery {
    names: Option<String>,
}

/// A route to a page that is one file: its scripts are written in it.
pub fn page(html: &'static str) -> Route {
    let policy = web_security::content_security_policy(html);
    web::get().to(move || {
        let policy = (CONTENT_SECURITY_POLICY, policy.clone());
        async move {
            HttpResponse::Ok().content_type("text/html; charset=utf-8").insert_header(policy).body(html)
        }
    })
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
