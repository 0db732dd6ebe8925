//! Wires the parts: the only file that knows them all.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Lifecycle, Settings};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tracing::info;
use ws_chassis::{Front, drain_time};
use ws_server::Server;

use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::hub::Hub;
use crate::interest::{Interests, Wishes};
use crate::line::Id;
use crate::metrics::Metrics;
use crate::recorder::Recorder;
use crate::shard::Policy;
use crate::source::{Place, Source};
use crate::store::Store;

/// With history in Redis: how long lines of a channel that nobody watches stay in memory. By then they are recorded.
const UNTIL_RECORDED: Duration = Duration::from_secs(15);

/// The parts, ready to run.
pub struct App {
    listener: TcpListener,
    server: Server<Endpoint>,
    drain: Duration,
}

impl App {
    /// Builds the parts, binds the port and starts all but the server. Redis is connected to in the background.
    ///
    /// # Errors
    /// When the port is taken or a part cannot be made.
    pub fn build(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let registry = chassis::metrics::registry(Config::SERVICE)?;
        let metrics = Metrics::register(&registry)?;
        let sockets = ws_server::Metrics::register(&registry, "status_proxy")?;
        // Below 10^18, so that ids stay short.
        let own = chassis::unique::instance_id() % 10u64.pow(18);
        let (store, said) = Store::new(&config.redis, format!("{own:x}"))?;
        let store = Arc::new(store);
        let linger = if config.records() { UNTIL_RECORDED } else { config.keep().age };
        let policy = Policy { keep: config.keep(), linger, hears_all: config.records() };
        let (hub, shards) = Hub::new(policy, &metrics);
        let (wishes, changes) = Wishes::new();
        // With history in Redis the first mark replaces this.
        let mark = if config.records() { 0 } else { own };
        let position = Arc::new(Mutex::new(Place { latest: Id { mark, number: 0 }, begin: 0 }));

        for shard in shards {
            spawn(lifecycle, "shard", shard);
        }
        let heard = config.records().then(|| {
            let (sender, heard) = mpsc::unbounded_channel();
            spawn(
                lifecycle,
                "recorder",
                Recorder::new(store.clone(), config.keep(), metrics.clone()).run(heard),
            );
            sender
        });
        let interests = Interests::new(wishes.clone());
        let source =
            Source::new(store.clone(), said, hub.clone(), metrics, interests, heard, position.clone());
        let readiness = lifecycle.readiness();
        let [_, pool] = store.states();
        for (name, state) in [("subscription", source.state()), ("redis", pool)] {
            tokio::spawn(readiness.gate(name).follow(state));
        }
        spawn(lifecycle, "source", source.run(changes));

        let listener = chassis::http::listen(&config.process.listen_addr)
            .with_context(|| format!("listen on {}", config.process.listen_addr))?;
        let probes = Probes::new(readiness, registry);
        let endpoint = Endpoint {
            front: Front::new(&config.sockets, probes, include_str!("page.html")),
            hub,
            wishes,
            position,
            recording: config.records().then_some(store),
            patience: config.sockets.handshake_timeout,
        };
        info!(redis = %config.redis, "lines are heard from {}", config.redis);
        let server = Server::new(config.socket_options(), sockets, endpoint);
        Ok(Self { listener, server, drain: drain_time(&config.process) })
    }

    /// Starts to serve.
    pub fn spawn(self, lifecycle: &Lifecycle) {
        let Self { listener, server, drain } = self;
        let stopping = lifecycle.stopping();
        lifecycle.spawn("server", async move {
            server.run(listener, stopping, drain).await.context("serve sockets")
        });
    }
}

/// Runs a task that serves clients until the process ends: its own end before that is a failure, and at the stop it
/// must not end before the sockets are drained, so nobody waits for it.
fn spawn(lifecycle: &Lifecycle, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let stopping = lifecycle.stopping();
    let task = tokio::spawn(task);
    lifecycle.spawn(name, async move {
        tokio::select! {
            ended = task => ended.with_context(|| format!("run the {name}")),
            () = stopping.cancelled() => Ok(()),
        }
    });
}
