//! Sharded Pub/Sub: what is published by SPUBLISH is told by the shard that has the hash slot of the channel, and by no other.
//!
//! So there is a connection to each shard. A channel is subscribed to where its slot is, and again where the slot has gone to.

mod event;
mod listener;
mod subscriptions;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};

use self::event::Ended;
pub use self::event::ShardedEvent;
use self::listener::{Change, Listener};
use crate::key::hash_slot;
use crate::state::{publish_state, starting, state_of_shards};
use crate::{Redis, Shard, State, Topology};

/// Subscriptions by SSUBSCRIBE (Redis 7.0.3 or later), which follow the slots of their channels. On one Redis there is one shard.
///
/// They end when this is dropped.
pub struct ShardedPubSub {
    commands: mpsc::UnboundedSender<Command>,
    state: watch::Receiver<State>,
}

enum Command {
    Subscribe(Arc<str>),
    Unsubscribe(Arc<str>),
}

impl ShardedPubSub {
    fn new(redis: &Redis, event_capacity: usize) -> (Self, mpsc::Receiver<ShardedEvent>) {
        let (commands, command_receiver) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::channel(event_capacity);
        let (state_sender, state) = watch::channel(starting());
        let places = Places {
            redis: redis.clone(),
            topology: Topology::default(),
            listeners: Vec::new(),
            channels: HashMap::new(),
            events,
            event_capacity,
            state: state_sender,
            state_changed: Arc::default(),
        };
        tokio::spawn(places.run(command_receiver));
        (Self { commands, state }, event_receiver)
    }

    /// Subscribes to a channel. [`ShardedEvent::Subscribed`] tells when Redis has confirmed it.
    pub fn subscribe(&self, channel: Arc<str>) {
        self.send(Command::Subscribe(channel));
    }

    /// Ends the subscription of a channel.
    pub fn unsubscribe(&self, channel: Arc<str>) {
        self.send(Command::Unsubscribe(channel));
    }

    fn send(&self, command: Command) {
        // The receiver ends only with the process, or when nobody takes the events any more.
        let _ = self.commands.send(command);
    }

    /// Whether each shard can be subscribed at.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

impl Redis {
    /// Subscriptions to what is published by SPUBLISH, and what they tell. While nobody takes that, `event_capacity` messages wait, and
    /// as many of each shard; beyond that the channels of the shard are told as lost.
    pub fn sharded_pubsub(&self, event_capacity: usize) -> (ShardedPubSub, mpsc::Receiver<ShardedEvent>) {
        ShardedPubSub::new(self, event_capacity)
    }
}

/// Where the channels are subscribed to.
struct Places {
    redis: Redis,
    topology: Topology,
    listeners: Vec<Listener>,
    channels: HashMap<Arc<str>, Place>,
    events: mpsc::Sender<ShardedEvent>,
    event_capacity: usize,
    state: watch::Sender<State>,
    state_changed: Arc<Notify>,
}

struct Place {
    slot: u16,
    shard: Option<Shard>,
}

impl Places {
    /// Runs until nobody wants subscriptions, or nobody takes the events any more.
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut topology = self.redis.topology();
        topology.mark_changed();
        loop {
            tokio::select! {
                biased;
                changed = topology.changed() => {
                    let known = topology.borrow_and_update().clone();
                    if changed.is_err() || self.follow(known).await.is_err() {
                        return;
                    }
                }
                command = commands.recv() => match command {
                    Some(command) => self.apply(command),
                    None => return,
                },
                () = self.state_changed.notified() => {}
                () = self.events.closed() => return,
            }
            publish_state(&self.state, self.find_state());
        }
    }

    fn apply(&mut self, command: Command) {
        match command {
            Command::Subscribe(channel) => {
                if self.channels.contains_key(&channel) {
                    return;
                }
                let slot = hash_slot(&*channel);
                let shard = self.topology.shard_of(slot).cloned();
                self.tell(shard.as_ref(), Change::Add { channel: channel.clone(), has_stood: false });
                self.channels.insert(channel, Place { slot, shard });
            }
            Command::Unsubscribe(channel) => {
                if let Some(place) = self.channels.remove(&channel) {
                    self.tell(place.shard.as_ref(), Change::Remove(channel));
                }
            }
        }
    }

    fn tell(&self, shard: Option<&Shard>, change: Change) {
        if let Some(listener) = self.listeners.iter().find(|listener| Some(&listener.shard) == shard) {
            listener.apply(change);
        }
    }

    /// Has each channel subscribed to where its slot is now.
    async fn follow(&mut self, topology: Topology) -> Result<(), Ended> {
        self.listeners.retain(|listener| topology.shards().contains(&listener.shard));
        for shard in topology.shards() {
            if self.listeners.iter().all(|known| known.shard != *shard) {
                let changed = self.state_changed.clone();
                match Listener::start(shard, &self.redis, self.event_capacity, self.events.clone(), changed) {
                    Ok(listener) => self.listeners.push(listener),
                    Err(error) => tracing::error!("subscribe at {shard}: {error}"),
                }
            }
        }
        self.topology = topology;
        let (mut moved, mut lost) = (Vec::new(), Vec::new());
        for (channel, place) in &mut self.channels {
            let shard = self.topology.shard_of(place.slot);
            if shard != place.shard.as_ref() {
                let old = std::mem::replace(&mut place.shard, shard.cloned());
                lost.extend(old.is_some().then(|| channel.clone()));
                moved.push((channel.clone(), old, place.shard.clone()));
            }
        }
        for (channel, old, _) in &moved {
            self.tell(old.as_ref(), Change::Forget(channel.clone()));
        }
        if !lost.is_empty() {
            self.events.send(ShardedEvent::Lost(lost)).await.map_err(|_| Ended)?;
        }
        // After that it may be told that they are subscribed.
        for (channel, _, new) in moved {
            self.tell(new.as_ref(), Change::Add { channel, has_stood: true });
        }
        Ok(())
    }

    fn find_state(&self) -> State {
        state_of_shards(self.listeners.iter().map(|listener| (&listener.shard, listener.state())))
    }
}
