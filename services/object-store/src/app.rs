//! Builds and connects the parts. The only file that knows all of them.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::probe::Probes;
use chassis::{Lifecycle, Settings};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backend::Backend;
use crate::budget::TransferBudget;
use crate::config::{BackendKind, Command, Config, check_file};
use crate::memory::MemoryBackend;
use crate::metrics::{Metrics, RequestCounters};
use crate::node::Node;
use crate::redis::{self, RedisOptions};
use crate::refusal_log::RefusalLog;
use crate::session_registry::SessionRegistry;
use crate::spill::SpillFolder;
use crate::store::ObjectStore;
use crate::{commands, http, server, stream};

/// Runs the command, or the service until it is stopped.
///
/// # Errors
/// When a port is taken, or a setting cannot be used.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    match &config.command {
        Some(Command::Check { file }) => return Ok(check_file(file)),
        Some(command) => return commands::run(command, config.remote()).await,
        None => {}
    }
    let lifecycle = Lifecycle::new(config.process());
    start(&config, &lifecycle).await?;
    Ok(lifecycle.run().await)
}

/// Binds both ports and spawns every task.
async fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let http_addr = &config.process.listen_addr;
    let http_listener = chassis::http::listen(http_addr).with_context(|| format!("listen on {http_addr}"))?;
    let address = config.address();
    let listener =
        TcpListener::bind(&address.host).await.with_context(|| format!("listen on {}", address.host))?;
    let addr = listener.local_addr()?;
    let tls = config.tls().map(|(cert, key)| watch_certificate(cert, key, lifecycle)).transpose()?;

    let registry = chassis::metrics::registry(Config::SERVICE)?;
    let metrics = Metrics::new(&registry)?;
    // The Redis worker stops after the clients: they are owed responses from it.
    let clients_done = CancellationToken::new();
    let backend = build_backend(config, lifecycle, clients_done.clone())?;
    let node = Arc::new(Node {
        identity: config.identity().to_owned(),
        store: ObjectStore::new(backend).with_max_object(config.max_object()),
        sessions: SessionRegistry::default(),
        budget: TransferBudget::new(config.transfer_memory()),
        limits: config.limits(),
        refusal_log: RefusalLog::default(),
        requests: RequestCounters::new(&metrics),
        metrics,
    });
    info!(addr = %addr, backend = ?config.store.backend, "listening for clients on {addr}");

    spawn_http(&node, config.access(), registry, http_listener, lifecycle);
    lifecycle.spawn("totals", update_totals(Arc::clone(&node), lifecycle.stopping()));
    let stopping = lifecycle.stopping();
    lifecycle.spawn("clients", async move {
        let result = server::run(node, listener, tls, stopping).await;
        clients_done.cancel();
        result
    });
    Ok(())
}

/// The acceptor of new connections. Its files are read again on SIGHUP, and when they change; connections that exist keep their
/// certificate.
fn watch_certificate(
    cert: &str,
    key: &str,
    lifecycle: &Lifecycle,
) -> anyhow::Result<watch::Receiver<TlsAcceptor>> {
    let (cert, key) = (cert.to_owned(), key.to_owned());
    let files = [cert.clone(), key.clone()];
    let read = move || stream::tls_acceptor(&cert, &key).map_err(anyhow::Error::msg);
    let (sender, receiver) = watch::channel(read()?);
    let read_again = Arc::new(move || {
        sender.send_replace(read()?);
        anyhow::Ok(())
    });
    let on_reload = Arc::clone(&read_again);
    lifecycle.on_reload("the TLS certificate", move || on_reload());
    lifecycle.spawn("certificate", read_when_changed(files, read_again, lifecycle.stopping()));
    Ok(receiver)
}

/// Reads the certificate again when its files have changed, and not again while they are as they were.
async fn read_when_changed(
    files: [String; 2],
    read_again: Arc<impl Fn() -> anyhow::Result<()>>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let changed_at =
        || files.each_ref().map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok());
    let (mut read, mut seen) = (changed_at(), changed_at());
    while stopping.run_until_cancelled(tokio::time::sleep(CERTIFICATE_INTERVAL)).await.is_some() {
        let now = changed_at();
        // Both files are written before they are read: nothing has changed for one interval.
        if now == seen && now != read {
            read = now;
            match read_again() {
                Ok(()) => info!("the TLS certificate has changed and was read again"),
                Err(reason) => warn!("the TLS certificate has changed and stays as it was: {reason:#}"),
            }
        }
        seen = now;
    }
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
/// How often it is looked whether the certificate has changed.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(2);

fn spawn_http(
    node: &Arc<Node>,
    access: http::Access,
    registry: Registry,
    listener: std::net::TcpListener,
    lifecycle: &Lifecycle,
) {
    let probes = Probes::new(lifecycle.readiness(), registry);
    let routes = http::routes(Arc::clone(node), access, probes);
    lifecycle.spawn("http", chassis::http::serve(listener, routes, lifecycle.stopping()));
}
