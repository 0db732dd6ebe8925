//! What one connection is subscribed to, and what it shall be subscribed to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// See [the module](self). It only keeps account.
#[derive(Default)]
pub(super) struct Subscriptions {
    standing: HashSet<Arc<str>>,
    pending: HashMap<Arc<str>, Pending>,
    forbidden: HashSet<Arc<str>>,
    /// Subscribed, and not wanted any more.
    unused: Vec<Arc<str>>,
    /// Their slots have gone to another shard. Until this one knows it, producers that do not know it either publish here.
    leaving: HashSet<Arc<str>>,
    /// How many there are, as Redis said last.
    count: usize,
}

/// What is known of a channel that has to be subscribed to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// It was never subscribed.
    New,
    /// It was subscribed before.
    Lost,
    /// It may still be subscribed: Redis has ended some.
    Unsure,
}

impl Subscriptions {
    pub(super) fn add(&mut self, channel: Arc<str>, has_stood: bool) {
        self.leaving.remove(&channel);
        self.pending.insert(channel, if has_stood { Pending::Lost } else { Pending::New });
    }

    /// The channel is not wanted any more.
    pub(super) fn remove(&mut self, channel: Arc<str>) {
        if self.take(&channel) {
            self.unused.push(channel);
        }
    }

    /// The slot of the channel has gone to another shard, and so Redis ends its subscription.
    pub(super) fn forget(&mut self, channel: Arc<str>) {
        if self.take(&channel) {
            self.leaving.insert(channel);
        }
    }

    /// Takes out a channel. `true`: it may have stood.
    fn take(&mut self, channel: &str) -> bool {
        self.forbidden.remove(channel);
        let is_unsure = self.pending.remove(channel) == Some(Pending::Unsure);
        self.standing.remove(channel) || is_unsure
    }

    /// Whether what is published on the channel is to be passed on.
    pub(super) fn is_wanted(&self, channel: &str) -> bool {
        self.standing.contains(channel)
            || self.pending.contains_key(channel)
            || self.leaving.contains(channel)
    }

    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.unused.is_empty()
    }

    /// Up to `size` channels that have to be subscribed to.
    pub(super) fn pending(&self, size: usize) -> Vec<Arc<str>> {
        self.pending.keys().take(size).cloned().collect()
    }

    /// Takes out up to `size` channels that have to be unsubscribed.
    pub(super) fn take_unused(&mut self, size: usize) -> Vec<Arc<str>> {
        self.unused.split_off(self.unused.len().saturating_sub(size))
    }

    /// Redis has confirmed a channel, with the number of subscriptions that there are now. Returns whether messages may have been
    /// missed; `None` if it is not pending.
    pub(super) fn confirm(&mut self, channel: &Arc<str>, count: usize) -> Option<bool> {
        let is_new = std::mem::replace(&mut self.count, count) != count;
        let pending = self.pending.remove(channel)?;
        self.standing.insert(channel.clone());
        Some(match pending {
            Pending::New => false,
            Pending::Lost => true,
            // Where it had stood, there are not more now.
            Pending::Unsure => is_new,
        })
    }

    /// The user may not subscribe to the channel. `true`: it may have stood.
    pub(super) fn forbid(&mut self, channel: &Arc<str>) -> bool {
        self.forbidden.insert(channel.clone());
        self.pending.remove(channel) == Some(Pending::Unsure)
    }

    /// Channels that were forbidden are tried again.
    pub(super) fn retry_forbidden(&mut self) {
        self.pending.extend(self.forbidden.drain().map(|channel| (channel, Pending::Lost)));
    }

    /// Redis says that it has not the channel's slot. `true`: the channel was subscribed until now.
    pub(super) fn note_moved(&mut self, channel: &str) -> bool {
        match self.pending.get_mut(channel) {
            Some(pending @ Pending::Unsure) => {
                *pending = Pending::Lost;
                true
            }
            _ => false,
        }
    }

    /// Redis says how many there are. If these are too few, all are pending. `false`: there are too many.
    pub(super) fn check(&mut self, count: usize) -> bool {
        self.count = count;
        if count <= self.standing.len() {
            self.leaving.clear();
        }
        if count < self.standing.len() {
            self.pending.extend(self.standing.drain().map(|channel| (channel, Pending::Unsure)));
            return true;
        }
        count <= self.standing.len() + self.leaving.len()
    }

    /// The connection is lost. Returns the channels that were subscribed until now.
    pub(super) fn lose_all(&mut self) -> Vec<Arc<str>> {
        self.count = 0;
        self.unused.clear();
        self.leaving.clear();
        let unsure = self.pending.iter_mut().filter(|(_, pending)| **pending == Pending::Unsure);
        let mut lost: Vec<Arc<str>> = unsure
            .map(|(channel, pending)| {
                *pending = Pending::Lost;
                channel.clone()
            })
            .collect();
        lost.extend(self.standing.drain());
        self.pending.extend(lost.iter().map(|channel| (channel.clone(), Pending::Lost)));
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str]) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        for (name, count) in names.iter().zip(1..) {
            subscriptions.add((*name).into(), false);
            assert_eq!(subscriptions.confirm(&(*name).into(), count), Some(false));
        }
        subscriptions
    }

    fn channel(name: &str) -> Arc<str> {
        name.into()
    }

    #[test]
    fn of_subscriptions_that_redis_has_ended_only_those_have_missed_something() {
        let mut subscriptions = with(&["a", "b", "c"]);
        assert!(subscriptions.check(3) && subscriptions.is_settled());
        assert!(subscriptions.check(1), "Redis has ended two");
        assert_eq!(subscriptions.pending(10).len(), 3);
        assert_eq!(subscriptions.confirm(&channel("a"), 1), Some(false), "it had stood");
        assert_eq!(subscriptions.confirm(&channel("b"), 2), Some(true));
        assert!(subscriptions.note_moved("c"));
        assert!(!subscriptions.note_moved("c"), "it is told once");
        assert_eq!(subscriptions.confirm(&channel("c"), 3), Some(true));
        assert!(subscriptions.check(3) && !subscriptions.check(4));
    }

    #[test]
    fn a_lost_connection_loses_all_that_stood_and_what_goes_with_its_slot_is_not_unsubscribed() {
        let mut subscriptions = with(&["a", "b", "c"]);
        subscriptions.remove(channel("a"));
        assert_eq!(subscriptions.take_unused(10), [channel("a")]);
        subscriptions.forget(channel("b"));
        assert!(subscriptions.take_unused(10).is_empty());
        assert!(subscriptions.check(2) && subscriptions.is_wanted("b"), "Redis does not know yet");
        assert!(subscriptions.check(1) && !subscriptions.is_wanted("b"));
        subscriptions.add(channel("d"), false);
        assert_eq!(subscriptions.lose_all(), [channel("c")]);
        assert_eq!(subscriptions.confirm(&channel("d"), 1), Some(false));
        assert_eq!(subscriptions.confirm(&channel("c"), 2), Some(true));
    }

    #[test]
    fn a_forbidden_channel_is_tried_again_and_has_then_missed_something() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.add(channel("a"), false);
        assert!(!subscriptions.forbid(&channel("a")) && subscriptions.is_settled());
        assert!(!subscriptions.is_wanted("a"));
        subscriptions.retry_forbidden();
        assert_eq!(subscriptions.confirm(&channel("a"), 1), Some(true));
        assert!(subscriptions.is_wanted("a"));
    }
}
