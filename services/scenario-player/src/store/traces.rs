//! The traces of events in Redis: for each customer and recording that of the last request that put events on the timeline.

use std::collections::HashMap;
use std::sync::Arc;

use fred::clients::Client;
use fred::interfaces::KeysInterface;
use fred::types::Expiration;
use jiff::Timestamp;
use redis_core::Key;

use super::client::Store;
use crate::event_trace::EventTrace;
use crate::lanes::Lane;
use crate::range::ClaimedEvent;
use crate::track::TrackId;
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn set_trace(&self, id: &TrackId, trace: EventTrace) -> Result<(), Unavailable> {
        let (key, text) = (&self.name(trace_key(id)), &trace.to_string());
        let until_due_ms = trace.until_ms() - Timestamp::now().as_millisecond();
        let kept = || Some(Expiration::PX(until_due_ms.max(0) + KEPT_MS));
        let set = |client: Client| async move {
            client.set(key.as_str(), text.as_str(), kept(), None, false).await
        };
        self.run(self.lanes.of(id.as_str()), set).await
    }

    pub(crate) async fn fill_in_traces(
        &self,
        lane: Lane,
        events: &mut [ClaimedEvent],
    ) -> Result<(), Unavailable> {
        let mut wanted: HashMap<TrackId, Vec<&mut ClaimedEvent>> = HashMap::new();
        for claimed in events {
            wanted.entry(TrackId::of(&claimed.event)).or_default().push(claimed);
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let (ids, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        let keys: &Vec<String> = &ids.iter().map(|id| self.name(trace_key(id))).collect();
        let read = |client: Client| async move { client.mget(keys.clone()).await };
        let texts: Vec<Option<String>> = self.run(lane, read).await?;
        for (events, text) in wanted.into_iter().zip(texts) {
            let Some(trace) = text.as_deref().and_then(EventTrace::parse).map(Arc::new) else { continue };
            for claimed in events {
                claimed.trace = trace.includes(claimed.due_ms).then(|| Arc::clone(&trace));
            }
        }
        Ok(())
    }
}

fn trace_key(id: &TrackId) -> Key<'_> {
    match id {
        TrackId::Scenario(customer) => Key::TimelineTrace(customer),
        TrackId::Recording(name) => Key::RecordingTrace(name),
    }
}

/// How long after its last event is due a trace is kept (ms): that may be late.
const KEPT_MS: i64 = 600_000;
