//! Which channels somebody wants, and who waits for their subscription to stand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::shard::Interest;

/// A change of what is wanted.
pub(crate) enum Change {
    /// A channel is wanted; the sender is told when its subscription stands.
    Want(Arc<str>, oneshot::Sender<Interest>),
    /// One who wanted it does so no longer.
    Release(Arc<str>),
}

/// The way to say what is wanted. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Wishes(mpsc::UnboundedSender<Change>);

impl Wishes {
    /// The way in, and what comes out of it.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Change>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Wants a channel. The answer comes when its subscription stands; the channel is wanted as long as the answer lives.
    pub(crate) fn want(&self, channel: &str) -> oneshot::Receiver<Interest> {
        let (sender, receiver) = oneshot::channel();
        // The receiver ends with the process; then the answer never comes.
        let _ = self.0.send(Change::Want(channel.into(), sender));
        receiver
    }
}

struct Held {
    channel: Arc<str>,
    wishes: Wishes,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.wishes.0.send(Change::Release(self.channel.clone()));
    }
}

/// What is wanted, and which of it stands.
pub(crate) struct Interests {
    wishes: Wishes,
    channels: HashMap<Arc<str>, Wanted>,
    /// Wanted, and not subscribed yet.
    missing: HashSet<Arc<str>>,
    /// Subscribed, and perhaps not wanted any more.
    unwanted: HashSet<Arc<str>>,
}

#[derive(Default)]
struct Wanted {
    holders: usize,
    waiting: Vec<oneshot::Sender<Interest>>,
}

impl Interests {
    pub(crate) fn new(wishes: Wishes) -> Self {
        Self { wishes, channels: HashMap::new(), missing: HashSet::new(), unwanted: HashSet::new() }
    }

    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Want(channel, waiting) => {
                let wanted = self.channels.entry(channel.clone()).or_default();
                if wanted.holders == 0 && wanted.waiting.is_empty() && !self.unwanted.remove(&channel) {
                    self.missing.insert(channel.clone());
                }
                wanted.waiting.push(waiting);
                if !self.missing.contains(&channel) {
                    self.stands(&channel);
                }
            }
            Change::Release(channel) => {
                let Some(wanted) = self.channels.get_mut(&channel) else { return };
                wanted.holders -= 1;
                if wanted.holders == 0 && wanted.waiting.is_empty() {
                    self.channels.remove(&channel);
                    if !self.missing.remove(&channel) {
                        self.unwanted.insert(channel);
                    }
                }
            }
        }
    }

    /// Everything has to be subscribed again.
    pub(crate) fn lost_all(&mut self) {
        self.missing = self.channels.keys().cloned().collect();
        self.unwanted.clear();
    }

    /// The channels to subscribe.
    pub(crate) fn missing(&self) -> Vec<Arc<str>> {
        self.missing.iter().cloned().collect()
    }

    /// The channels to unsubscribe, which are then forgotten.
    pub(crate) fn take_unwanted(&mut self) -> Vec<Arc<str>> {
        self.unwanted.drain().collect()
    }

    /// All channels that are wanted.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.channels.keys()
    }

    /// A channel's subscription stands: whoever waits for it is told.
    pub(crate) fn stands(&mut self, channel: &Arc<str>) {
        self.missing.remove(channel);
        let Some(wanted) = self.channels.get_mut(channel) else { return };
        for waiting in std::mem::take(&mut wanted.waiting) {
            // Counted even if nobody waits any more: what comes back unread is released like any other.
            wanted.holders += 1;
            let _ = waiting.send(Arc::new(Held { channel: channel.clone(), wishes: self.wishes.clone() }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply_all(interests: &mut Interests, changes: &mut mpsc::UnboundedReceiver<Change>) {
        while let Ok(change) = changes.try_recv() {
            interests.apply(change);
        }
    }

    #[test]
    fn a_channel_is_subscribed_once_and_unsubscribed_after_the_last_release() {
        let (wishes, mut changes) = Wishes::new();
        let mut interests = Interests::new(wishes.clone());
        let (mut one, mut two) = (wishes.want("r:a"), wishes.want("r:a"));
        apply_all(&mut interests, &mut changes);
        assert_eq!(interests.missing(), ["r:a".into()]);
        assert!(one.try_recv().is_err(), "it does not stand yet");
        interests.stands(&"r:a".into());
        let (one, two) = (one.try_recv().unwrap(), two.try_recv().unwrap());
        let mut three = wishes.want("r:a");
        apply_all(&mut interests, &mut changes);
        let three = three.try_recv().expect("it stands already");
        assert!(interests.missing().is_empty());
        drop((one, two));
        apply_all(&mut interests, &mut changes);
        assert!(interests.take_unwanted().is_empty());
        drop(three);
        apply_all(&mut interests, &mut changes);
        assert_eq!(interests.take_unwanted(), ["r:a".into()]);
    }

    #[test]
    fn who_waits_no_longer_holds_nothing() {
        let (wishes, mut changes) = Wishes::new();
        let mut interests = Interests::new(wishes.clone());
        drop(wishes.want("r:a"));
        apply_all(&mut interests, &mut changes);
        interests.stands(&"r:a".into());
        apply_all(&mut interests, &mut changes);
        assert_eq!(interests.take_unwanted(), ["r:a".into()]);
        assert_eq!(interests.channels().count(), 0);
    }

    #[test]
    fn a_channel_that_is_wanted_again_before_it_is_unsubscribed_still_stands() {
        let (wishes, mut changes) = Wishes::new();
        let mut interests = Interests::new(wishes.clone());
        let mut first = wishes.want("r:a");
        apply_all(&mut interests, &mut changes);
        interests.stands(&"r:a".into());
        drop(first.try_recv().unwrap());
        apply_all(&mut interests, &mut changes);
        let mut again = wishes.want("r:a");
        apply_all(&mut interests, &mut changes);
        assert!(again.try_recv().is_ok() && interests.take_unwanted().is_empty());
    }

    #[test]
    fn after_a_reconnect_all_that_is_wanted_is_missing() {
        let (wishes, mut changes) = Wishes::new();
        let mut interests = Interests::new(wishes.clone());
        let _wanted = wishes.want("r:a");
        apply_all(&mut interests, &mut changes);
        interests.stands(&"r:a".into());
        interests.lost_all();
        assert_eq!(interests.missing(), ["r:a".into()]);
    }
}
