//! Builds the parts and connects them. No other file knows all of them.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::{Lifecycle, Settings};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;
use ws_chassis::{HttpFront, drain_time};
use ws_server::{Server, page};

use crate::config::Config;
use crate::http::RunsApi;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::ws::{Endpoint, RunOpener};

/// Events from Redis that may wait for the hub. When it is full, events wait in the buffer of the subscribing
/// connection.
const EVENT_QUEUE_CAPACITY: usize = 1024;

/// Runs the service until a signal or a failed task ends it.
///
/// # Errors
/// When the port is taken or a part cannot be built.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::new(&config.process);
    App::build(&config, &lifecycle)?.spawn(&lifecycle);
    Ok(lifecycle.run().await)
}

/// All parts, built but not started.
struct App {
    listener: TcpListener,
    server: Server<Endpoint>,
    store: Arc<Store>,
    hub: Hub,
    drain_time: Duration,
}

impl App {
    /// Builds the parts and binds the port. Redis is connected in the background.
    fn build(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let registry = chassis::metrics::registry(Config::SERVICE)?;
        let store = Arc::new(Store::new(&config.redis, config.max_run_bytes())?);
        let metrics = Metrics::new(&registry)?;
        let (intervals, max_runs) = (config.intervals(), config.max_runs());
        let (hub, hub_handle) = Hub::new(Arc::clone(&store), config.rules(), metrics, intervals, max_runs);

        let listener = ws_chassis::listen(&config.process, &config.sockets)?;
        let socket_metrics = ws_server::Metrics::register(&registry, "preflight")?;
        let probes = lifecycle.probes(registry);
        let page = page::html(include_str!("../web/index.html"), &[include_str!("../web/page.js")]);
        let front = HttpFront::new(&config.sockets, probes, page);
        front.reload_on_hangup(lifecycle, || Ok(chassis::settings::read_again::<Config>()?.sockets));
        let runs = RunsApi::new(Arc::clone(&store), config.rules());
        let opener = RunOpener { hub: hub_handle, runs, max_runs_per_client: config.max_runs_per_client() };
        let endpoint = Endpoint { front, opener: Arc::new(opener) };
        let server = Server::new(config.socket_options(), socket_metrics, endpoint);
        info!(redis = %config.redis, "runs are read from {}", config.redis);
        Ok(Self { listener, server, store, hub, drain_time: drain_time(&config.process) })
    }

    /// Starts the tasks.
    fn spawn(self, lifecycle: &Lifecycle) {
        let Self { listener, server, store, hub, drain_time } = self;
        let readiness = lifecycle.readiness();
        let [subscriptions, redis] = store.states();
        let states = [
            ("redis subscriptions", subscriptions),
            ("redis", redis),
            ("notifications", hub.notification_note()),
        ];
        for (name, state) in states {
            tokio::spawn(readiness.gate(name).follow(state));
        }

        let (sender, events) = mpsc::channel(EVENT_QUEUE_CAPACITY);
        // The server ends first: while it drains, the sockets that are still open must get changes.
        let (stopping, server_ended) = (lifecycle.stopping(), CancellationToken::new());
        let until_server_ended = server_ended.clone();
        lifecycle.spawn("listen", async move {
            tokio::select! {
                () = store.listen(sender) => {}
                () = until_server_ended.cancelled() => {}
            }
            Ok(())
        });
        lifecycle.spawn("hub", async move {
            hub.run(events).await;
            Ok(())
        });
        lifecycle.spawn("server", async move {
            let _cancel_on_end = server_ended.drop_guard();
            server.run(listener, stopping, drain_time).await.context("serve sockets")
        });
    }
}
