//! Which channels have to be subscribed, and who waits for that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::subscriptions::{SubscribeRefusal, Subscribed, SubscriptionCommand, Subscriptions};

/// The channels with subscribers, by reference counts.
pub(crate) struct SubscriptionTable {
    subscriptions: Subscriptions,
    /// The most channels.
    max_channels: usize,
    channels: HashMap<Arc<str>, Entry>,
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
                let entry = self.channels.entry(channel.clone()).or_default();
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
                    self.channels.remove(&channel);
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
        self.pending.retain(|channel| {
            let is_abandoned = channels.get_mut(channel).is_some_and(|entry| {
                entry.waiters.retain(|waiter| !waiter.is_closed());
                entry.guards == 0 && entry.waiters.is_empty()
            });
            if is_abandoned {
                channels.remove(channel);
            }
            !is_abandoned
        });
    }

    /// The connection was lost: every channel in use has to be subscribed again.
    pub(crate) fn reset(&mut self) {
        self.pending = self.channels.keys().cloned().collect();
        self.unused.clear();
        self.forbidden.clear();
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
            self.channels.remove(channel);
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
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn new_table() -> (Subscriptions, mpsc::UnboundedReceiver<SubscriptionCommand>, SubscriptionTable) {
        let (subscriptions, commands) = Subscriptions::new();
        let table = SubscriptionTable::new(subscriptions.clone(), 2);
        (subscriptions, commands, table)
    }

    fn apply_all(table: &mut SubscriptionTable, commands: &mut mpsc::UnboundedReceiver<SubscriptionCommand>) {
        while let Ok(command) = commands.try_recv() {
            table.apply(command);
        }
    }

    fn refusal(waiter: &mut oneshot::Receiver<Subscribed>) -> Option<SubscribeRefusal> {
        waiter.try_recv().unwrap().err()
    }

    #[test]
    fn channels_beyond_the_limit_are_refused_and_those_that_nobody_waits_for_do_not_count() {
        let (subscriptions, mut commands, mut table) = new_table();
        drop(subscriptions.subscribe("r:gone"));
        let _waiting = [subscriptions.subscribe("r:a"), subscriptions.subscribe("r:b")];
        let (mut full, mut known) = (subscriptions.subscribe("r:c"), subscriptions.subscribe("r:a"));
        apply_all(&mut table, &mut commands);
        assert_eq!(refusal(&mut full), Some(SubscribeRefusal::TooManyChannels));
        assert!(known.try_recv().is_err(), "it waits for Redis");
        assert_eq!(table.channels().count(), 2);
    }

    #[test]
    fn a_channel_is_subscribed_once_and_unsubscribed_after_the_last_release() {
        let (subscriptions, mut commands, mut table) = new_table();
        let (mut one, mut two) = (subscriptions.subscribe("r:a"), subscriptions.subscribe("r:a"));
        apply_all(&mut table, &mut commands);
        assert_eq!(table.pending(), ["r:a".into()]);
        assert!(one.try_recv().is_err(), "it is not confirmed yet");
        table.confirm(&"r:a".into());
        let (one, two) = (one.try_recv().unwrap().unwrap(), two.try_recv().unwrap().unwrap());
        let mut three = subscriptions.subscribe("r:a");
        apply_all(&mut table, &mut commands);
        let three = three.try_recv().expect("it is confirmed already").unwrap();
        assert!(table.pending().is_empty());
        drop((one, two));
        apply_all(&mut table, &mut commands);
        assert!(table.take_unused().is_empty());
        drop(three);
        apply_all(&mut table, &mut commands);
        assert_eq!(table.take_unused(), ["r:a".into()]);
    }

    #[test]
    fn a_waiter_that_has_gone_keeps_no_subscription() {
        let (subscriptions, mut commands, mut table) = new_table();
        drop(subscriptions.subscribe("r:a"));
        apply_all(&mut table, &mut commands);
        table.confirm(&"r:a".into());
        apply_all(&mut table, &mut commands);
        assert_eq!(table.take_unused(), ["r:a".into()]);
        assert_eq!(table.channels().count(), 0);
    }

    #[test]
    fn a_channel_that_is_used_again_before_it_is_unsubscribed_stays_subscribed() {
        let (subscriptions, mut commands, mut table) = new_table();
        let mut first = subscriptions.subscribe("r:a");
        apply_all(&mut table, &mut commands);
        table.confirm(&"r:a".into());
        drop(first.try_recv().unwrap().unwrap());
        apply_all(&mut table, &mut commands);
        let mut again = subscriptions.subscribe("r:a");
        apply_all(&mut table, &mut commands);
        assert!(again.try_recv().is_ok() && table.take_unused().is_empty());
    }

    #[test]
    fn after_a_reconnect_every_channel_in_use_is_pending() {
        let (subscriptions, mut commands, mut table) = new_table();
        let _waiter = subscriptions.subscribe("r:a");
        apply_all(&mut table, &mut commands);
        table.confirm(&"r:a".into());
        table.reset();
        assert_eq!(table.pending(), ["r:a".into()]);
    }

    #[test]
    fn a_forbidden_channel_refuses_its_waiters_and_is_tried_again_for_its_viewers() {
        let (subscriptions, mut commands, mut table) = new_table();
        let channel: Arc<str> = "r:a".into();
        let mut viewer = subscriptions.subscribe("r:a");
        apply_all(&mut table, &mut commands);
        table.confirm(&channel);
        let guard = viewer.try_recv().unwrap().unwrap();
        table.reset();
        let mut waiter = subscriptions.subscribe("r:a");
        apply_all(&mut table, &mut commands);
        table.refuse(&channel);
        assert_eq!(refusal(&mut waiter), Some(SubscribeRefusal::Forbidden));
        assert!(table.pending().is_empty());
        assert_eq!(table.forbidden(), std::slice::from_ref(&channel));
        let mut late = subscriptions.subscribe("r:a");
        apply_all(&mut table, &mut commands);
        assert_eq!(refusal(&mut late), Some(SubscribeRefusal::Forbidden));
        drop(guard);
        apply_all(&mut table, &mut commands);
        assert!(table.forbidden().is_empty() && table.take_unused().is_empty());
        assert_eq!(table.channels().count(), 0);
    }
}
