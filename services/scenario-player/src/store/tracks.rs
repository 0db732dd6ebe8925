//! Stored scenarios and recordings, their playbacks, and what these put on the timeline.

use std::sync::Arc;

use fred::interfaces::{HashesInterface, KeysInterface, ListInterface, SortedSetsInterface};
use fred::types::Value;
use redis_core::id::CustomerId;
use redis_core::{Channel, Key, RedisError};
use tracing::warn;

use super::add_args::{add_args, sequence_arg};
use super::client::Store;
use super::playback_args::{iteration_end_arg, playback_json};
use super::recordings::{parse_times, recording_names};
use crate::event::parse_stored_step;
use crate::playback::Playback;
use crate::records::{PlaybackUpdate, StoredScenario, StoredTrack, TrackSummary};
use crate::scenario::Step;
use crate::time::EpochMicros;
use crate::track::{Track, TrackId};
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn load(&self, customer: &CustomerId) -> Result<Option<StoredScenario>, Unavailable> {
        let pipeline = self.client().pipeline();
        let queued = async {
            pipeline.lrange::<(), _>(Key::Scenario(customer).to_string(), 0, -1).await?;
            pipeline.get::<(), _>(Key::Playback(customer).to_string()).await?;
            pipeline.all::<(Vec<String>, Option<String>)>().await
        };
        let (list, playback) = queued.await.map_err(|error| self.failed_for(customer.as_str(), error))?;
        let steps: Vec<Step> = list.iter().filter_map(|text| parse_stored_step(text)).collect();
        if steps.is_empty() {
            return Ok(None);
        }
        // A scenario that the original stored has no playback. It is played as recorded.
        let playback = playback.and_then(|json| serde_json::from_str(&json).ok());
        let playback = playback.unwrap_or_else(|| Playback::as_recorded(&steps, 0));
        Ok(Some(StoredScenario { steps, playback }))
    }

    /// As [`Store::failed`]. Unusable data of one customer or recording is logged once.
    fn failed_for(&self, owner: &str, error: RedisError) -> Unavailable {
        let failed = self.failed(error);
        if matches!(failed, Unavailable::BadData(_)) && self.warnings.is_first(owner) {
            warn!(customer = owner, "{failed}");
        }
        failed
    }

    pub(crate) async fn track(&self, id: &TrackId) -> Result<Option<StoredTrack>, Unavailable> {
        let name = match id {
            TrackId::Scenario(customer) => {
                let stored = self.load(customer).await?;
                return Ok(stored.map(|StoredScenario { steps, playback }| StoredTrack {
                    track: Track::Scenario(Arc::clone(customer), steps),
                    playback,
                }));
            }
            TrackId::Recording(name) => name,
        };
        let pipeline = self.client().pipeline();
        let queued = async {
            pipeline.hget::<(), _, _>(Key::Recording(name).to_string(), "times").await?;
            pipeline.get::<(), _>(Key::RecordingPlayback(name).to_string()).await?;
            pipeline.all::<(Option<String>, Option<String>)>().await
        };
        let (times, playback) = queued.await.map_err(|error| self.failed_for(name.as_str(), error))?;
        let times = times.and_then(|json| parse_times(&json));
        let stored = times.zip(playback.and_then(|json| serde_json::from_str(&json).ok()));
        Ok(stored.map(|(times, playback)| StoredTrack {
            track: Track::Recording(Arc::clone(name), times),
            playback,
        }))
    }

    pub(crate) async fn summary(&self, id: &TrackId) -> Result<Option<TrackSummary>, Unavailable> {
        let pipeline = self.client().pipeline();
        let queued = async {
            match id {
                TrackId::Scenario(customer) => {
                    pipeline.llen::<(), _>(Key::Scenario(customer).to_string()).await?;
                    pipeline.get::<(), _>(Key::Playback(customer).to_string()).await?;
                }
                TrackId::Recording(name) => {
                    pipeline.hget::<(), _, _>(Key::Recording(name).to_string(), "count").await?;
                    pipeline.get::<(), _>(Key::RecordingPlayback(name).to_string()).await?;
                }
            }
            pipeline.all::<(Option<usize>, Option<String>)>().await
        };
        let (items, playback) = queued.await.map_err(|error| self.failed_for(id.as_str(), error))?;
        match (items, playback.and_then(|json| serde_json::from_str(&json).ok())) {
            (Some(items), Some(playback)) if items > 0 => Ok(Some(TrackSummary { items, playback })),
            // A scenario that the original stored has no playback.
            _ => match id {
                TrackId::Scenario(customer) => {
                    let stored = self.load(customer).await?;
                    Ok(stored.map(|StoredScenario { steps, playback }| TrackSummary {
                        items: steps.len(),
                        playback,
                    }))
                }
                TrackId::Recording(_) => Ok(None),
            },
        }
    }

    pub(crate) async fn customers(&self) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        Ok(customer_ids(self.members(Key::Scenarios).await?))
    }

    /// All members of a sorted set.
    pub(super) async fn members(&self, key: Key<'_>) -> Result<Vec<String>, Unavailable> {
        let members = self.client().zrange(key.to_string(), 0, -1, None, false, None, false).await;
        members.map_err(|error| self.failed(error))
    }

    pub(crate) async fn loops_ending_by(&self, until: EpochMicros) -> Result<Vec<TrackId>, Unavailable> {
        let pipeline = self.client().pipeline();
        let queued = async {
            for key in [Key::TimelineLoops, Key::RecordingLoops] {
                let (from, until_ms, limit) = (f64::NEG_INFINITY, until.as_ms() as f64, Some((0, 1000)));
                pipeline.zrangebyscore::<(), _, _, _>(key.to_string(), from, until_ms, false, limit).await?;
            }
            pipeline.all::<(Vec<String>, Vec<String>)>().await
        };
        let (customers, recordings) = queued.await.map_err(|error| self.failed(error))?;
        let scenarios = customer_ids(customers).into_iter().map(TrackId::Scenario);
        Ok(scenarios.chain(recording_names(recordings).into_iter().map(TrackId::Recording)).collect())
    }

    pub(crate) async fn update_playback(&self, update: PlaybackUpdate) -> Result<bool, Unavailable> {
        let PlaybackUpdate { id, old, new, until_ms, remove, add } = &update;
        let mut args: Vec<Value> = vec![
            Channel::TimelineChanged.to_string().into(),
            id.as_str().into(),
            playback_json(old).into(),
            new.as_ref().map(playback_json).unwrap_or_default().into(),
            iteration_end_arg(new.as_ref()),
            until_ms.map(|until_ms| until_ms.to_string()).unwrap_or_default().into(),
            i64::try_from(remove.len()).unwrap_or(i64::MAX).into(),
        ];
        args.extend(remove.iter().flat_map(|event| [event.member().into(), sequence_arg(event)]));
        args.extend(add_args(add, None));
        let mut keys = vec![Key::Timeline, Key::TimelineMeta];
        match id {
            TrackId::Scenario(customer) => keys.extend([
                Key::Playback(customer),
                Key::Scenario(customer),
                Key::Scenarios,
                Key::TimelineLoops,
                Key::TimelinePosts(customer),
            ]),
            TrackId::Recording(name) => keys.extend([
                Key::RecordingPlayback(name),
                Key::Recording(name),
                Key::Recordings,
                Key::RecordingLoops,
            ]),
        }
        Ok(self.run_change(&self.scripts.update_playback, &keys, args).await? == 1)
    }
}

fn customer_ids(ids: Vec<String>) -> Vec<Arc<CustomerId>> {
    ids.into_iter().filter_map(|id| CustomerId::parse(id).ok()).map(Arc::new).collect()
}
