//! Builds and connects the parts. The only file that knows all of them.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::http::Server;
use chassis::{Lifecycle, Settings};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::backend::Backend;
use crate::budget::TransferBudget;
use crate::config::{BackendKind, Command, Config, Place, check_file};
use crate::handshake::Handshake;
use crate::listener::Listener;
use crate::memory::MemoryBackend;
use crate::metrics::{Metrics, RequestCounters};
use crate::node::Node;
use crate::redis::{self, RedisOptions};
use crate::refusal_log::RefusalLog;
use crate::session_registry::SessionRegistry;
use crate::shared_reads::SharedReads;
use crate::spill::SpillFolder;
use crate::store::ObjectStore;
use crate::{commands, http, server, tls};

/// Runs the command, or the service until it is stopped.
///
/// # Errors
/// When a port is taken, or a setting cannot be used.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    match &config.command {
        Some(Command::Check { file }) => return Ok(check_file(file)),
        Some(Command::Node(command)) => return commands::run(command, config.remote()).await,
        None => {}
    }
    let lifecycle = Lifecycle::new(config.process());
    start(&config, &lifecycle).await?;
    Ok(lifecycle.run().await)
}

/// Binds both ports and spawns every task.
async fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let http_server = Server::bind(&config.process, &config.http_access())?;
    let address = config.address();
    let listener = Listener::bind(&address.place).await.with_context(|| match &address.place {
        Place::Tcp(host) => format!("listen on {host}"),
        Place::Local(path) => format!("listen on {}", path.display()),
    })?;
    let addr = listener.address();
    if let Listener::Tcp(listener) = &listener
        && !config.asks_for_certificates()
    {
        config.process.warn_if_reachable(listener.local_addr()?, "OBJECT_STORE_TLS_CLIENT_CA");
    }
    let tls = config.tls().map(|files| tls::watch_files(files, lifecycle)).transpose()?;
    let handshake = Handshake { tls, websocket: address.websocket };

    let registry = chassis::metrics::registry(Config::SERVICE)?;
    let metrics = Metrics::new(&registry)?;
    // The Redis worker stops after the clients: they are owed responses from it.
    let clients_done = CancellationToken::new();
    let backend = build_backend(config, lifecycle, clients_done.clone())?;
    let budget = TransferBudget::new(config.transfer_memory());
    let node = Arc::new(Node {
        identity: config.identity().to_owned(),
        store: ObjectStore::new(backend).with_max_object(config.max_object()),
        sessions: SessionRegistry::default(),
        reads: SharedReads::new(budget.clone()),
        budget,
        limits: config.limits(),
        refusal_log: RefusalLog::default(),
        requests: RequestCounters::new(&metrics),
        metrics,
    });
    info!(addr = %addr, backend = ?config.store.backend, "listening for clients on {addr}");

    let probes = lifecycle.probes(registry);
    let routes = http::routes(Arc::clone(&node), config.http_writes(), probes);
    lifecycle.spawn("http", http_server.run(routes, lifecycle.stopping()));
    lifecycle.spawn("totals", update_totals(Arc::clone(&node), lifecycle.stopping()));
    let stopping = lifecycle.stopping();
    lifecycle.spawn("clients", async move {
        let result = server::run(node, listener, handshake, stopping).await;
        clients_done.cancel();
        result
    });
    Ok(())
}

fn build_backend(
    config: &Config,
    lifecycle: &Lifecycle,
    clients_done: CancellationToken,
) -> anyhow::Result<Backend> {
    if config.store.backend == BackendKind::Memory {
        let folder = config.store.spill_dir.as_deref().map(|dir| open_spill(dir, lifecycle, clients_done));
        return Ok(MemoryBackend::new(config.max_memory(), folder.transpose()?).into());
    }
    let options = RedisOptions {
        redis: config.redis().clone(),
        key_prefix: config.store.key_prefix.clone(),
        partitions: config.store.partitions,
        cache_bytes: config.store.cache_size,
    };
    info!("objects are stored in redis at {}", options.redis);
    let (backend, worker, state) = redis::connect(options)?;
    tokio::spawn(lifecycle.readiness().gate("redis").follow(state));
    lifecycle.spawn("redis", worker.run(clients_done));
    Ok(backend.into())
}

fn open_spill(
    dir: &Path,
    lifecycle: &Lifecycle,
    clients_done: CancellationToken,
) -> anyhow::Result<Arc<SpillFolder>> {
    let folder = SpillFolder::open(dir).with_context(|| format!("use {} for spilling", dir.display()))?;
    info!("contents that memory has no room for go to {}", dir.display());
    tokio::spawn(lifecycle.readiness().gate("spill").follow(folder.state()));
    lifecycle.spawn("spill", Arc::clone(&folder).keep(clients_done));
    Ok(folder)
}

/// Updates the metrics of the store's totals.
async fn update_totals(node: Arc<Node>, stopping: CancellationToken) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(TOTALS_INTERVAL)).await.is_some() {
        // While Redis does not answer, the last totals stay; /ready says why.
        if let Ok(totals) = node.store.totals().await {
            node.metrics.set_totals(&totals);
        }
    }
    Ok(())
}

const TOTALS_INTERVAL: Duration = Duration::from_secs(2);
