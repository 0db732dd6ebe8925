//! What can be done with scenarios: post, look, play again, change, delete.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use redis_core::id::CustomerId;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::event::Event;
use crate::metrics::Metrics;
use crate::playback::{Change, Playback, Speed};
use crate::scenario::{DraftStep, Scenario, Step, expand_draft, restart};
use crate::time::Micros;
use crate::timeline::{Hint, Post, Stored, Summary, Swap, Timeline, Unavailable};

/// The scenarios of the shop.
pub(crate) struct Shop {
    pub(crate) timeline: Timeline,
    pub(crate) clock: Arc<Clock>,
    pub(crate) overwrite: bool,
    pub(crate) metrics: Metrics,
}

/// Why something could not be done with a scenario.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopError {
    /// No scenario of this customer is stored.
    #[error("no scenario of this customer is stored")]
    NotFound,
    /// Others changed the same playback again and again.
    #[error("this playback is being changed by others; try again")]
    Busy,
    /// Redis does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Where a customer is.
pub(crate) struct CustomerState {
    /// Who.
    pub(crate) customer: Arc<CustomerId>,
    /// The last step that has come.
    pub(crate) step: Step,
}

impl Shop {
    /// The timeline's time.
    pub(crate) fn now(&self) -> Micros {
        self.clock.now()
    }

    /// Stores a scenario and puts its steps on the timeline, at their own times or with the first one now.
    pub(crate) async fn post(
        &self,
        mut scenario: Scenario,
        recalculate_time: bool,
    ) -> Result<usize, ShopError> {
        if recalculate_time {
            restart(&mut scenario.steps, self.now());
        }
        let (count, customer) = (scenario.steps.len(), Arc::new(scenario.customer));
        let post = self.timeline.next_post().await?;
        let before = if self.overwrite { Vec::new() } else { self.steps_of(&customer).await? };
        let first_index = u32::try_from(before.len()).unwrap_or(u32::MAX);
        let indexed = (first_index..).zip(scenario.steps.iter().copied());
        let mut events: Vec<Event> = Event::of_steps(&customer, indexed, post).collect();
        // A long post is put on the timeline in parts; the earliest first, so that none overtakes another.
        events.sort_by_key(|event| event.step.at);
        let playback = match before {
            before if before.is_empty() => Playback::as_recorded(&scenario.steps, post),
            before => Playback::as_recorded(&[before, scenario.steps.clone()].concat(), post),
        };
        let replaces = self.overwrite;
        self.timeline.post(Post { customer, steps: scenario.steps, replaces, playback, events }).await?;
        self.metrics.posted(count);
        Ok(count)
    }

    /// Gives a draft its times, and posts it.
    pub(crate) async fn post_draft(
        &self,
        customer: CustomerId,
        draft: &[DraftStep],
    ) -> Result<Scenario, ShopError> {
        let scenario = Scenario { customer, steps: expand_draft(draft, self.now()) };
        self.post(scenario.clone(), false).await?;
        Ok(scenario)
    }

    /// The stored scenario of a customer.
    pub(crate) async fn scenario(&self, customer: &CustomerId) -> Result<Stored, ShopError> {
        self.timeline.load(customer).await?.ok_or(ShopError::NotFound)
    }

    /// All stored scenarios, without their steps.
    pub(crate) async fn summaries(&self) -> Result<Vec<(Arc<CustomerId>, Summary)>, ShopError> {
        self.of_all(async |customer| self.timeline.summary(customer).await).await
    }

    /// Where every customer is at `time`. Those who have left or not yet come are not there.
    pub(crate) async fn state(&self, time: Micros) -> Result<Vec<CustomerState>, ShopError> {
        let scenarios = self.of_all(async |customer| self.timeline.load(customer).await).await?.into_iter();
        let state = |(customer, stored): (_, Stored)| {
            Some(CustomerState { customer, step: stored.playback.step_at(&stored.steps, time)? })
        };
        Ok(scenarios.filter_map(state).collect())
    }

    /// The next events on the timeline.
    pub(crate) async fn upcoming(&self, limit: usize) -> Result<Vec<Event>, ShopError> {
        Ok(self.timeline.upcoming(limit).await?)
    }

    /// Plays a stored scenario from its beginning, starting now. What was still to come of it is taken off the timeline.
    pub(crate) async fn replay(
        &self,
        customer: &CustomerId,
        speed: Speed,
        looping: bool,
    ) -> Result<Playback, ShopError> {
        self.swap(customer, |stored, now, post| {
            Some(Playback::start(&stored.steps, now, speed, looping, post))
        })
        .await
    }

    /// Changes how a scenario is being played.
    pub(crate) async fn change(&self, customer: &CustomerId, change: Change) -> Result<Playback, ShopError> {
        self.swap(customer, |stored, now, post| Some(stored.playback.changed(change, now, post))).await
    }

    /// Deletes a scenario and takes what is still to come of it off the timeline.
    pub(crate) async fn delete(&self, customer: &CustomerId) -> Result<(), ShopError> {
        self.swap(customer, |_, _, _| None).await.map(drop)
    }

    /// Lays out the coming rounds of looping playbacks, until stopped. Every instance may: the first to do so wins.
    pub(crate) async fn keep_looping(self: Arc<Self>, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut hints = self.timeline.hints();
        while !stopping.is_cancelled() {
            let until = self.now().plus(ROUNDS_AHEAD_US);
            for customer in self.timeline.rounds_ending(until).await.unwrap_or_default() {
                // Another instance was faster, or Redis is away: the next look finds what is left to do.
                let _ = self
                    .swap_once(&customer, |stored, now, post| {
                        let next = |playback: &Playback| playback.next_round(now, until, post);
                        std::iter::successors(next(&stored.playback), next)
                            .last()
                            .or(Some(stored.playback.clone()))
                    })
                    .await;
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(ROUNDS_CHECK) => {}
                () = async { while !matches!(hints.recv().await, Ok(Hint::Reset)) {} } => {}
            }
        }
        Ok(())
    }

    async fn swap(
        &self,
        customer: &CustomerId,
        new: impl Fn(&Stored, Micros, u32) -> Option<Playback>,
    ) -> Result<Playback, ShopError> {
        for _ in 0..SWAP_TRIES {
            if let Some(playback) = self.swap_once(customer, &new).await? {
                return Ok(playback);
            }
        }
        Err(ShopError::Busy)
    }

    /// One try; `None` if somebody else changed the playback meanwhile.
    async fn swap_once(
        &self,
        customer: &CustomerId,
        new: impl Fn(&Stored, Micros, u32) -> Option<Playback>,
    ) -> Result<Option<Playback>, ShopError> {
        let stored = self.scenario(customer).await?;
        let post = self.timeline.next_post().await?;
        let (now, customer) = (self.now(), Arc::new(customer.clone()));
        let new = new(&stored, now, post);
        let old = stored.playback.clone();
        if new.as_ref() == Some(&old) {
            return Ok(new);
        }
        let events = |playback: &Playback| -> Vec<Event> {
            let due = playback.due_since(&stored.steps, now).into_iter();
            due.flat_map(|(post, index, step)| {
                Event::of_steps(&customer, [(index, step)], post).collect::<Vec<_>>()
            })
            .collect()
        };
        let (remove, add) = (events(&old), new.as_ref().map(events).unwrap_or_default());
        let answer = new.clone().unwrap_or_else(|| old.clone());
        let swapped = self.timeline.swap(Swap { customer, old, new, remove, add }).await?;
        Ok(swapped.then_some(answer))
    }

    /// What `get` finds of every customer that has a scenario.
    async fn of_all<T>(
        &self,
        get: impl AsyncFn(&CustomerId) -> Result<Option<T>, Unavailable>,
    ) -> Result<Vec<(Arc<CustomerId>, T)>, ShopError> {
        let customers = self.timeline.customers().await?;
        let got = stream::iter(customers).map(|customer| async {
            let found = get(&customer).await?;
            Ok::<_, ShopError>(found.map(|found| (customer, found)))
        });
        let got: Vec<_> = got.buffered(LOADS_AT_ONCE).try_collect().await?;
        Ok(got.into_iter().flatten().collect())
    }

    async fn steps_of(&self, customer: &CustomerId) -> Result<Vec<Step>, ShopError> {
        Ok(self.timeline.load(customer).await?.map(|stored| stored.steps).unwrap_or_default())
    }
}

const LOADS_AT_ONCE: usize = 64;
const SWAP_TRIES: usize = 10;
/// Rounds are laid out this far ahead: more than two checks, so that one may fail.
const ROUNDS_AHEAD_US: i64 = 45_000_000;
const ROUNDS_CHECK: std::time::Duration = std::time::Duration::from_secs(20);
