//! Which channels have to be subscribed, and who waits for that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::run_channels::is_whole_run;
use crate::subscriptions::{SubscribeRefusal, Subscribed, SubscriptionCommand, Subscriptions};

/// The channels, and the runs as a whole (`run:*`), with subscribers, by reference counts.
pub(crate) struct SubscriptionTable {
    subscriptions: Subscriptions,
    /// The most channels.
    max_channels: usize,
    channels: HashMap<Arc<str>, Entry>,
    /// How many of them are whole runs.
    whole_runs: usize,
    /// In use, and not yet subscribed in Redis.
    pending: HashSet<Arc<str>>,
    /// Subscribed in Redis, and no longer in use.
    unused: HashSet<Arc<str>>,
    /// In use, and the user may not subscribe to them any more.
    forbidden: HashSet<Arc<str>>,
}

#[derive(Default)]
struct Entry {
    guards: usize,
    waiters: Vec<oneshot::Sender<Subscribed>>,
}

impl SubscriptionTable {
    /// An empty table, whose guards send their release to `subscriptions`.
    pub(crate) fn new(subscriptions: Subscriptions, max_channels: usize) -> Self {
        Self {
            subscriptions,
            max_channels,
            channels: HashMap::new(),
            whole_runs: 0,
            pending: HashSet::new(),
            unused: HashSet::new(),
            forbidden: HashSet::new(),
        }
    }

    pub(crate) fn apply(&mut self, command: SubscriptionCommand) {
        match command {
            SubscriptionCommand::Subscribe(channel, waiter) => {
                if let Some(refusal) = self.refusal(&channel) {
                    // A waiter that has gone needs no answer.
                    let _ = waiter.send(Err(refusal));
                    return;
                }
                let whole_runs = &mut self.whole_runs;
                let entry = self.channels.entry(channel.clone()).or_insert_with_key(|channel| {
                    *whole_runs += usize::from(is_whole_run(channel));
                    Entry::default()
                });
                if entry.guards == 0 && entry.waiters.is_empty() && !self.unused.remove(&channel) {
                    self.pending.insert(channel.clone());
                }
                entry.push(waiter);
                if !self.pending.contains(&channel) {
                    self.confirm(&channel);
                }
            }
            SubscriptionCommand::Release(channel) => {
                let Some(entry) = self.channels.get_mut(&channel) else { return };
                entry.guards -= 1;
                if entry.guards == 0 && entry.waiters.is_empty() {
                    self.remove(&channel);
                    if !self.pending.remove(&channel) && !self.forbidden.remove(&channel) {
                        self.unused.insert(channel);
                    }
                }
            }
        }
    }

    /// Why nobody may subscribe to this channel now, if so.
    fn refusal(&mut self, channel: &Arc<str>) -> Option<SubscribeRefusal> {
        if self.forbidden.contains(channel) {
            return Some(SubscribeRefusal::Forbidden);
        }
        if self.has_room(channel) {
            return None;
        }
        self.drop_abandoned();
        (!self.has_room(channel)).then_some(SubscribeRefusal::TooManyChannels)
    }

    fn has_room(&self, channel: &Arc<str>) -> bool {
        self.channels.len() < self.max_channels || self.channels.contains_key(channel)
    }

    /// Drops the channels that are still pending and for which nobody waits any more.
    fn drop_abandoned(&mut self) {
        let channels = &mut self.channels;
        let is_abandoned = |channel: &Arc<str>| {
            channels.get_mut(channel).is_some_and(|entry| {
                entry.waiters.retain(|waiter| !waiter.is_closed());
                entry.guards == 0 && entry.waiters.is_empty()
            })
        };
        let abandoned: Vec<Arc<str>> = self.pending.extract_if(is_abandoned).collect();
        abandoned.iter().for_each(|channel| self.remove(channel));
    }

    fn remove(&mut self, channel: &Arc<str>) {
        if self.channels.remove(channel).is_some() {
            self.whole_runs -= usize::from(is_whole_run(channel));
        }
    }

    /// The connection was lost: every channel in use has to be subscribed again.
    pub(crate) fn reset(&mut self) {
        self.pending = self.channels.keys().cloned().collect();
        self.unused.clear();
        self.forbidden.clear();
    }

    /// The subscription of a channel was lost, and has to be made again. What nobody uses any more is ended then.
    pub(crate) fn lose(&mut self, channel: &Arc<str>) {
        if self.channels.contains_key(channel) {
            self.pending.insert(channel.clone());
        }
    }

    pub(crate) fn is_used(&self, channel: &str) -> bool {
        self.channels.contains_key(channel)
    }

    /// The channels that have to be subscribed.
    pub(crate) fn pending(&self) -> Vec<Arc<str>> {
        self.pending.iter().cloned().collect()
    }

    /// Takes out the channels that have to be unsubscribed.
    pub(crate) fn take_unused(&mut self) -> Vec<Arc<str>> {
        self.unused.drain().collect()
    }

    /// All channels in use.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.channels.keys()
    }

    /// Whether some run is in use as a whole.
    pub(crate) fn has_whole_runs(&self) -> bool {
        self.whole_runs > 0
    }

    /// Redis has confirmed a channel's subscription: everyone who waits for it gets a guard.
    pub(crate) fn confirm(&mut self, channel: &Arc<str>) {
        self.pending.remove(channel);
        let Some(entry) = self.channels.get_mut(channel) else { return };
        for waiter in std::mem::take(&mut entry.waiters) {
            // The guard counts even if the waiter has gone: the send fails, and dropping the guard releases it.
            entry.guards += 1;
            let _ = waiter.send(Ok(self.subscriptions.guard(channel.clone())));
        }
    }

    /// The user may not subscribe to this channel: everyone who waits for it is refused.
    pub(crate) fn refuse(&mut self, channel: &Arc<str>) {
        self.pending.remove(channel);
        let Some(entry) = self.channels.get_mut(channel) else { return };
        for waiter in std::mem::take(&mut entry.waiters) {
            let _ = waiter.send(Err(SubscribeRefusal::Forbidden));
        }
        if entry.guards == 0 {
            self.remove(channel);
        } else {
            self.forbidden.insert(channel.clone());
        }
    }

    /// The channels in use that the user may not subscribe to.
    pub(crate) fn forbidden(&self) -> Vec<Arc<str>> {
        self.forbidden.iter().cloned().collect()
    }

    /// A forbidden channel is subscribed again.
    pub(crate) fn allow(&mut self, channel: &Arc<str>) {
        self.forbidden.remove(channel);
    }
}

impl Entry {
    /// Adds a waiter. While Redis is away those that give up do not pile up.
    fn push(&mut self, waiter: oneshot::Sender<Subscribed>) {
        if self.waiters.len() == self.waiters.capacity() {
            self.waiters.retain(|waiter| !waiter.is_closed());
        }
        self.waiters.push(waiter);
    }
}

#[cfg(test)]
mod tests;
