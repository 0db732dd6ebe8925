//! The subscribing connections: one to each shard, as long as it has slots.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use redis_core::{Redis, State, publish_state, state_of_shards};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tracing::error;

use super::event::Event;
use super::listener::Listener;
use crate::shard_name::ShardName;

/// Keeps a listener for each shard.
pub(super) struct Listeners {
    redis: Redis,
    process: String,
    listeners: RwLock<BTreeMap<ShardName, Arc<Listener>>>,
    state: watch::Sender<State>,
}

impl Listeners {
    pub(super) fn new(redis: Redis) -> Self {
        let process = format!("{:x}", chassis::unique::instance_id());
        let state = watch::Sender::new(Err("not connected yet".to_owned()));
        Self { redis, process, listeners: RwLock::default(), state }
    }

    /// The state of all connections: that of the first that does not work.
    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn get(&self, name: &ShardName) -> Option<Arc<Listener>> {
        self.listeners.read().get(name).cloned()
    }

    /// Sends events until the receiver is dropped.
    pub(super) async fn listen(&self, events: mpsc::Sender<Event>) {
        let mut topology = self.redis.topology();
        let (mut tasks, state_changed) = (JoinSet::new(), Arc::new(Notify::new()));
        let mut running = BTreeMap::new();
        loop {
            let known = topology.borrow_and_update().clone();
            for listener in self.replace() {
                let (events, changed) = (events.clone(), Arc::clone(&state_changed));
                let name = listener.name.clone();
                let mut state = listener.subscriber.state();
                let task = tasks.spawn(async move {
                    tokio::select! {
                        () = listener.listen(events) => {}
                        // Never ends: a state is there as long as its connection.
                        () = async { while state.changed().await.is_ok() { changed.notify_one() } } => {}
                    }
                });
                running.insert(name, task);
            }
            let names: Vec<ShardName> = self.listeners.read().keys().cloned().collect();
            running.retain(|name, task: &mut AbortHandle| {
                let is_kept = names.contains(name);
                if !is_kept {
                    task.abort();
                }
                is_kept
            });
            if events.send(Event::Shards(names)).await.is_err() {
                return;
            }
            loop {
                publish_state(&self.state, self.find_state());
                tokio::select! {
                    changed = topology.changed() => match changed {
                        Ok(()) if topology.borrow_and_update().has_same_slots(&known) => {}
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    () = state_changed.notified() => {}
                    () = events.closed() => return,
                }
            }
        }
    }

    /// Ends the listeners of shards that are gone, and returns new ones for those that have come.
    fn replace(&self) -> Vec<Arc<Listener>> {
        let shards = self.redis.shards();
        let mut listeners = self.listeners.write();
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut *listeners)
            .into_iter()
            .partition(|(_, listener)| shards.contains(&listener.shard));
        *listeners = kept;
        for listener in gone.into_values() {
            tokio::spawn(async move { listener.subscriber.close().await });
        }
        let mut new = Vec::new();
        for shard in shards.iter().filter(|shard| !listeners.values().any(|known| known.shard == **shard)) {
            match Listener::new(&self.redis, shard, &self.process) {
                Ok(listener) => new.push(Arc::new(listener)),
                Err(reason) => error!("listen to {shard}: {reason}"),
            }
        }
        listeners.extend(new.iter().map(|listener| (listener.name.clone(), Arc::clone(listener))));
        new
    }

    fn find_state(&self) -> State {
        let listeners = self.listeners.read();
        state_of_shards(
            listeners.iter().map(|(name, listener)| (name, listener.subscriber.state().borrow().clone())),
        )
    }
}
