//! The channels of a shard, by name.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::channel::ChannelState;
use crate::line::LineId;
use crate::replay_buffer::ReplayBuffer;
use crate::run_channels::{is_whole_run, run_name, whole_run};

/// The channels, in the order of their names: those of a run are together.
///
/// Beside them a run that is watched as a whole has an entry `run:*`. Its buffer holds no lines, but remembers from where on
/// the other entries of the run have all of them.
#[derive(Default)]
pub(super) struct ChannelMap {
    states: BTreeMap<Arc<str>, ChannelState>,
    /// The entries `run:*`.
    whole_runs: usize,
}

impl ChannelMap {
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn get_mut(&mut self, channel: &str) -> Option<&mut ChannelState> {
        self.states.get_mut(channel)
    }

    /// The entry of the whole run to which a channel belongs.
    pub(super) fn whole_run_mut(&mut self, channel: &str) -> Option<&mut ChannelState> {
        // Usually no run is watched as a whole, and no name has to be made.
        if self.whole_runs == 0 { None } else { self.states.get_mut(whole_run(run_name(channel)).as_str()) }
    }

    /// The channel, which begins to be complete after `complete_after` if it is new.
    pub(super) fn get_or_insert(&mut self, channel: Arc<str>, complete_after: LineId) -> &mut ChannelState {
        let whole_runs = &mut self.whole_runs;
        self.states.entry(channel).or_insert_with_key(|channel| {
            *whole_runs += usize::from(is_whole_run(channel));
            ChannelState::new(complete_after)
        })
    }

    /// Removes a channel. Lines up to its last one must not be claimed to be known any more.
    pub(super) fn remove(&mut self, channel: &str) -> Option<ChannelState> {
        let removed = self.states.remove(channel)?;
        self.whole_runs -= usize::from(is_whole_run(channel));
        self.forget(channel, removed.buffer.end());
        Some(removed)
    }

    /// Lines of a channel up to this one are not kept, or no more.
    pub(super) fn forget(&mut self, channel: &str, id: LineId) {
        if let Some(whole) = self.whole_run_mut(channel) {
            whole.buffer.mark_gap(id);
        }
    }

    /// The lines that are known of a channel, or of all channels of the run.
    pub(super) fn buffers<'a>(
        &'a self,
        channel: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a ReplayBuffer)> {
        let is_whole = is_whole_run(channel);
        // All channels of the run are behind `run:*`, since every letter of a name is greater than the star.
        let from = self.states.range::<str, _>((Bound::Included(channel), Bound::Unbounded));
        from.take_while(
            move |(name, _)| if is_whole { run_name(name) == run_name(channel) } else { ***name == *channel },
        )
        .map(|(name, state)| (name, &state.buffer))
    }

    /// Every line of the channel, or of all channels of the run, after this one is in [`buffers`](Self::buffers).
    pub(super) fn complete_after(&self, channel: &str) -> LineId {
        let complete_after = self.buffers(channel).map(|(_, buffer)| buffer.complete_after());
        complete_after.max().unwrap_or_default()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &ChannelState> {
        self.states.values()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &ChannelState)> {
        self.states.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut ChannelState)> {
        self.states.iter_mut()
    }

    /// Removes those that do not stay, and returns the last id of what was dropped.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&mut ChannelState) -> bool) -> LineId {
        let over: Vec<Arc<str>> = self
            .states
            .iter_mut()
            .filter_map(|(name, state)| (!stays(state)).then(|| name.clone()))
            .collect();
        let removed = over.iter().filter_map(|channel| self.remove(channel));
        removed.map(|state| state.buffer.end()).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::test_line;

    fn names(map: &ChannelMap, channel: &str) -> Vec<String> {
        map.buffers(channel).map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn a_whole_run_is_all_its_channels_and_no_others() {
        let mut map = ChannelMap::default();
        for name in ["r:a", "r:*", "r:-b", "r:.", "r", "r-1:a", "r.:a", "r;:a", "ra:a", "q:z"] {
            map.get_or_insert(name.into(), LineId::default());
        }
        assert_eq!(names(&map, "r:*"), ["r:*", "r:-b", "r:.", "r:a"]);
        assert_eq!(names(&map, "r:a"), ["r:a"]);
        assert_eq!(names(&map, "r:b"), [""; 0]);
    }

    #[test]
    fn what_a_removed_channel_had_is_not_claimed_by_the_whole_run() {
        let mut map = ChannelMap::default();
        let start = LineId::start_of(7);
        map.get_or_insert("r:*".into(), start);
        let channel = map.get_or_insert("r:a".into(), start);
        channel.buffer.mark_gap(test_line(7, 3).id);
        assert!(map.remove("r:a").is_some() && map.whole_run_mut("r:b").is_some());
        let whole: Vec<LineId> = map.buffers("r:*").map(|(_, buffer)| buffer.complete_after()).collect();
        assert_eq!(whole, [LineId { epoch: 7, sequence: 3 }]);
        map.remove("r:*");
        assert!(map.whole_run_mut("r:b").is_none());
    }
}
