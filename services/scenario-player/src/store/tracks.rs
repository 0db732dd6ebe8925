//! Stored scenarios and recordings, their playbacks, and what these put on the timeline.

use std::sync::Arc;

use fred::clients::Client;
use fred::interfaces::{HashesInterface, KeysInterface, ListInterface, SortedSetsInterface};
use fred::types::{FromValue, Value};
use redis_core::id::{CustomerId, RecordingName};
use redis_core::{Key, RedisError};
use tracing::warn;

use super::add_args::{add_args, sequence_arg};
use super::client::Store;
use super::playback_args::{iteration_end_arg, playback_json};
use super::recordings::{parse_times, recording_names};
use crate::event::parse_stored_step;
use crate::lanes::Lane;
use crate::playback::Playback;
use crate::records::{PlaybackUpdate, StoredScenario, StoredTrack, TrackSummary};
use crate::scenario::Step;
use crate::time::EpochMicros;
use crate::track::{Track, TrackId};
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn load(&self, customer: &CustomerId) -> Result<Option<StoredScenario>, Unavailable> {
        let (scenario, playback) = (&self.name(Key::Scenario(customer)), &self.name(Key::Playback(customer)));
        let read = |client: Client| async move {
            let pipeline = client.pipeline();
            pipeline.lrange::<(), _>(scenario.as_str(), 0, -1).await?;
            pipeline.get::<(), _>(playback.as_str()).await?;
            pipeline.all::<(Vec<String>, Option<String>)>().await
        };
        let (list, playback) = self.run_for(customer.as_str(), read).await?;
        let steps: Vec<Step> = list.iter().filter_map(|text| parse_stored_step(text)).collect();
        if steps.is_empty() {
            return Ok(None);
        }
        // A scenario that the original stored has no playback. It is played as recorded.
        let playback = playback.and_then(|json| serde_json::from_str(&json).ok());
        let playback = playback.unwrap_or_else(|| Playback::as_recorded(&steps, 0));
        Ok(Some(StoredScenario { steps, playback }))
    }

    /// As [`Store::run`], for the keys of one customer or recording. Unusable data of it is logged once.
    async fn run_for<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        owner: &str,
        op: impl Fn(Client) -> F,
    ) -> Result<T, Unavailable> {
        let result = self.run(self.lanes.of(owner), op).await;
        if let Err(failed @ Unavailable::BadData(_)) = &result
            && self.warnings.is_first(owner)
        {
            warn!(customer = owner, "{failed}");
        }
        result
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
        let (times, playback) = self.recording_fields(name, "times").await?;
        let times = times.and_then(|json: String| parse_times(&json));
        let stored = times.zip(playback.and_then(|json| serde_json::from_str(&json).ok()));
        Ok(stored.map(|(times, playback)| StoredTrack {
            track: Track::Recording(Arc::clone(name), times),
            playback,
        }))
    }

    /// A field of a recording, and its playback.
    async fn recording_fields<T: FromValue>(
        &self,
        name: &RecordingName,
        field: &'static str,
    ) -> Result<(Option<T>, Option<String>), Unavailable> {
        let (recording, playback) =
            (&self.name(Key::Recording(name)), &self.name(Key::RecordingPlayback(name)));
        let read = |client: Client| async move {
            let pipeline = client.pipeline();
            pipeline.hget::<(), _, _>(recording.as_str(), field).await?;
            pipeline.get::<(), _>(playback.as_str()).await?;
            pipeline.all().await
        };
        self.run_for(name.as_str(), read).await
    }

    pub(crate) async fn summary(&self, id: &TrackId) -> Result<Option<TrackSummary>, Unavailable> {
        let (items, playback) = match id {
            TrackId::Scenario(customer) => {
                let (scenario, playback) =
                    (&self.name(Key::Scenario(customer)), &self.name(Key::Playback(customer)));
                let read = |client: Client| async move {
                    let pipeline = client.pipeline();
                    pipeline.llen::<(), _>(scenario.as_str()).await?;
                    pipeline.get::<(), _>(playback.as_str()).await?;
                    pipeline.all::<(Option<usize>, Option<String>)>().await
                };
                self.run_for(id.as_str(), read).await?
            }
            TrackId::Recording(name) => self.recording_fields(name, "count").await?,
        };
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

    pub(crate) async fn customers(&self, lane: Lane) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        Ok(customer_ids(self.members(lane, Key::Scenarios(lane.key_partition())).await?))
    }

    /// All members of a sorted set.
    pub(super) async fn members(&self, lane: Lane, key: Key<'_>) -> Result<Vec<String>, Unavailable> {
        let key = &self.name(key);
        let read = |client: Client| async move {
            client.zrange(key.as_str(), 0, -1, None, false, None, false).await
        };
        self.run(lane, read).await
    }

    pub(crate) async fn loops_ending_by(
        &self,
        lane: Lane,
        until: EpochMicros,
    ) -> Result<Vec<TrackId>, Unavailable> {
        let partition = lane.key_partition();
        let keys = &[Key::TimelineLoops(partition), Key::RecordingLoops(partition)].map(|key| self.name(key));
        let read = |client: Client| async move {
            let pipeline = client.pipeline();
            for key in keys {
                let (from, until_ms, limit) = (f64::NEG_INFINITY, until.as_ms() as f64, Some((0, 1000)));
                pipeline.zrangebyscore::<(), _, _, _>(key.as_str(), from, until_ms, false, limit).await?;
            }
            pipeline.all::<(Vec<String>, Vec<String>)>().await
        };
        let (customers, recordings) = self.run(lane, read).await?;
        let scenarios = customer_ids(customers).into_iter().map(TrackId::Scenario);
        Ok(scenarios.chain(recording_names(recordings).into_iter().map(TrackId::Recording)).collect())
    }

    pub(crate) async fn update_playback(&self, update: PlaybackUpdate) -> Result<bool, Unavailable> {
        let PlaybackUpdate { id, old, new, until_ms, remove, add } = &update;
        let lane = self.lanes.of(id.as_str());
        let partition = lane.key_partition();
        let mut args: Vec<Value> = vec![
            self.hint_channel(lane).into(),
            id.as_str().into(),
            playback_json(old).into(),
            new.as_ref().map(playback_json).unwrap_or_default().into(),
            iteration_end_arg(new.as_ref()),
            until_ms.map(|until_ms| until_ms.to_string()).unwrap_or_default().into(),
            i64::try_from(remove.len()).unwrap_or(i64::MAX).into(),
        ];
        args.extend(remove.iter().flat_map(|event| [event.member().into(), sequence_arg(event)]));
        args.extend(add_args(add, None));
        let mut keys = vec![Key::Timeline(partition), Key::TimelineMeta(partition)];
        match id {
            TrackId::Scenario(customer) => keys.extend([
                Key::Playback(customer),
                Key::Scenario(customer),
                Key::Scenarios(partition),
                Key::TimelineLoops(partition),
                Key::TimelinePosts(customer),
            ]),
            TrackId::Recording(name) => keys.extend([
                Key::RecordingPlayback(name),
                Key::Recording(name),
                Key::Recordings(partition),
                Key::RecordingLoops(partition),
            ]),
        }
        Ok(self.run_change(lane, &self.scripts.update_playback, &keys, args).await? == 1)
    }
}

fn customer_ids(ids: Vec<String>) -> Vec<Arc<CustomerId>> {
    ids.into_iter().filter_map(|id| CustomerId::parse(id).ok()).map(Arc::new).collect()
}
