//! Connects the backend, and runs what it needs in the background.

use redis_core::{Connection, RedisConfig, State, connect};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::backend::RedisBackend;
use super::batch_loop::BatchLoop;
use super::garbage_collector::collect_garbage;
use super::needs::needs;
use super::operation::Operation;
use super::options::{RedisError, RedisOptions};

/// The background work of a backend. Nothing is sent to Redis unless it runs.
pub(crate) struct RedisWorker {
    backend: RedisBackend,
    queue: mpsc::UnboundedReceiver<Operation>,
    config: RedisConfig,
}

/// Makes a backend that connects in the background.
///
/// # Errors
/// When the address or the credentials are malformed.
pub(crate) fn connect(
    options: RedisOptions,
) -> Result<(RedisBackend, RedisWorker, watch::Receiver<State>), RedisError> {
    let RedisOptions { redis: config, key_prefix, cache_bytes } = options;
    let Connection { client: pool, state, .. } = connect::pool(&config)?.check(&config, needs(&key_prefix));
    let (backend, queue) = RedisBackend::new(pool, key_prefix, cache_bytes);
    Ok((backend.clone(), RedisWorker { backend, queue, config }, state))
}

impl RedisWorker {
    /// Runs until `stopped`.
    ///
    /// # Errors
    /// When the subscriber cannot be set up.
    pub(crate) async fn run(self, stopped: CancellationToken) -> anyhow::Result<()> {
        let Self { backend, queue, config } = self;
        // Its state is kept, because the connection is watched only as long as somebody could look at it.
        let Connection { client: subscriber, state: _state, .. } = connect::subscriber(&config)?;
        let batches = BatchLoop::new(backend.clone(), queue, &subscriber, config.wait_replicas());
        tokio::select! {
            () = batches.run() => {}
            () = super::batch_loop::subscribe(&backend, &subscriber) => {}
            () = collect_garbage(&backend) => {}
            () = stopped.cancelled() => {}
        }
        Ok(())
    }
}
