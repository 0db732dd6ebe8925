//! How scenarios are played: replay, change, delete, and what all changes of a playback have in common.

use std::collections::HashSet;
use std::sync::Arc;

use redis_core::id::CustomerId;

use super::{ScenarioError, ScenarioService};
use crate::effect::Effect;
use crate::event::Event;
use crate::playback::{Change, Playback, Speed};
use crate::records::{PlaybackUpdate, StoredScenario};
use crate::time::EpochMicros;
use crate::unavailable::Unavailable;

impl ScenarioService {
    /// Plays a stored scenario from its beginning, starting now. Its upcoming events are taken off the timeline first.
    pub(crate) async fn replay(
        &self,
        customer: &CustomerId,
        speed: Speed,
        looping: bool,
    ) -> Result<Playback, ScenarioError> {
        self.update_playback(customer, Effect::Now, |stored, now, post| {
            Some(Playback::start(&stored.steps, now, speed, looping, post))
        })
        .await
    }

    /// Changes how a scenario is played. Returns when that has taken effect.
    pub(crate) async fn change(
        &self,
        customer: &CustomerId,
        change: Change,
    ) -> Result<Playback, ScenarioError> {
        self.update_playback(customer, Effect::EXACT, |stored, at, post| {
            Some(stored.playback.changed(change, at, post))
        })
        .await
    }

    /// Deletes a scenario, and takes its upcoming and overdue events off the timeline.
    pub(crate) async fn delete(&self, customer: &CustomerId) -> Result<(), ScenarioError> {
        self.update_playback(customer, Effect::Now, |_, _, _| None).await.map(drop)
    }

    async fn update_playback(
        &self,
        customer: &CustomerId,
        mut effect: Effect,
        new_playback: impl Fn(&StoredScenario, EpochMicros, u32) -> Option<Playback>,
    ) -> Result<Playback, ScenarioError> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(playback) = self.try_update_playback(customer, effect, &new_playback).await? {
                return Ok(playback);
            }
            effect = effect.relaxed();
        }
        Err(ScenarioError::Conflict)
    }

    /// Stores what `new_playback` makes of the stored scenario, the time at which it takes effect, and the number for new
    /// events. `None` from it deletes the scenario. Returns `None` if somebody else changed the playback in the meantime, or if
    /// it took too long.
    pub(crate) async fn try_update_playback(
        &self,
        customer: &CustomerId,
        effect: Effect,
        new_playback: impl Fn(&StoredScenario, EpochMicros, u32) -> Option<Playback>,
    ) -> Result<Option<Playback>, ScenarioError> {
        let stored = self.scenario(customer).await?;
        let post = self.timeline.next_post().await?;
        let (now, customer) = (self.now(), Arc::new(customer.clone()));
        let (until_ms, at) = (effect.store_until_ms(now), effect.at(now));
        let new = new_playback(&stored, at, post);
        let old = stored.playback.clone();
        if new.as_ref() == Some(&old) {
            return Ok(new);
        }
        let since = match &new {
            Some(_) => at,
            // Overdue ones too, which wait for the broker.
            None => self.first_due().await?.unwrap_or(now).min(now),
        };
        let events = |playback: &Playback| -> HashSet<Event> {
            let due = playback.due_since(&stored.steps, since).into_iter();
            due.flat_map(|(post, index, step)| {
                Event::of_steps(&customer, [(index, step)], post).collect::<Vec<_>>()
            })
            .collect()
        };
        let (before, after) = (events(&old), new.as_ref().map(events).unwrap_or_default());
        // What stays as it is must not be put on the timeline again: it may have been published by now.
        let remove = before.difference(&after).cloned().collect();
        let mut add: Vec<Event> = after.difference(&before).cloned().collect();
        add.sort_by_key(|event| (event.step.time, event.sequence));
        let result = new.clone().unwrap_or_else(|| old.clone());
        let update = PlaybackUpdate { customer, old, new, until_ms, remove, add };
        if !self.timeline.update_playback(update).await? {
            return Ok(None);
        }
        if until_ms.is_some() {
            self.clock.sleep_until(at).await;
        }
        Ok(Some(result))
    }

    /// When the first event on the timeline is or was due.
    async fn first_due(&self) -> Result<Option<EpochMicros>, Unavailable> {
        Ok(self.timeline.upcoming(1).await?.first().map(|event| event.step.time))
    }
}

/// Attempts to change a playback that other clients change at the same time.
const MAX_ATTEMPTS: usize = 10;
