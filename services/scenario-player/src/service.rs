//! What can be done with scenarios: post, show, replay, change and delete them.

mod dead_letters;

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use redis_core::id::CustomerId;

use crate::clock::Clock;
use crate::event::Event;
use crate::metrics::Metrics;
use crate::playback::{Change, Playback, Speed};
use crate::post_id::PostId;
use crate::records::{BegunPost, NewSteps, PlaybackUpdate, ScenarioSummary, StoredScenario};
use crate::scenario::{DraftStep, Scenario, Step, expand_draft, move_to_start};
use crate::time::EpochMicros;
use crate::timeline::Timeline;
use crate::unavailable::Unavailable;

/// The stored scenarios.
pub(crate) struct ScenarioService {
    pub(crate) timeline: Timeline,
    pub(crate) clock: Arc<Clock>,
    /// Whether a scenario that is posted again replaces the stored one.
    pub(crate) overwrite: bool,
    pub(crate) metrics: Metrics,
}

/// Why something could not be done with a scenario.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenarioError {
    /// No scenario of this customer is stored.
    #[error("no scenario of this customer is stored")]
    NotFound,
    /// There is no such dead letter.
    #[error("there is no such dead letter")]
    NoDeadLetter,
    /// Another request has had the same key.
    #[error("Idempotency-Key: another request has had this key")]
    KeyOfAnother,
    /// Other clients changed the same playback at each attempt.
    #[error("this playback is being changed by others; try again")]
    Conflict,
    /// Redis does not answer, or its data is unusable.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Where a customer is.
pub(crate) struct CustomerState {
    /// The customer.
    pub(crate) customer: Arc<CustomerId>,
    /// The last step that was due.
    pub(crate) step: Step,
}

impl ScenarioService {
    /// The time by the timeline's clock.
    pub(crate) fn now(&self) -> EpochMicros {
        self.clock.now()
    }

    /// Stores a scenario and puts its steps on the timeline. With `recalculate_time` the first step is moved to now.
    /// Returns the number of steps.
    ///
    /// A post that fails can be repeated under the same id: it goes on where it stopped.
    pub(crate) async fn post(
        &self,
        id: PostId,
        mut scenario: Scenario,
        recalculate_time: bool,
    ) -> Result<usize, ScenarioError> {
        let customer = Arc::new(scenario.customer);
        let begun = self.begin_post(&id, &customer).await?;
        if recalculate_time {
            move_to_start(&mut scenario.steps, begun.time);
        }
        let count = scenario.steps.len();
        self.store(id, begun, customer, scenario.steps).await?;
        Ok(count)
    }

    /// Computes the times of a draft, and posts it. The same holds when it fails.
    pub(crate) async fn post_draft(
        &self,
        id: PostId,
        customer: CustomerId,
        draft: &[DraftStep],
    ) -> Result<Scenario, ScenarioError> {
        let begun = self.begin_post(&id, &customer).await?;
        let steps = expand_draft(draft, begun.time);
        self.store(id, begun, Arc::new(customer.clone()), steps.clone()).await?;
        Ok(Scenario { customer, steps })
    }

    async fn begin_post(&self, id: &PostId, customer: &CustomerId) -> Result<BegunPost, ScenarioError> {
        let begun = self.timeline.begin_post(id, customer, self.now(), self.overwrite).await?;
        begun.ok_or(ScenarioError::KeyOfAnother)
    }

    async fn store(
        &self,
        id: PostId,
        begun: BegunPost,
        customer: Arc<CustomerId>,
        steps: Vec<Step>,
    ) -> Result<(), ScenarioError> {
        let BegunPost { number: post, first_index, .. } = begun;
        let mut all_steps = if self.overwrite { Vec::new() } else { self.stored_steps(&customer).await? };
        // If this is a repetition, its steps may be among the stored ones.
        all_steps.truncate(first_index as usize);
        let playback = if all_steps.is_empty() {
            Playback::as_recorded(&steps, post)
        } else {
            all_steps.extend(&steps);
            Playback::as_recorded(&all_steps, post)
        };
        let indexed = (first_index..).zip(steps.iter().copied());
        let mut events: Vec<Event> = Event::of_steps(&customer, indexed, post).collect();
        // A long post is put on the timeline in parts. In this order no event can be published before an earlier one.
        events.sort_by_key(|event| event.step.time);
        let (count, replaces) = (steps.len(), self.overwrite);
        self.timeline.post(NewSteps { id, post, customer, steps, replaces, playback, events }).await?;
        self.metrics.count_posted_steps(count);
        Ok(())
    }

    /// The stored scenario of a customer.
    pub(crate) async fn scenario(&self, customer: &CustomerId) -> Result<StoredScenario, ScenarioError> {
        self.timeline.load(customer).await?.ok_or(ScenarioError::NotFound)
    }

    /// All stored scenarios, without their steps.
    pub(crate) async fn summaries(&self) -> Result<Vec<(Arc<CustomerId>, ScenarioSummary)>, ScenarioError> {
        self.load_all(async |customer| self.timeline.summary(customer).await).await
    }

    /// Where every customer is at `time`. Customers before their first step, and after their EXIT, are left out.
    pub(crate) async fn state_at(&self, time: EpochMicros) -> Result<Vec<CustomerState>, ScenarioError> {
        let scenarios = self.load_all(async |customer| self.timeline.load(customer).await).await?;
        let state = |(customer, stored): (_, StoredScenario)| {
            Some(CustomerState { customer, step: stored.playback.step_at(&stored.steps, time)? })
        };
        Ok(scenarios.into_iter().filter_map(state).collect())
    }

    /// The next events on the timeline.
    pub(crate) async fn upcoming(&self, limit: usize) -> Result<Vec<Event>, ScenarioError> {
        Ok(self.timeline.upcoming(limit).await?)
    }

    /// Plays a stored scenario from its beginning, starting now. Its upcoming events are taken off the timeline first.
    pub(crate) async fn replay(
        &self,
        customer: &CustomerId,
        speed: Speed,
        looping: bool,
    ) -> Result<Playback, ScenarioError> {
        self.update_playback(customer, |stored, now, post| {
            Some(Playback::start(&stored.steps, now, speed, looping, post))
        })
        .await
    }

    /// Changes how a scenario is played.
    pub(crate) async fn change(
        &self,
        customer: &CustomerId,
        change: Change,
    ) -> Result<Playback, ScenarioError> {
        self.update_playback(customer, |stored, now, post| Some(stored.playback.changed(change, now, post)))
            .await
    }

    /// Deletes a scenario, and takes its upcoming and overdue events off the timeline.
    pub(crate) async fn delete(&self, customer: &CustomerId) -> Result<(), ScenarioError> {
        self.update_playback(customer, |_, _, _| None).await.map(drop)
    }

    async fn update_playback(
        &self,
        customer: &CustomerId,
        new_playback: impl Fn(&StoredScenario, EpochMicros, u32) -> Option<Playback>,
    ) -> Result<Playback, ScenarioError> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(playback) = self.try_update_playback(customer, &new_playback).await? {
                return Ok(playback);
            }
        }
        Err(ScenarioError::Conflict)
    }

    /// Stores what `new_playback` makes of the stored scenario, the time, and the number for new events. `None` from it
    /// deletes the scenario. Returns `None` if somebody else changed the playback in the meantime.
    pub(crate) async fn try_update_playback(
        &self,
        customer: &CustomerId,
        new_playback: impl Fn(&StoredScenario, EpochMicros, u32) -> Option<Playback>,
    ) -> Result<Option<Playback>, ScenarioError> {
        let stored = self.scenario(customer).await?;
        let post = self.timeline.next_post().await?;
        let (now, customer) = (self.now(), Arc::new(customer.clone()));
        let new = new_playback(&stored, now, post);
        let old = stored.playback.clone();
        if new.as_ref() == Some(&old) {
            return Ok(new);
        }
        let events_since = |playback: &Playback, since: EpochMicros| -> Vec<Event> {
            let due = playback.due_since(&stored.steps, since).into_iter();
            due.flat_map(|(post, index, step)| {
                Event::of_steps(&customer, [(index, step)], post).collect::<Vec<_>>()
            })
            .collect()
        };
        let remove = match &new {
            Some(_) => events_since(&old, now),
            // Overdue ones too, which wait for the broker.
            None => events_since(&old, self.first_due().await?.unwrap_or(now).min(now)),
        };
        let mut add = new.as_ref().map(|new| events_since(new, now)).unwrap_or_default();
        add.sort_by_key(|event| event.step.time);
        let result = new.clone().unwrap_or_else(|| old.clone());
        let updated =
            self.timeline.update_playback(PlaybackUpdate { customer, old, new, remove, add }).await?;
        Ok(updated.then_some(result))
    }

    /// When the first event on the timeline is or was due.
    async fn first_due(&self) -> Result<Option<EpochMicros>, Unavailable> {
        Ok(self.timeline.upcoming(1).await?.first().map(|event| event.step.time))
    }

    /// What `load` returns for every customer that has a scenario. One whose data is unusable is left out.
    async fn load_all<T>(
        &self,
        load: impl AsyncFn(&CustomerId) -> Result<Option<T>, Unavailable>,
    ) -> Result<Vec<(Arc<CustomerId>, T)>, ScenarioError> {
        let customers = self.timeline.customers().await?;
        let loads = stream::iter(customers).map(|customer| async {
            let loaded = match load(&customer).await {
                Err(Unavailable::BadData(_)) => None,
                loaded => loaded?,
            };
            Ok::<_, ScenarioError>(loaded.map(|loaded| (customer, loaded)))
        });
        let loaded: Vec<_> = loads.buffered(MAX_CONCURRENT_LOADS).try_collect().await?;
        Ok(loaded.into_iter().flatten().collect())
    }

    async fn stored_steps(&self, customer: &CustomerId) -> Result<Vec<Step>, ScenarioError> {
        Ok(self.timeline.load(customer).await?.map(|stored| stored.steps).unwrap_or_default())
    }
}

const MAX_CONCURRENT_LOADS: usize = 64;
/// Attempts to change a playback that other clients change at the same time.
const MAX_ATTEMPTS: usize = 10;
