//! The loop that sends operations to Redis, a batch at a time, and deals with the replies in their order.
//!
//! A batch is sent until it is answered, and a second one behind it, so that neither Redis nor the node waits for the other;
//! the script does nothing twice and nothing out of order. What other nodes tell lies in Redis and is read with a batch;
//! Pub/Sub only says when, and is not relied on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::clients::{Client, SubscriberClient};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{EventInterface, PubsubInterface};
use fred::types::scripts::Script;
use fred::types::{Message, Value};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream::FuturesOrdered;
use redis_core::channel::Channel;
use redis_core::{RedisConfig, connect};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::task::yield_now;
use tokio::try_join;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Redis;
use super::chunks;
use super::collect::collect;
use super::contents::is_full;
use super::operation::{Operation, Then, parse_mail};
use super::polls::Polls;
use super::record::Found;
use super::settle::answer;
use crate::request::{Answer, Refused};

/// Operations and bytes of a batch: some milliseconds of Redis's time.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;
/// Batches under way: as many as the script remembers the replies to.
const UNDER_WAY: usize = 2;
/// Requests that waited and are answered at a time.
const RESOLVED: usize = 256;

/// Works until `stopped`.
pub(super) async fn run(
    redis: Redis,
    queue: mpsc::UnboundedReceiver<Operation>,
    config: &RedisConfig,
    stopped: CancellationToken,
) -> anyhow::Result<()> {
    let subscriber = connect::subscriber(config)?.client;
    let batches = Batches {
        messages: subscriber.message_rx(),
        client: redis.0.pool.next().clone(),
        script: Script::from_lua(include_str!("batch.lua")),
        number: 0,
        follow: VecDeque::new(),
        polls: Polls::new(),
        mail: false,
        reading: false,
        read: 0,
        queue,
        redis: redis.clone(),
    };
    tokio::select! {
        () = batches.run(subscriber.reconnect_rx()) => {}
        () = subscribe(&redis, &subscriber) => {}
        () = collect(&redis) => {}
        () = stopped.cancelled() => {}
    }
    Ok(())
}

/// Subscribes once; the client does so again after every reconnect.
async fn subscribe(redis: &Redis, subscriber: &SubscriberClient) {
    let channel = Channel::ObjectNode { prefix: &redis.0.prefix, node: &redis.0.node }.to_string();
    while let Err(error) = subscriber.subscribe(channel.clone()).await {
        debug!("cannot subscribe yet: {}", error.details());
        tokio::time::sleep(RETRY).await;
    }
    std::future::pending().await
}

/// Operations that are executed at once, and have this number among the node's batches.
struct Batch {
    number: u64,
    operations: Vec<Operation>,
}

/// One for each operation of a batch, each of one or several fields.
type Replies = Vec<Vec<Bytes>>;

/// The operations of this node on their way to Redis.
pub(super) struct Batches {
    pub(super) redis: Redis,
    queue: mpsc::UnboundedReceiver<Operation>,
    messages: broadcast::Receiver<Message>,
    client: Client,
    script: Script,
    number: u64,
    /// What is to be sent before the queue.
    follow: VecDeque<Operation>,
    polls: Polls,
    /// There may be mail beyond the message that was read last.
    mail: bool,
    /// It is being read.
    reading: bool,
    read: u64,
}

impl Batches {
    async fn run(mut self, mut connects: broadcast::Receiver<fred::types::config::Server>) {
        // Ended batches come out in the order in which they were sent.
        let mut under_way = FuturesOrdered::new();
        let mut last = 0;
        loop {
            if under_way.len() < UNDER_WAY {
                self.look_around(&mut connects);
                // A batch behind another is sent when it is as large as that: a batch costs as much as some operations.
                let enough = if under_way.is_empty() { 1 } else { last };
                if self.follow.len() + self.queue.len() >= enough {
                    let operations = self.gather();
                    last = operations.len();
                    let batch = self.number(operations);
                    let how = if under_way.is_empty() { "alone" } else { "follows" };
                    under_way.push_back(self.sending(batch, how));
                    continue;
                }
            }
            tokio::select! {
                biased;
                Some((batch, sent)) = under_way.next() => match sent {
                    Ok(replies) => self.settle_all(batch, replies).await,
                    Err(error) => {
                        let rest = under_way.by_ref().collect().await;
                        self.recover(batch, error, rest).await;
                    }
                },
                next = self.queue.recv(), if under_way.len() < UNDER_WAY => match next {
                    Some(next) => self.follow.push_back(next),
                    None => return,
                },
                _ = self.messages.recv(), if under_way.len() < UNDER_WAY => self.mail = true,
                () = tokio::time::sleep_until(self.polls.due().into()), if under_way.len() < UNDER_WAY => {}
            }
        }
    }

    /// Puts what this node has to ask on its own account in front of the queue.
    fn look_around(&mut self, connects: &mut broadcast::Receiver<fred::types::config::Server>) {
        while !matches!(self.messages.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {
            self.mail = true;
        }
        if connects.try_recv().is_ok() {
            self.polls.hurry();
        }
        if Instant::now() >= self.polls.due() {
            let (part, is_last) = self.polls.next(&self.redis.waits());
            self.follow.extend(part);
            // Read at least once a round, whereby Redis also learns that this node lives.
            self.mail |= is_last;
        }
        if self.mail && !self.reading {
            (self.mail, self.reading) = (false, true);
            let mail = Operation::new(&[b"mail", self.read.to_string().as_bytes()], Then::Mail);
            self.follow.push_front(mail);
        }
    }

    /// The operations of the next batch.
    fn gather(&mut self) -> Vec<Operation> {
        let (mut operations, mut bytes) = (Vec::new(), 0);
        while operations.len() < BATCH && bytes < BATCH_BYTES {
            let Some(next) = self.follow.pop_front().or_else(|| self.queue.try_recv().ok()) else { break };
            bytes += next.bytes();
            operations.push(next);
        }
        operations
    }

    fn number(&mut self, operations: Vec<Operation>) -> Batch {
        self.number += 1;
        Batch { number: self.number, operations }
    }

    pub(super) async fn read_mail(&mut self, messages: &[Bytes]) {
        self.reading = false;
        self.mail |= !messages.is_empty();
        for (number, tickets, found) in messages.iter().filter_map(parse_mail) {
            self.read = number;
            self.resolve(&tickets, &found).await;
        }
    }

    /// What these tickets stand for has happened.
    pub(super) async fn resolve(&mut self, tickets: &[u64], found: &Found) {
        for part in tickets.chunks(RESOLVED) {
            let happened = self.redis.waits().take_each(part.iter().copied());
            // If the news and a poll crossed, Redis may have noted again that the request waits. A get that is answered twice
            // is none, but a duplicate must not be made again later.
            let asked = happened.iter().filter(|(ticket, _, _)| self.polls.have_asked(*ticket));
            let copies = asked.filter(|(_, _, wait)| wait.copy().is_some());
            self.follow.extend(copies.map(|(ticket, id, wait)| Operation::forget(*ticket, id, wait)));
            answer(happened, found);
            if part.len() == RESOLVED {
                // Thousands may have waited for one object: the first are told while the others are looked up.
                yield_now().await;
            }
        }
    }

    async fn settle_all(&mut self, batch: Batch, replies: Replies) {
        for (operation, reply) in batch.operations.into_iter().zip(replies) {
            self.settle(operation.then, &reply).await;
        }
    }

    /// One of the batches under way failed, and those behind it may have. They are sent again in their order, one at a time, also
    /// if they were executed: what they read must not be older than what is read now by the one before them.
    async fn recover(&mut self, failed: Batch, error: Error, rest: Vec<(Batch, Result<Replies, Error>)>) {
        warn!("redis did not execute a batch, trying on: {}", error.details());
        for (batch, sent) in std::iter::once((failed, Err(error))).chain(rest) {
            let (batch, sent) = match sent {
                Ok(_) => self.sending(batch, "alone").await,
                Err(error) => (batch, Err(error)),
            };
            match sent {
                Ok(replies) => self.settle_all(batch, replies).await,
                Err(error) => self.execute(batch, error).await,
            }
        }
    }

    /// Sends a batch until it is executed.
    async fn execute(&mut self, mut batch: Batch, mut error: Error) {
        let mut how = "alone";
        loop {
            if is_full(&error) {
                how = "full";
                batch.operations = refuse_sets(batch.operations);
            } else if !error.details().starts_with("EARLY") {
                tokio::time::sleep(RETRY).await;
            }
            match self.sending(batch, how).await {
                (batch, Ok(replies)) => return self.settle_all(batch, replies).await,
                (same, Err(again)) => (batch, error) = (same, again),
            }
        }
    }

    /// Sends a batch once.
    fn sending(
        &self,
        batch: Batch,
        how: &'static str,
    ) -> impl Future<Output = (Batch, Result<Replies, Error>)> + use<> {
        let operations =
            batch.operations.iter().map(|next| next.said.as_slice()).collect::<Vec<_>>().concat();
        let contents = batch.operations.iter().filter_map(|next| next.content.clone().map(Value::from));
        let head: [Value; 6] = [
            self.redis.0.prefix.as_str().into(),
            self.redis.0.node.as_str().into(),
            batch.number.to_string().into(),
            how.into(),
            chunks::CHUNK.to_string().into(),
            Bytes::from(operations).into(),
        ];
        let args: Vec<Value> = head.into_iter().chain(contents).collect();
        // One connection for all, on which they keep their order.
        let (client, script) = (self.client.clone(), self.script.clone());
        async move {
            let ahead = batch.operations.iter().filter_map(|operation| operation.ahead.clone());
            let ahead = try_join_all(ahead.map(|(key, chunk)| chunks::store(&client, key, chunk)));
            let script = script.evalsha_with_reload(&client, (), args);
            let sent = match try_join!(ahead, script) {
                Ok((_, replies)) => parse(replies, batch.operations.len()),
                Err(error) => Err(error),
            };
            (batch, sent)
        }
    }
}

fn refuse_sets(batch: Vec<Operation>) -> Vec<Operation> {
    let refused = |operation: Operation| match operation.then {
        Then::Store { asker, .. } => {
            asker.answer(Answer::Refused(Refused::Full));
            // Something in its place, so that the others keep theirs.
            Operation::new(&[b"alive"], Then::Forget)
        }
        then => Operation { then, ..operation },
    };
    batch.into_iter().map(refused).collect()
}

fn parse(replies: Value, operations: usize) -> Result<Replies, Error> {
    let replies: Replies = replies.into_array().into_iter().map(fields).collect();
    match replies.len() == operations {
        true => Ok(replies),
        false => Err(Error::new(ErrorKind::Protocol, "another number of replies than operations")),
    }
}

/// A reply is a word or an array.
fn fields(reply: Value) -> Vec<Bytes> {
    reply.into_array().into_iter().map(|field| field.into_bytes().unwrap_or_default()).collect()
}

const RETRY: Duration = Duration::from_millis(100);
