//! What can be done with recordings only: post and list them. They are played as scenarios are.

use std::sync::Arc;

use redis_core::id::RecordingName;

use super::{ScenarioError, ScenarioService, load_all};
use crate::effect::Effect;
use crate::playback::Speed;
use crate::records::{NewRecording, RecordingStart, RecordingStored, TrackSummary};
use crate::track::{Track, TrackId};

impl ScenarioService {
    /// Stores a recording, and plays it from its beginning. One that has been stored already is left as it is, so a request can
    /// be repeated.
    pub(crate) async fn post_recording(
        &self,
        new: NewRecording,
        speed: Speed,
        looping: bool,
    ) -> Result<TrackSummary, ScenarioError> {
        match self.timeline.store_recording(&new).await? {
            RecordingStored::Ready => self.begin(&new, speed, looping).await?,
            RecordingStored::HasBegun => {}
            RecordingStored::NameIsTaken => return Err(ScenarioError::NameOfAnother),
        }
        self.recording(&new.name).await
    }

    async fn begin(&self, new: &NewRecording, speed: Speed, looping: bool) -> Result<(), ScenarioError> {
        let (name, lane) = (new.name.as_str(), self.lane_of(new.name.as_str()));
        let post = self.timeline.next_post(lane).await?;
        let times = new.messages.iter().map(|recorded| recorded.time).collect();
        let track = Track::Recording(Arc::clone(&new.name), times);
        // A moment later, so that the first messages are not late.
        let at = Effect::EXACT.at(self.now_of(name));
        let playback = track.start(at, speed, looping, post);
        let mut add = track.events_since(&playback, at);
        add.sort_by_key(|event| (event.time(), event.sequence));
        self.set_trace(&TrackId::Recording(Arc::clone(&new.name)), &add).await?;
        let count = add.len();
        if !self.timeline.begin_recording(new, RecordingStart { playback, add }).await? {
            return Err(ScenarioError::Conflict);
        }
        self.metrics.count_posted_steps(count);
        Ok(())
    }

    /// A stored recording.
    pub(crate) async fn recording(&self, name: &RecordingName) -> Result<TrackSummary, ScenarioError> {
        self.timeline.summary(&name.into()).await?.ok_or(ScenarioError::NoRecording)
    }

    /// All stored recordings.
    pub(crate) async fn recordings(&self) -> Result<Vec<(Arc<RecordingName>, TrackSummary)>, ScenarioError> {
        let names = self.of_all_lanes(async |lane| self.timeline.recordings(lane).await).await?;
        load_all(names, async |name| self.timeline.summary(&TrackId::Recording(Arc::clone(name))).await).await
    }
}
