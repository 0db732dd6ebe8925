//! How scenarios and recordings are played: replay, change, delete, and what all changes of a playback have in common.

use std::collections::HashSet;

use super::{ScenarioError, ScenarioService};
use crate::effect::Effect;
use crate::event::Event;
use crate::lanes::Lane;
use crate::playback::{Change, Playback, Speed};
use crate::records::{PlaybackUpdate, StoredTrack};
use crate::time::EpochMicros;
use crate::track::TrackId;
use crate::unavailable::Unavailable;

impl ScenarioService {
    /// Plays it from its beginning, a moment from now. Its upcoming events are taken off the timeline first.
    pub(crate) async fn replay(
        &self,
        id: &TrackId,
        speed: Speed,
        looping: bool,
    ) -> Result<Playback, ScenarioError> {
        self.update_playback(id, Effect::EXACT, |stored, at, post| {
            Some(stored.track.start(at, speed, looping, post))
        })
        .await
    }

    /// Changes how it is played. Returns when that has taken effect.
    pub(crate) async fn change(&self, id: &TrackId, change: Change) -> Result<Playback, ScenarioError> {
        self.update_playback(id, Effect::EXACT, |stored, at, post| {
            Some(stored.playback.changed(change, at, post))
        })
        .await
    }

    /// Deletes it, and takes its upcoming and overdue events off the timeline.
    pub(crate) async fn delete(&self, id: &TrackId) -> Result<(), ScenarioError> {
        self.update_playback(id, Effect::Now, |_, _, _| None).await.map(drop)
    }

    async fn update_playback(
        &self,
        id: &TrackId,
        mut effect: Effect,
        new_playback: impl Fn(&StoredTrack, EpochMicros, u32) -> Option<Playback>,
    ) -> Result<Playback, ScenarioError> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(playback) = self.try_update_playback(id, effect, &new_playback).await? {
                return Ok(playback);
            }
            effect = effect.relaxed();
        }
        Err(ScenarioError::Conflict)
    }

    /// Stores what `new_playback` makes of what is stored, the time at which it takes effect, and the number for new events.
    /// `None` from it deletes the scenario or recording. Returns `None` if somebody else changed the playback in the meantime,
    /// or if it took too long.
    pub(crate) async fn try_update_playback(
        &self,
        id: &TrackId,
        effect: Effect,
        new_playback: impl Fn(&StoredTrack, EpochMicros, u32) -> Option<Playback>,
    ) -> Result<Option<Playback>, ScenarioError> {
        let stored = self.timeline.track(id).await?.ok_or(match id {
            TrackId::Scenario(_) => ScenarioError::NotFound,
            TrackId::Recording(_) => ScenarioError::NoRecording,
        })?;
        let lane = self.lane_of(id.as_str());
        let post = self.timeline.next_post(lane).await?;
        let now = self.now_of(id.as_str());
        let (until_ms, at) = (effect.store_until_ms(now), effect.at(now));
        let new = new_playback(&stored, at, post);
        let old = stored.playback.clone();
        if new.as_ref() == Some(&old) {
            return Ok(new);
        }
        let since = match &new {
            Some(_) => at,
            // Overdue ones too, which wait for the broker.
            None => self.first_due(lane).await?.unwrap_or(now).min(now),
        };
        let events = |playback: &Playback| -> HashSet<Event> {
            stored.track.events_since(playback, since).into_iter().collect()
        };
        let (before, after) = (events(&old), new.as_ref().map(events).unwrap_or_default());
        // What stays as it is must not be put on the timeline again: it may have been published by now.
        let remove = before.difference(&after).cloned().collect();
        let mut add: Vec<Event> = after.difference(&before).cloned().collect();
        add.sort_by_key(|event| (event.time(), event.sequence));
        self.set_trace(id, &add).await?;
        let result = new.clone().unwrap_or_else(|| old.clone());
        let update = PlaybackUpdate { id: id.clone(), old, new, until_ms, remove, add };
        if !self.timeline.update_playback(update).await? {
            return Ok(None);
        }
        if until_ms.is_some() {
            self.clocks.of(lane).sleep_until(at).await;
        }
        Ok(Some(result))
    }

    /// When the first event of a lane is or was due.
    async fn first_due(&self, lane: Lane) -> Result<Option<EpochMicros>, Unavailable> {
        Ok(self.timeline.upcoming(lane, 1).await?.first().map(Event::time))
    }
}

/// Attempts to change a playback that other clients change at the same time.
const MAX_ATTEMPTS: usize = 10;
