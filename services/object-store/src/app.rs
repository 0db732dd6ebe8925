//! Wires the parts: the only file that knows them all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Lifecycle, Settings};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::budget::Budget;
use crate::config::{Backend, Config};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::redis::{Redis, RedisOptions};
use crate::session::Sessions;
use crate::store::ObjectStore;
use crate::{http, server, stream};

/// Binds both ports and starts every task. Gives the address for clients.
///
/// # Errors
/// When a port is taken, or a setting turns out to be of no use.
pub async fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<SocketAddr> {
    let http_addr = &config.process.listen_addr;
    let http_listener = chassis::http::listen(http_addr).with_context(|| format!("listen on {http_addr}"))?;
    let address = config.address();
    let listener =
        TcpListener::bind(&address.host).await.with_context(|| format!("listen on {}", address.host))?;
    let addr = listener.local_addr()?;
    let tls = config
        .tls()
        .map(|(cert, key)| stream::tls_acceptor(cert, key))
        .transpose()
        .map_err(anyhow::Error::msg)?;

    let registry = chassis::metrics::registry(Config::SERVICE)?;
    // Redis outlives the clients, who are owed answers from it.
    let served = CancellationToken::new();
    let node = Arc::new(Node {
        identity: config.identity().to_owned(),
        store: store(config, lifecycle, served.clone())?.with_max_object(config.max_object()),
        sessions: Sessions::default(),
        budget: Budget::new(config.transfer_memory()),
        limits: config.limits(),
        metrics: Metrics::new(&registry)?,
    });
    info!(addr = %addr, backend = ?config.store.backend, "clients are served on {addr}");

    spawn_http(&node, registry, http_listener, lifecycle);
    lifecycle.spawn("totals", show_totals(Arc::clone(&node), lifecycle.stopping()));
    let stopping = lifecycle.stopping();
    lifecycle.spawn("clients", async move {
        let ended = server::listen(node, listener, tls, stopping).await;
        served.cancel();
        ended
    });
    Ok(addr)
}

fn store(config: &Config, lifecycle: &Lifecycle, served: CancellationToken) -> anyhow::Result<ObjectStore> {
    if config.store.backend == Backend::Memory {
        return Ok(ObjectStore::of_memory(Memory::new(config.max_memory())));
    }
    let options = RedisOptions {
        redis: config.redis().clone(),
        key_prefix: config.store.key_prefix.clone(),
        cache_bytes: config.store.cache_size,
    };
    info!("objects are kept in redis at {}", options.redis);
    let (redis, work, state) = Redis::connect(options)?;
    tokio::spawn(lifecycle.readiness().gate("redis").follow(state));
    lifecycle.spawn("redis", work.run(served));
    Ok(ObjectStore::of_redis(redis))
}

/// Keeps the metrics of what is held up to date.
async fn show_totals(node: Arc<Node>, stopping: CancellationToken) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(TOTALS_EVERY)).await.is_some() {
        // Without an answer from Redis the last totals stand; readiness says why.
        if let Ok(totals) = node.store.totals().await {
            node.metrics.show(&totals);
        }
    }
    Ok(())
}

const TOTALS_EVERY: Duration = Duration::from_secs(2);

fn spawn_http(node: &Arc<Node>, registry: Registry, listener: std::net::TcpListener, lifecycle: &Lifecycle) {
    let probes = Probes::new(lifecycle.readiness(), registry);
    let routes = http::routes(Arc::clone(node), probes);
    lifecycle.spawn("http", chassis::http::serve(listener, routes, lifecycle.stopping()));
}
