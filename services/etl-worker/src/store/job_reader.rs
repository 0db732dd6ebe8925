use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, StreamsInterface};
use redis_core::key::hash_slot;
use redis_core::{ErrorClass, RedisError, State, Topology, connect, publish_state};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::client::{GROUP, Store, StreamEntries};
use super::job::Jobs;

/// Waits for new jobs, on a connection of its own because the reads block.
pub struct JobReader {
    store: Store,
    connection: watch::Receiver<Option<Client>>,
}

impl JobReader {
    /// Connects in the background, to the shard that has the jobs, and to another once they are there. The jobs are taken in the
    /// name of the process's store.
    pub fn connect(store: Store) -> (Self, watch::Receiver<State>) {
        let (clients, connection) = watch::channel(None);
        let (states, state) = watch::channel(Err("the shard that has the jobs is not known yet".to_owned()));
        tokio::spawn(stay_at_jobs(store.redis.topology(), hash_slot(store.jobs_key()), clients, states));
        (Self { store, connection }, state)
    }

    /// Waits for new jobs and takes up to `count` of them. Returns none if there were none within `wait`.
    pub async fn read(&self, count: usize, wait: Duration) -> Result<Jobs, RedisError> {
        let Some(client) = self.connection.borrow().clone() else {
            sleep(wait).await;
            return Ok(Jobs::default());
        };
        let wait = wait.min(connect::MAX_BLOCKING);
        let read = timeout(wait + REPLY_TIMEOUT, self.take(client.clone(), count, Some(wait))).await;
        let read = match read.unwrap_or_else(|_| Err(RedisError::new(ErrorKind::Timeout, NO_REPLY))) {
            // The slot of the jobs moves to another shard, where the connection will lead a moment later.
            Err(error) if ErrorClass::of(&error) == ErrorClass::Cluster => {
                sleep(wait.min(MOVE_PAUSE)).await;
                self.store.on_own(|client| self.take(client, count, None)).await
            }
            read => read,
        };
        if let Err(error) = &read
            && (*error.kind() == ErrorKind::Timeout || ErrorClass::of(error) == ErrorClass::WrongServer)
        {
            // The connection is half-open, or leads to a server that is not the primary any more. If Redis gave jobs to it,
            // they are taken over after their lease.
            let _ = timeout(REPLY_TIMEOUT, client.force_reconnection()).await;
        }
        read
    }

    /// Takes jobs; if there are none, waits if it says so.
    async fn take(&self, client: Client, count: usize, wait: Option<Duration>) -> Result<Jobs, RedisError> {
        let wait_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1));
        let (consumer, jobs) = (self.store.consumer.as_ref(), self.store.jobs_key());
        let read = client.xreadgroup(GROUP, consumer, u64::try_from(count).ok(), wait_ms, false, jobs, ">");
        let reply: Result<Vec<(String, StreamEntries)>, RedisError> = read.await;
        let entries = reply?.into_iter().flat_map(|(_, entries)| entries);
        Ok(Jobs::parse(entries.map(|(entry_id, fields)| (entry_id, fields.into_iter().nth(1)))))
    }
}

/// Keeps a connection to the shard that has the slot of the jobs, until nobody reads any more.
async fn stay_at_jobs(
    mut topology: watch::Receiver<Topology>,
    slot: u16,
    clients: watch::Sender<Option<Client>>,
    states: watch::Sender<State>,
) {
    loop {
        let known = topology.wait_for(|topology| topology.shard_of(slot).is_some()).await;
        let Ok(Some(shard)) = known.map(|topology| topology.shard_of(slot).cloned()) else { return };
        let connection = match connect::client(shard.config()) {
            Ok(connection) => connection,
            Err(error) => return publish_state(&states, Err(error.to_string())),
        };
        clients.send_replace(Some(connection.client.clone()));
        let has_moved = |topology: &Topology| topology.shard_of(slot).is_some_and(|now| *now != shard);
        let is_over = tokio::select! {
            () = pass_on(connection.state.clone(), &states) => true,
            moved = topology.wait_for(has_moved) => moved.is_err(),
            () = clients.closed() => true,
        };
        if is_over {
            return connection.close().await;
        }
        tokio::spawn(async move { connection.close().await });
    }
}

/// Publishes a state until its connection ends.
async fn pass_on(mut state: watch::Receiver<State>, states: &watch::Sender<State>) {
    loop {
        publish_state(states, state.borrow_and_update().clone());
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// An answer that takes so much longer than the wait counts as lost.
const REPLY_TIMEOUT: Duration = Duration::from_secs(3);
const NO_REPLY: &str = "no reply on the blocking connection";
/// How long a read waits while the jobs move.
const MOVE_PAUSE: Duration = Duration::from_millis(50);
