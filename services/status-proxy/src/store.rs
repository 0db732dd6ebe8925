//! All that is said to Redis.
//!
//! Two kinds of connection, whatever the number of viewers: one that subscribes, and the pool for everything else.

mod recording;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fred::clients::{Client, Pool, WithOptions};
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface, KeysInterface, PubsubInterface};
use fred::types::config::{Options, Server};
use fred::types::scripts::Script;
use fred::types::{Message, Value};
use redis_core::{Channel, ConnectError, Connection, Key, RedisConfig, State, connect};
use tokio::sync::{broadcast, watch};

use self::recording::Recording;
use crate::line::{Id, Line};
use crate::ring::{Ask, Keep, Recorded};

/// A channel's subscription takes no longer than this, or is tried anew.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Messages that may wait to be heard, for which 11 MB are taken. More is announced as a gap.
pub(crate) const EVENTS: usize = 16_384;
/// Channels in one SUBSCRIBE.
const AT_ONCE: usize = 512;
/// How long a recorder may be silent before another takes its place.
const LEASE: Duration = Duration::from_secs(3);
/// How long viewers wait, after a lost connection, for what another instance recorded meanwhile.
const CATCH_UP: Duration = Duration::from_millis(700);

/// Redis, as status-proxy uses it.
pub(crate) struct Store {
    subscriber: Connection<Client>,
    pool: Connection<Pool>,
    instance: String,
    record: Script,
    past: Script,
    mark: Script,
}

/// What the subscribing connection says.
pub(crate) struct Heard {
    /// What is published on the subscribed channels.
    pub(crate) messages: broadcast::Receiver<Message>,
    /// Each connection that stands; it has no subscriptions yet.
    pub(crate) connects: broadcast::Receiver<Server>,
}

/// What a recorder knows after it has tried to record.
pub(crate) struct RecordState {
    /// This instance is the recorder.
    pub(crate) is_recorder: bool,
    /// Every line before this mark is recorded.
    pub(crate) upto: u64,
}

impl Store {
    /// Begins to connect, in the background. Whatever the subscribing connection says from its first moment on is heard.
    ///
    /// # Errors
    /// When the configuration cannot be used at all.
    pub(crate) fn new(config: &RedisConfig, instance: String) -> Result<(Self, Heard), ConnectError> {
        let subscriber = connect::listener(config, EVENTS)?;
        let heard =
            Heard { messages: subscriber.client.message_rx(), connects: subscriber.client.reconnect_rx() };
        let store = Self {
            subscriber,
            pool: connect::pool(config)?,
            instance,
            record: Script::from_lua(include_str!("store/record.lua")),
            past: Script::from_lua(include_str!("store/past.lua")),
            mark: Script::from_lua(include_str!("store/mark.lua")),
        };
        Ok((store, heard))
    }

    /// Whether the subscribing connection and the pool stand.
    pub(crate) fn states(&self) -> [watch::Receiver<State>; 2] {
        [self.subscriber.state.clone(), self.pool.state.clone()]
    }

    /// Subscribes; when it returns the subscriptions stand.
    pub(crate) async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), Error> {
        let client = self.once();
        for some in channels.chunks(AT_ONCE) {
            client.subscribe(some.iter().map(|channel| channel.to_string()).collect::<Vec<_>>()).await?;
        }
        self.barrier().await
    }

    /// Subscribes to all channels that could be status channels.
    pub(crate) async fn subscribe_all(&self) -> Result<(), Error> {
        self.once().psubscribe(Channel::EveryStatus.to_string()).await?;
        self.barrier().await
    }

    pub(crate) async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), Error> {
        let client = self.once();
        for some in channels.chunks(AT_ONCE) {
            client.unsubscribe(some.iter().map(|channel| channel.to_string()).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Makes the subscribing connection anew.
    pub(crate) async fn reconnect(&self) {
        // Whether it could be dropped or was lost already, it is made anew.
        let _ = tokio::time::timeout(TIMEOUT, self.subscriber.client.force_reconnection()).await;
    }

    /// fred answers SUBSCRIBE when it is written. The answer to a PING behind it says that Redis has done it.
    async fn barrier(&self) -> Result<(), Error> {
        self.once().ping::<Value>(None).await.map(drop)
    }

    /// On the connection as it is now, or not at all: the subscriptions of a new one are made as a whole.
    fn once(&self) -> WithOptions<Client> {
        let options =
            Options { max_attempts: Some(1), fail_fast: true, timeout: Some(TIMEOUT), ..Options::default() };
        self.subscriber.client.with_options(&options)
    }

    /// The channel on which this instance hears itself.
    pub(crate) fn probe_channel(&self) -> Arc<str> {
        Channel::StatusProbe(&self.instance).to_string().into()
    }

    pub(crate) async fn publish_probe(&self) -> Result<(), Error> {
        let client = self.pool.client.next();
        client.publish::<(), _, _>(Channel::StatusProbe(&self.instance).to_string(), "probe").await
    }

    /// Publishes the next mark and returns it.
    pub(crate) async fn publish_mark(&self) -> Result<u64, Error> {
        let keys = vec![Key::StatusMark.to_string()];
        self.mark
            .evalsha_with_reload(self.pool.client.next(), keys, vec![Channel::StatusMarks.to_string()])
            .await
    }

    /// Records lines, if this instance is or can become the recorder. `start` and `upto` are as in the script.
    pub(crate) async fn record(
        &self,
        start: u64,
        upto: u64,
        keep: Keep,
        lines: &[(Arc<str>, Line)],
    ) -> Result<RecordState, Error> {
        let mut keys = vec![Key::StatusRecorder.to_string(), Key::StatusRecorded.to_string()];
        let mut args: Vec<Value> = vec![
            self.instance.as_str().into(),
            (LEASE.as_millis() as i64).into(),
            start.to_string().into(),
            upto.to_string().into(),
            (keep.lines as i64).into(),
            (keep.age.as_millis() as i64).into(),
        ];
        for (channel, line) in lines {
            let key = Key::StatusHistory(channel).to_string();
            let place = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            });
            args.extend([
                (place as i64 + 1).into(),
                line.id.to_string().into(),
                line.text.to_string().into(),
            ]);
        }
        let (is_recorder, upto): (bool, u64) =
            self.record.evalsha_with_reload(self.pool.client.next(), keys, args).await?;
        Ok(RecordState { is_recorder, upto })
    }

    /// What is recorded of these channels, as far as a client asks for it.
    pub(crate) async fn past(&self, channels: &[&str], ask: Ask) -> Result<Vec<Recorded>, Error> {
        let since = ask.since.flatten();
        let count = since.map_or(ask.history.unwrap_or(0), |_| 0);
        Ok(self.read(channels, since, count).await?.for_client(since))
    }

    /// The lines of these channels after `since`, if another instance has recorded everything from there up to the mark.
    /// Waits as long as there is hope.
    pub(crate) async fn missed(
        &self,
        channels: &[Arc<str>],
        since: Id,
        mark: u64,
    ) -> Result<Option<Vec<(Arc<str>, Line)>>, Error> {
        let deadline = Instant::now() + CATCH_UP;
        loop {
            let recorder: Option<String> = self.pool.client.get(Key::StatusRecorder.to_string()).await?;
            let state = self.read(&[], Some(since), 0).await?;
            let is_hopeless = recorder.is_none_or(|recorder| recorder == self.instance);
            if is_hopeless || state.complete > since || Instant::now() > deadline {
                return Ok(None);
            }
            if state.upto >= mark {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut lines = Vec::new();
        for some in channels.chunks(AT_ONCE) {
            let names: Vec<&str> = some.iter().map(AsRef::as_ref).collect();
            let streams = self.read(&names, Some(since), 0).await?.streams;
            for (channel, stream) in some.iter().zip(streams) {
                lines.extend(stream.lines.into_iter().map(|line| (channel.clone(), line)));
            }
        }
        lines.retain(|(_, line)| line.id.mark < mark);
        lines.sort_by_key(|(_, line)| line.id);
        Ok(Some(lines))
    }

    async fn read(&self, channels: &[&str], since: Option<Id>, count: usize) -> Result<Recording, Error> {
        let mut keys = vec![Key::StatusRecorded.to_string()];
        keys.extend(channels.iter().map(|channel| Key::StatusHistory(channel).to_string()));
        let args = vec![since.map(|id| id.to_string()).unwrap_or_default(), count.to_string()];
        let answer: Vec<Value> = self.past.evalsha_with_reload(self.pool.client.next(), keys, args).await?;
        Recording::read(answer)
    }
}
