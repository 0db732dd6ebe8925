//! Wires the parts: the only file that knows them all.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Gate, Lifecycle, Settings};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;
use ws_chassis::{Front, drain_time};
use ws_server::Server;

use crate::config::Config;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::notifications::Notifications;
use crate::store::Store;
use crate::ws::Endpoint;

/// Events that may wait for the hub before the subscribing connection's own store of them fills.
const HEARD_CAPACITY: usize = 1024;

/// The parts, ready to run.
pub struct App {
    listener: TcpListener,
    server: Server<Endpoint>,
    store: Arc<Store>,
    hub: Hub,
    drain: Duration,
}

impl App {
    /// Builds the parts and binds the port. Redis is connected to in the background.
    ///
    /// # Errors
    /// When the port is taken or a part cannot be made.
    pub fn build(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let registry = chassis::metrics::registry(Config::SERVICE)?;
        let store = Arc::new(Store::new(&config.redis)?);
        let metrics = Metrics::register(&registry)?;
        let (hub, door) = Hub::new(Arc::clone(&store), config.rules(), metrics, config.intervals());

        let listener = chassis::http::listen(&config.process.listen_addr)
            .with_context(|| format!("listen on {}", config.process.listen_addr))?;
        let socket_metrics = ws_server::Metrics::register(&registry, "preflight")?;
        let probes = Probes::new(lifecycle.readiness(), registry);
        let front = Front::new(&config.sockets, probes, include_str!("page.html"));
        let endpoint = Endpoint { front, door };
        let server = Server::new(config.socket_options(), socket_metrics, endpoint);
        info!(redis = %config.redis, "runs are read from {}", config.redis);
        Ok(Self { listener, server, store, hub, drain: drain_time(&config.process) })
    }

    /// Starts the tasks.
    pub fn spawn(self, lifecycle: &Lifecycle) {
        let Self { listener, server, store, hub, drain } = self;
        let readiness = lifecycle.readiness();
        for (name, state) in ["redis subscriptions", "redis"].into_iter().zip(store.states()) {
            tokio::spawn(readiness.gate(name).follow(state));
        }
        tokio::spawn(follow(readiness.gate("notifications"), hub.verdict()));

        let (sender, heard) = mpsc::channel(HEARD_CAPACITY);
        // Who is not closed yet in a drain is still served: the other two end after the server.
        let (stopping, served) = (lifecycle.stopping(), CancellationToken::new());
        let until_served = served.clone();
        lifecycle.spawn("listen", async move {
            tokio::select! {
                () = store.listen(sender) => {}
                () = until_served.cancelled() => {}
            }
            Ok(())
        });
        lifecycle.spawn("hub", async move {
            hub.run(heard).await;
            Ok(())
        });
        lifecycle.spawn("server", async move {
            let _ended = served.drop_guard();
            server.run(listener, stopping, drain).await.context("serve sockets")
        });
    }
}

/// The gate that tells an operator what the notifications lack.
async fn follow(gate: Gate, mut verdict: watch::Receiver<Option<Notifications>>) {
    loop {
        if let Some(verdict) = verdict.borrow_and_update().clone() {
            match verdict.note() {
                Some(note) => gate.note(note),
                None => gate.open(),
            }
        }
        if verdict.changed().await.is_err() {
            return;
        }
    }
}
