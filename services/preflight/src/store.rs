//! The one file that speaks Redis: subscribing to runs, reading them, and finding out what Redis tells of changes.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fred::clients::{Client, Pool};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface, HashesInterface, KeysInterface, PubsubInterface};
use fred::types::Value;
use redis_core::id::RunId;
use redis_core::{Channel, ConnectError, Connection, Key, RedisConfig, State, connect};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::debug;

use crate::notifications::Notifications;
use crate::run::RunHash;

/// How long an answer on the subscribing connection may take before that connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the subscribing connection and the notifications are tried.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How long a probe that could not be made waits for its repetition.
const PROBE_RETRY: Duration = Duration::from_millis(200);

/// Changes that may wait to be heard. More is no loss: all watched runs are read again.
const EVENTS: usize = 4096;

/// Runs in Redis.
///
/// One connection subscribes and nothing else; others read. fred takes a refusal of SUBSCRIBE for the answer to the next
/// command, which on a shared connection would give a run another run's hash. Here it can only spoil a PING, and each
/// PING carries a number of its own.
pub(crate) struct Store {
    subscriber: Connection<Client>,
    reader: Connection<Pool>,
    db: u8,
    canary: String,
    pings: AtomicU64,
}

/// What the subscribing connection has to say.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The run's key was written, deleted, renamed or has expired.
    Changed(RunId),
    /// More came than could be kept: any run may have changed.
    Missed,
    /// There is a new connection, on which nothing is subscribed yet.
    Connected,
    /// What Redis tells of changes, found out by a probe on the present connection.
    Probed(Notifications),
}

impl Store {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, ConnectError> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            subscriber: connect::listener(config, EVENTS)?,
            reader: connect::pool(config)?,
            db: config.db(),
            canary: format!("{:x}-{:x}", process::id(), since_1970.as_nanos()),
            pings: AtomicU64::new(0),
        })
    }

    /// The states of both connections: the subscribing one, then the reading ones.
    pub(crate) fn states(&self) -> [watch::Receiver<State>; 2] {
        [self.subscriber.state.clone(), self.reader.state.clone()]
    }

    /// The run's hash as it is now. A key of another type is no run, and has no fields.
    pub(crate) async fn read(&self, run: &RunId) -> Result<RunHash, Error> {
        match self.reader.client.hgetall::<Value, _>(Key::Run(run).to_string()).await {
            Ok(fields) => Ok(fields.into_map()?.inner().into_iter().map(as_text).collect()),
            Err(error) if error.details().starts_with("WRONGTYPE") => {
                debug!(run.id = %run, "the key {run} is no hash");
                Ok(RunHash::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Subscribes to changes of a run. After `true` every later change will be heard; `false`: Redis refuses.
    pub(crate) async fn subscribe(&self, run: &RunId) -> Result<bool, Error> {
        match self.subscribe_to(Channel::Keyspace(self.db, Key::Run(run)).to_string()).await {
            Err(error) if is_refusal(&error) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Ends the subscription of a run.
    pub(crate) async fn unsubscribe(&self, run: &RunId) -> Result<(), Error> {
        self.subscriber.client.unsubscribe(Channel::Keyspace(self.db, Key::Run(run)).to_string()).await
    }

    /// Tells what is heard, for ever, or until nobody listens.
    pub(crate) async fn listen(&self, listener: mpsc::Sender<Heard>) {
        let mut events = self.subscriber.client.keyspace_event_rx();
        let mut connects = self.subscriber.client.reconnect_rx();
        let mut probing = Box::pin(self.probe_at(Instant::now()));
        // The first connection may have been made before anyone could hear of it.
        let mut heard = Some(Heard::Connected);
        loop {
            if let Some(heard) = heard.take()
                && listener.send(heard).await.is_err()
            {
                return;
            }
            heard = tokio::select! {
                biased;
                connected = connects.recv() => {
                    if matches!(connected, Err(RecvError::Closed)) {
                        return;
                    }
                    probing = Box::pin(self.probe_at(Instant::now()));
                    Some(Heard::Connected)
                }
                event = events.recv() => match event {
                    Ok(event) => event.key.as_str().and_then(|key| RunId::parse(key).ok()).map(Heard::Changed),
                    Err(RecvError::Lagged(_)) => Some(Heard::Missed),
                    Err(RecvError::Closed) => return,
                },
                verdict = &mut probing => {
                    probing = Box::pin(self.probe_at(Instant::now() + PROBE_INTERVAL));
                    Some(Heard::Probed(verdict))
                }
            };
        }
    }

    /// Probes at that moment, and again until there is a verdict.
    async fn probe_at(&self, moment: Instant) -> Notifications {
        sleep_until(moment).await;
        loop {
            match self.probe().await {
                Ok(verdict) => return verdict,
                Err(error) => {
                    debug!("probe the notifications: {}", error.details());
                    if *error.kind() == ErrorKind::Protocol {
                        // Its answers cannot be trusted, or do not come: a new connection brings a new start.
                        let _ = self.subscriber.client.force_reconnection().await;
                    }
                }
            }
            sleep(PROBE_RETRY).await;
        }
    }

    /// Writes a key that nobody else uses, in every way that a run may change, and hears what Redis tells of it. CONFIG,
    /// which many servers forbid, is not needed.
    async fn probe(&self) -> Result<Notifications, Error> {
        let mut events = self.subscriber.client.keyspace_event_rx();
        let canary = Key::PreflightCanary(&self.canary);
        match self.subscribe_to(Channel::Keyspace(self.db, canary).to_string()).await {
            Err(error) if is_refusal(&error) => {
                return Ok(Notifications::Forbidden(error.details().to_owned()));
            }
            other => other?,
        }
        match self.write_canary(&canary.to_string()).await {
            Err(error) if is_refusal(&error) => {
                return Ok(Notifications::Unproven(error.details().to_owned()));
            }
            other => other?,
        }
        // What Redis told of it was on its way before this answer.
        self.acknowledged().await?;
        let mut heard = Vec::new();
        loop {
            match events.try_recv() {
                Ok(event) if event.key.as_str() == Some(&canary.to_string()) => heard.push(event.operation),
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => {
                    return Err(Error::new(ErrorKind::Backpressure, "too many events"));
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(Notifications::heard(&heard)),
            }
        }
    }

    async fn write_canary(&self, key: &str) -> Result<(), Error> {
        let redis = self.reader.client.next();
        let _: () = redis.hset(key, ("sings", "true")).await?;
        let _: () = redis.del(key).await?;
        let _: () = redis.hset(key, ("sings", "true")).await?;
        let _: () = redis.pexpire(key, 1, None).await?;
        sleep(Duration::from_millis(5)).await;
        // Looking at an expired key makes Redis notice, and tell.
        redis.exists(key).await
    }

    async fn subscribe_to(&self, channel: String) -> Result<(), Error> {
        self.subscriber.client.subscribe(channel).await?;
        self.acknowledged().await
    }

    /// Returns when Redis has carried out all that was sent on the subscribing connection before.
    async fn acknowledged(&self) -> Result<(), Error> {
        let number = self.pings.fetch_add(1, Ordering::Relaxed).to_string();
        match timeout(PATIENCE, self.subscriber.client.ping::<Value>(Some(number.clone()))).await {
            Ok(Ok(answer)) if answers(&answer, &number) => Ok(()),
            Ok(Ok(_)) => Err(Error::new(ErrorKind::Protocol, "redis answered another question")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(ErrorKind::Protocol, "redis did not answer in time")),
        }
    }
}

fn as_text((field, value): (fred::types::Key, Value)) -> (String, String) {
    let value = String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned();
    (field.as_str_lossy().into_owned(), value)
}

/// Whether an answer to PING has its number: alone, or after `pong` once something is subscribed.
fn answers(answer: &Value, number: &str) -> bool {
    match answer {
        Value::Array(parts) => parts.last().is_some_and(|last| last.as_str().as_deref() == Some(number)),
        value => value.as_str().as_deref() == Some(number),
    }
}

/// Whether the server will not do it for this user, or at all.
fn is_refusal(error: &Error) -> bool {
    ["NOPERM", "READONLY", "ERR unknown command"].iter().any(|prefix| error.details().starts_with(prefix))
}
