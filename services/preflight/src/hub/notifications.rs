//! What the hub knows about the subscribing connections, one for each shard.

use std::collections::BTreeMap;

use redis_core::{State, publish_state};
use tokio::sync::watch;

use super::notification_state::NotificationState;
use crate::notification_support::NotificationSupport;
use crate::shard_name::ShardName;

/// The present connection of each shard that there is one to.
pub(super) struct Notifications {
    shards: BTreeMap<ShardName, NotificationState>,
    /// Of the newest connection.
    last_epoch: u64,
    /// What an operator should know. An error until a probe has found out something.
    note: watch::Sender<State>,
}

impl Default for Notifications {
    fn default() -> Self {
        let (note, _) = watch::channel(Err("not probed yet".to_owned()));
        Self { shards: BTreeMap::new(), last_epoch: 0, note }
    }
}

impl Notifications {
    pub(super) fn note(&self) -> watch::Receiver<State> {
        self.note.subscribe()
    }

    pub(super) fn of(&self, shard: &ShardName) -> Option<&NotificationState> {
        self.shards.get(shard)
    }

    /// There are these shards now, and no others.
    pub(super) fn on_shards(&mut self, shards: &[ShardName]) {
        self.shards.retain(|shard, _| shards.contains(shard));
    }

    /// There is a new connection to a shard.
    pub(super) fn on_connected(&mut self, shard: ShardName) {
        self.last_epoch += 1;
        self.shards.insert(shard, NotificationState::new(self.last_epoch));
    }

    /// A change of a watched run was reported.
    pub(super) fn on_change(&mut self, shard: &ShardName) {
        if let Some(state) = self.shards.get_mut(shard) {
            state.on_change();
        }
    }

    /// Stores the result of a probe. Returns whether it differs from the one before.
    pub(super) fn on_probed(&mut self, shard: &ShardName, support: NotificationSupport) -> bool {
        let Some(state) = self.shards.get_mut(shard) else { return false };
        let is_new = state.support.as_ref() != Some(&support);
        state.support = Some(support);
        publish_state(&self.note, Ok(self.find_note()));
        is_new
    }

    /// Whether every shard is known to report changes.
    pub(super) fn reports_changes(&self) -> bool {
        let reports = |state: &NotificationState| {
            state.support.as_ref().is_none_or(NotificationSupport::reports_changes)
        };
        !self.shards.is_empty() && self.shards.values().all(reports)
    }

    /// The note about the first shard that there is one about. Where there are several, it is named.
    fn find_note(&self) -> Option<String> {
        let notes =
            self.shards.iter().filter_map(|(shard, state)| Some((shard, state.support.as_ref()?.note()?)));
        let (shard, note) = notes.min_by_key(|(shard, _)| *shard)?;
        Some(if self.shards.len() > 1 { format!("shard of {shard}: {note}") } else { note })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_that_does_not_report_is_named_until_it_does_or_is_gone() {
        let mut notifications = Notifications::default();
        let note = notifications.note();
        let shards = ["a:1", "b:2"].map(|name| ShardName::new(&name));
        for shard in &shards {
            notifications.on_connected(shard.clone());
        }
        assert!(note.borrow().is_err());
        notifications.on_probed(&shards[0], NotificationSupport::Full);
        assert_eq!(*note.borrow(), Ok(None));
        assert!(notifications.on_probed(&shards[1], NotificationSupport::Off));
        assert!(!notifications.on_probed(&shards[1], NotificationSupport::Off));
        let text = note.borrow().clone().unwrap().unwrap();
        assert!(text.starts_with("shard of b:2: keyspace notifications are off"), "{text}");
        assert!(!notifications.reports_changes());
        notifications.on_shards(&shards[..1]);
        assert!(notifications.reports_changes());
    }

    #[test]
    fn each_connection_has_an_epoch_of_its_own() {
        let mut notifications = Notifications::default();
        let shards = ["a:1", "b:2"].map(|name| ShardName::new(&name));
        let mut epochs = Vec::new();
        for shard in [&shards[0], &shards[1], &shards[0]] {
            notifications.on_connected(shard.clone());
            epochs.push(notifications.of(shard).unwrap().epoch);
        }
        assert_eq!(epochs, [1, 2, 3]);
    }
}
