//! What can be done with scenarios and recordings: post, show, replay, change and delete them.

mod dead_letters;
mod playbacks;
mod recordings;

use std::sync::Arc;

use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use redis_core::id::CustomerId;

use crate::event::Event;
use crate::event_trace::EventTrace;
use crate::lane_clocks::LaneClocks;
use crate::lanes::Lane;
use crate::metrics::Metrics;
use crate::playback::Playback;
use crate::post_id::PostId;
use crate::records::{BegunPost, NewSteps, StoredScenario, TrackSummary};
use crate::scenario::{DraftStep, Scenario, Step, expand_draft, move_to_start};
use crate::time::EpochMicros;
use crate::timeline::Timeline;
use crate::track::TrackId;
use crate::unavailable::Unavailable;

/// The stored scenarios.
pub(crate) struct ScenarioService {
    pub(crate) timeline: Timeline,
    pub(crate) clocks: Arc<LaneClocks>,
    /// Whether a scenario that is posted again replaces the stored one.
    pub(crate) overwrite: bool,
    pub(crate) metrics: Metrics,
}

/// Why something could not be done with a scenario or a recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenarioError {
    /// No scenario of this customer is stored.
    #[error("no scenario of this customer is stored")]
    NotFound,
    /// There is no recording of this name.
    #[error("there is no recording of this name")]
    NoRecording,
    /// There is no such dead letter.
    #[error("there is no such dead letter")]
    NoDeadLetter,
    /// Another request has had the same key.
    #[error("Idempotency-Key: another request has had this key")]
    KeyOfAnother,
    /// Another recording has the same name.
    #[error("name: another recording has this name; delete it first")]
    NameOfAnother,
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
    /// The time by the timeline's clock, for what is about all customers.
    pub(crate) fn now(&self) -> EpochMicros {
        self.clocks.now()
    }

    /// The time by the clock of a customer's or a recording's lane.
    pub(crate) fn now_of(&self, owner: &str) -> EpochMicros {
        self.clocks.of_owner(owner).now()
    }

    /// The lane of a customer or a recording.
    fn lane_of(&self, owner: &str) -> Lane {
        self.timeline.lanes().of(owner)
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
        let now = self.now_of(customer.as_str());
        let begun = self.timeline.begin_post(id, customer, now, self.overwrite).await?;
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
        events.sort_by_key(Event::time);
        self.set_trace(&TrackId::Scenario(Arc::clone(&customer)), &events).await?;
        let (count, replaces) = (steps.len(), self.overwrite);
        self.timeline.post(NewSteps { id, post, customer, steps, replaces, playback, events }).await?;
        self.metrics.count_posted_steps(count);
        Ok(())
    }

    /// Before events are put on the timeline: they belong to the trace of the request. They are sorted by time.
    async fn set_trace(&self, id: &TrackId, added: &[Event]) -> Result<(), Unavailable> {
        match EventTrace::of_request(added) {
            Some(trace) => self.timeline.set_trace(id, trace).await,
            None => Ok(()),
        }
    }

    /// The stored scenario of a customer.
    pub(crate) async fn scenario(&self, customer: &CustomerId) -> Result<StoredScenario, ScenarioError> {
        self.timeline.load(customer).await?.ok_or(ScenarioError::NotFound)
    }

    /// All stored scenarios, without their steps.
    pub(crate) async fn summaries(&self) -> Result<Vec<(Arc<CustomerId>, TrackSummary)>, ScenarioError> {
        load_all(self.customers().await?, async |customer| {
            self.timeline.summary(&TrackId::Scenario(Arc::clone(customer))).await
        })
        .await
    }

    /// Where every customer is at `time`. Customers before their first step, and after their EXIT, are left out.
    pub(crate) async fn state_at(&self, time: EpochMicros) -> Result<Vec<CustomerState>, ScenarioError> {
        let scenarios =
            load_all(self.customers().await?, async |customer| self.timeline.load(customer).await).await?;
        let state = |(customer, stored): (_, StoredScenario)| {
            Some(CustomerState { customer, step: stored.playback.step_at(&stored.steps, time)? })
        };
        Ok(scenarios.into_iter().filter_map(state).collect())
    }

    async fn customers(&self) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        self.of_all_lanes(async |lane| self.timeline.customers(lane).await).await
    }

    /// The next events on the timeline.
    pub(crate) async fn upcoming(&self, limit: usize) -> Result<Vec<Event>, ScenarioError> {
        let mut events = self.of_all_lanes(async |lane| self.timeline.upcoming(lane, limit).await).await?;
        // Stable: those of one lane are in order.
        events.sort_by_key(|event| event.time().as_ms());
        events.truncate(limit);
        Ok(events)
    }

    /// What all lanes have, asked at the same time.
    async fn of_all_lanes<T>(
        &self,
        list: impl AsyncFn(Lane) -> Result<Vec<T>, Unavailable>,
    ) -> Result<Vec<T>, Unavailable> {
        let lists = self.timeline.lanes().iter().map(|lane| list(lane));
        Ok(try_join_all(lists).await?.into_iter().flatten().collect())
    }

    async fn stored_steps(&self, customer: &CustomerId) -> Result<Vec<Step>, ScenarioError> {
        Ok(self.timeline.load(customer).await?.map(|stored| stored.steps).unwrap_or_default())
    }
}

/// What `load` returns for each name. One whose data is unusable is left out.
async fn load_all<N, T>(
    names: Vec<Arc<N>>,
    load: impl AsyncFn(&Arc<N>) -> Result<Option<T>, Unavailable>,
) -> Result<Vec<(Arc<N>, T)>, ScenarioError> {
    let loads = stream::iter(names).map(|name| async {
        let loaded = match load(&name).await {
            Err(Unavailable::BadData(_)) => None,
            loaded => loaded?,
        };
        Ok::<_, ScenarioError>(loaded.map(|loaded| (name, loaded)))
    });
    let loaded: Vec<_> = loads.buffered(MAX_CONCURRENT_LOADS).try_collect().await?;
    Ok(loaded.into_iter().flatten().collect())
}

const MAX_CONCURRENT_LOADS: usize = 64;
