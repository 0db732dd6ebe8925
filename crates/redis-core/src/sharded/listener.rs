//! The subscriptions at one shard.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::Server;
use fred::types::{CustomCommand, Message, Value};
use futures_util::future::join_all;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::event::{Ended, ShardedEvent};
use super::subscriptions::Subscriptions;
use crate::builder::once;
use crate::error::{RETRY_INTERVAL_MS, reason};
use crate::follow::reconnect;
use crate::pubsub::{Proof, out_of_step};
use crate::state::publish_state;
use crate::{ConnectError, Connection, ErrorClass, Redis, RedisError, Shard, State, connect};

/// A command that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How often Redis is asked whether all subscriptions stand.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(RETRY_INTERVAL_MS);
/// The most SSUBSCRIBE that are sent at once.
const BATCH_SIZE: usize = 512;
/// The most SUNSUBSCRIBE that are sent at once. An error of one is taken for the reply to the next command, until that is mended.
const UNSUBSCRIBE_BATCH_SIZE: usize = 8;

/// A change of what shall be subscribed to.
pub(super) enum Change {
    Add {
        channel: Arc<str>,
        /// It was subscribed to elsewhere before.
        has_stood: bool,
    },
    Remove(Arc<str>),
    /// The channel's slot has gone to another shard.
    Forget(Arc<str>),
}

/// The connection to a shard. It ends when this is dropped.
pub(super) struct Listener {
    pub(super) shard: Shard,
    changes: mpsc::UnboundedSender<Change>,
    state: watch::Receiver<State>,
}

impl Listener {
    /// Starts to connect in the background. `state_changed` is notified at each change of the state.
    ///
    /// # Errors
    /// When the configuration cannot be used at all.
    pub(super) fn start(
        shard: &Shard,
        redis: &Redis,
        event_capacity: usize,
        events: mpsc::Sender<ShardedEvent>,
        state_changed: Arc<Notify>,
    ) -> Result<Self, ConnectError> {
        let connection = connect::listener(shard.config(), event_capacity)?;
        let (messages, connects) = (connection.client.message_rx(), connection.client.reconnect_rx());
        let (changes, change_receiver) = mpsc::unbounded_channel();
        let (state_sender, state) = watch::channel(connection.state.borrow().clone());
        let task = Task {
            connection,
            messages,
            connects,
            proof: Proof::default(),
            subscriptions: Subscriptions::default(),
            is_connected: false,
            has_surplus: false,
            failure: None,
            retry_at: None,
            changes: change_receiver,
            events,
            redis: redis.clone(),
            state: state_sender,
            state_changed,
        };
        tokio::spawn(task.run());
        Ok(Self { shard: shard.clone(), changes, state })
    }

    pub(super) fn apply(&self, change: Change) {
        // The task ends only with the process, or when nobody takes the events any more.
        let _ = self.changes.send(change);
    }

    /// Whether it can be subscribed there.
    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }
}

struct Task {
    connection: Connection<Client>,
    messages: broadcast::Receiver<Message>,
    connects: broadcast::Receiver<Server>,
    proof: Proof,
    subscriptions: Subscriptions,
    is_connected: bool,
    /// At the last check Redis had more subscriptions than are known.
    has_surplus: bool,
    /// Why it cannot be subscribed.
    failure: Option<String>,
    /// After a failure: when it is tried again.
    retry_at: Option<Instant>,
    changes: mpsc::UnboundedReceiver<Change>,
    events: mpsc::Sender<ShardedEvent>,
    redis: Redis,
    state: watch::Sender<State>,
    state_changed: Arc<Notify>,
}

impl Task {
    async fn run(mut self) {
        // The end needs no word.
        let _ = self.listen().await;
        self.connection.close().await;
    }

    async fn listen(&mut self) -> Result<(), Ended> {
        let mut connection_state = self.connection.state.clone();
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                change = self.changes.recv() => {
                    self.apply(change.ok_or(Ended)?);
                    while let Ok(change) = self.changes.try_recv() {
                        self.apply(change);
                    }
                }
                connected = self.connects.recv() => {
                    if matches!(connected, Err(RecvError::Closed)) {
                        return Err(Ended);
                    }
                    self.lose_all().await?;
                    (self.is_connected, self.retry_at) = (true, None);
                }
                Ok(()) = connection_state.changed() => {
                    let works = connection_state.borrow_and_update().is_ok();
                    // A Redis that cannot save, for example, still sends what is published.
                    if !works && self.is_connected && self.proof.settle(&self.client()).await.is_err() {
                        self.start_anew().await?;
                    }
                    self.publish_state();
                }
                _ = checks.tick() => {
                    if self.is_connected {
                        let checked = self.check().await;
                        self.note(checked).await?;
                    }
                }
                message = self.messages.recv() => match message {
                    Ok(message) => self.pass_on(message).await?,
                    Err(RecvError::Lagged(_)) => self.start_anew().await?,
                    Err(RecvError::Closed) => return Err(Ended),
                },
                () = async { sleep_until(self.retry_at.unwrap_or_else(Instant::now)).await },
                    if self.retry_at.is_some() => self.retry_at = None,
                () = std::future::ready(()), if self.has_work() => {}
            }
            if self.has_work() {
                let mut told = Vec::new();
                let done = self.work(&mut told).await;
                for event in told {
                    self.tell(event).await?;
                }
                self.note(done).await?;
            }
        }
    }

    fn has_work(&self) -> bool {
        self.is_connected && self.retry_at.is_none() && !self.subscriptions.is_settled()
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Add { channel, has_stood } => self.subscriptions.add(channel, has_stood),
            Change::Remove(channel) => self.subscriptions.remove(channel),
            Change::Forget(channel) => self.subscriptions.forget(channel),
        }
    }

    async fn pass_on(&self, message: Message) -> Result<(), Ended> {
        if self.subscriptions.is_wanted(&message.channel) {
            self.tell(ShardedEvent::Message(message)).await?;
        }
        Ok(())
    }

    async fn tell(&self, event: ShardedEvent) -> Result<(), Ended> {
        self.events.send(event).await.map_err(|_| Ended)
    }

    async fn tell_lost(&self, channels: Vec<Arc<str>>) -> Result<(), Ended> {
        if channels.is_empty() { Ok(()) } else { self.tell(ShardedEvent::Lost(channels)).await }
    }

    async fn lose_all(&mut self) -> Result<(), Ended> {
        let lost = self.subscriptions.lose_all();
        self.tell_lost(lost).await
    }

    /// On a new connection.
    async fn start_anew(&mut self) -> Result<(), Ended> {
        self.lose_all().await?;
        self.is_connected = false;
        reconnect(&self.connection.client).await;
        Ok(())
    }

    /// Notes how an attempt has ended.
    async fn note(&mut self, result: Result<(), RedisError>) -> Result<(), Ended> {
        match result {
            Ok(()) if self.subscriptions.is_settled() => self.failure = None,
            Ok(()) => {}
            Err(error) => {
                self.failure = Some(reason(&error));
                self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
                if ErrorClass::of(&error) == ErrorClass::Unreachable {
                    self.start_anew().await?;
                }
            }
        }
        self.publish_state();
        Ok(())
    }

    /// Asks whether all subscriptions stand. Redis ends those of a slot that goes to another shard.
    async fn check(&mut self) -> Result<(), RedisError> {
        self.subscriptions.retry_forbidden();
        // A Redis that is too old to say is too old for SSUBSCRIBE.
        let Some(info) = self.proof.info(&self.client()).await? else { return Ok(()) };
        let has_surplus = !self.subscriptions.check(info.sharded);
        // It may be that a slot has just gone, and the server does not know yet.
        if std::mem::replace(&mut self.has_surplus, has_surplus) && has_surplus {
            return Err(out_of_step());
        }
        Ok(())
    }

    /// Brings the subscriptions in line with what they shall be, up to a certain number. What comes of it is added to `told`.
    async fn work(&mut self, told: &mut Vec<ShardedEvent>) -> Result<(), RedisError> {
        let client = self.client();
        let unused = self.subscriptions.take_unused(UNSUBSCRIBE_BATCH_SIZE);
        for channel in &unused {
            client.sunsubscribe(channel.to_string()).await?;
        }
        if !unused.is_empty() {
            self.proof.settle(&client).await?;
        }
        let channels = self.subscriptions.pending(BATCH_SIZE);
        let replies = join_all(channels.iter().map(|channel| subscribe(&client, channel))).await;
        let (mut has_moved, mut result) = (false, Ok(()));
        for (channel, reply) in channels.into_iter().zip(replies) {
            match reply {
                Ok(count) => {
                    if let Some(has_missed) = self.subscriptions.confirm(&channel, count) {
                        told.push(ShardedEvent::Subscribed { channel, has_missed });
                    }
                }
                Err(error) => match ErrorClass::of(&error) {
                    ErrorClass::Forbidden => {
                        if self.subscriptions.forbid(&channel) {
                            told.push(ShardedEvent::Lost(vec![channel.clone()]));
                        }
                        told.push(ShardedEvent::Forbidden(channel));
                    }
                    ErrorClass::Cluster => {
                        has_moved = true;
                        if self.subscriptions.note_moved(&channel) {
                            told.push(ShardedEvent::Lost(vec![channel]));
                        }
                    }
                    _ => result = Err(error),
                },
            }
        }
        if has_moved {
            self.redis.ask_for_topology();
            self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
        }
        result
    }

    /// The client for commands that fail when the connection is lost.
    fn client(&self) -> WithOptions<Client> {
        self.connection.client.with_options(&once(TIMEOUT))
    }

    fn publish_state(&self) {
        let connection = self.connection.state.borrow().clone();
        let state = connection.and_then(|note| self.failure.clone().map_or(Ok(note), Err));
        if *self.state.borrow() != state {
            publish_state(&self.state, state);
            self.state_changed.notify_one();
        }
    }
}

/// Subscribes to a channel, and returns the number of subscriptions that there are now.
///
/// It is not fred's own call, which waits for each reply before it sends the next command.
async fn subscribe(client: &WithOptions<Client>, channel: &str) -> Result<usize, RedisError> {
    let command = CustomCommand::new_static("SSUBSCRIBE", None, false);
    let reply: Value = client.custom(command, vec![channel]).await?;
    // `ssubscribe`, the channel, the number
    let count = match reply.into_array().as_slice() {
        [_, name, count] if name.as_str().is_some_and(|name| name == channel) => count.as_usize(),
        _ => None,
    };
    count.ok_or_else(out_of_step)
}
