//! Stored scenarios: their steps, their playbacks, and what they put on the timeline.

use std::sync::Arc;

use fred::interfaces::{KeysInterface, ListInterface, SortedSetsInterface};
use fred::types::Value;
use redis_core::id::CustomerId;
use redis_core::{Channel, Key, RedisError};
use tracing::warn;

use super::add_args::{add_args, sequence_arg};
use super::client::Store;
use crate::event::parse_stored_step;
use crate::playback::Playback;
use crate::records::{PlaybackUpdate, ScenarioSummary, StoredScenario};
use crate::scenario::Step;
use crate::time::EpochMicros;
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn load(&self, customer: &CustomerId) -> Result<Option<StoredScenario>, Unavailable> {
        let pipeline = self.client().pipeline();
        let queued = async {
            pipeline.lrange::<(), _>(Key::Scenario(customer).to_string(), 0, -1).await?;
            pipeline.get::<(), _>(Key::Playback(customer).to_string()).await?;
            pipeline.all::<(Vec<String>, Option<String>)>().await
        };
        let (list, playback) = queued.await.map_err(|error| self.failed_for(customer, error))?;
        let steps: Vec<Step> = list.iter().filter_map(|text| parse_stored_step(text)).collect();
        if steps.is_empty() {
            return Ok(None);
        }
        // A scenario that the original stored has no playback. It is played as recorded.
        let playback = playback.and_then(|json| serde_json::from_str(&json).ok());
        let playback = playback.unwrap_or_else(|| Playback::as_recorded(&steps, 0));
        Ok(Some(StoredScenario { steps, playback }))
    }

    /// As [`Store::failed`]. Unusable data of one customer is logged once.
    fn failed_for(&self, customer: &CustomerId, error: RedisError) -> Unavailable {
        let failed = self.failed(error);
        if matches!(failed, Unavailable::BadData(_)) && self.warnings.is_first(customer.as_str()) {
            warn!(customer = customer.as_str(), "{failed}");
        }
        failed
    }

    pub(crate) async fn summary(
        &self,
        customer: &CustomerId,
    ) -> Result<Option<ScenarioSummary>, Unavailable> {
        let pipeline = self.client().pipeline();
        let queued = async {
            pipeline.llen::<(), _>(Key::Scenario(customer).to_string()).await?;
            pipeline.get::<(), _>(Key::Playback(customer).to_string()).await?;
            pipeline.all::<(usize, Option<String>)>().await
        };
        let (steps, playback) = queued.await.map_err(|error| self.failed_for(customer, error))?;
        match playback.and_then(|json| serde_json::from_str(&json).ok()) {
            Some(playback) if steps > 0 => Ok(Some(ScenarioSummary { steps, playback })),
            _ => Ok(self
                .load(customer)
                .await?
                .map(|StoredScenario { steps, playback }| ScenarioSummary { steps: steps.len(), playback })),
        }
    }

    pub(crate) async fn customers(&self) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        let ids: Vec<String> = self
            .client()
            .zrange(Key::Scenarios.to_string(), 0, -1, None, false, None, false)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(customer_ids(ids))
    }

    pub(crate) async fn loops_ending_by(
        &self,
        until: EpochMicros,
    ) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        let until_ms = until.as_ms() as f64;
        let key = Key::TimelineLoops.to_string();
        let ids: Vec<String> = self
            .client()
            .zrangebyscore(key, f64::NEG_INFINITY, until_ms, false, Some((0, 1000)))
            .await
            .map_err(|error| self.failed(error))?;
        Ok(customer_ids(ids))
    }

    pub(crate) async fn update_playback(&self, update: PlaybackUpdate) -> Result<bool, Unavailable> {
        let PlaybackUpdate { customer, old, new, until_ms, remove, add } = &update;
        let iteration_end = new.as_ref().and_then(Playback::iteration_end).map(|end| end.as_ms().to_string());
        let mut args: Vec<Value> = vec![
            Channel::TimelineChanged.to_string().into(),
            customer.as_str().into(),
            playback_json(old).into(),
            new.as_ref().map(playback_json).unwrap_or_default().into(),
            iteration_end.unwrap_or_default().into(),
            until_ms.map(|until_ms| until_ms.to_string()).unwrap_or_default().into(),
            i64::try_from(remove.len()).unwrap_or(i64::MAX).into(),
        ];
        args.extend(remove.iter().flat_map(|event| [event.member().into(), sequence_arg(event)]));
        args.extend(add_args(add, None));
        let keys = [
            Key::Timeline,
            Key::Playback(customer),
            Key::TimelineLoops,
            Key::Scenario(customer),
            Key::Scenarios,
            Key::TimelineMeta,
            Key::TimelinePosts(customer),
        ];
        let client = self.client();
        let update = self.run_script_on::<i64>(client, &self.scripts.update_playback, &keys, args);
        let updated = self.wait_replicas.confirm(client, update).await;
        updated.map(|updated| updated == 1).map_err(|error| self.failed(error))
    }
}

pub(super) fn playback_json(playback: &Playback) -> String {
    // Serializing numbers and booleans cannot fail.
    serde_json::to_string(playback).unwrap_or_default()
}

fn customer_ids(ids: Vec<String>) -> Vec<Arc<CustomerId>> {
    ids.into_iter().filter_map(|id| CustomerId::parse(id).ok()).map(Arc::new).collect()
}
