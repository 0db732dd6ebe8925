//! The loop that sends operations to Redis, a batch at a time, and deals with the replies in their order.
//!
//! One batch is under way at a time, and is sent until it is answered; the script does nothing twice. What other nodes
//! tell lies in Redis and is read with a batch; Pub/Sub only says when, and is not relied on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::clients::{Pool, SubscriberClient};
use fred::error::Error;
use fred::interfaces::{EventInterface, PubsubInterface};
use fred::types::scripts::Script;
use fred::types::{Message, Value};
use futures_util::future::try_join_all;
use redis_core::channel::Channel;
use redis_core::{RedisConfig, connect};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::try_join;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::chunks;
use super::collect::collect;
use super::contents::is_full;
use super::operation::{Operation, Then, args, parse_mail};
use super::polls::Polls;
use super::{Redis, forget_operation};
use crate::request::{Answer, Refused};

/// Operations and bytes of a batch: some milliseconds of Redis's time.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

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
        script: Script::from_lua(include_str!("batch.lua")),
        number: 0,
        follow: VecDeque::new(),
        polls: Polls::new(),
        mail: false,
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

/// The operations of this node on their way to Redis.
pub(super) struct Batches {
    pub(super) redis: Redis,
    queue: mpsc::UnboundedReceiver<Operation>,
    messages: broadcast::Receiver<Message>,
    script: Script,
    number: u64,
    /// What is to be sent before the queue.
    follow: VecDeque<Operation>,
    polls: Polls,
    /// There may be mail beyond the message that was read last.
    mail: bool,
    read: u64,
}

impl Batches {
    async fn run(mut self, mut connects: broadcast::Receiver<fred::types::config::Server>) {
        loop {
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
            if self.mail {
                let args = args(["mail".into(), self.read.to_string().into()]);
                self.follow.push_front(Operation::new(args, Then::Mail));
            }
            let mut batch = Vec::new();
            let mut bytes = 0;
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let Some(next) = self.follow.pop_front().or_else(|| self.queue.try_recv().ok()) else {
                    break;
                };
                bytes += next.bytes();
                batch.push(next);
            }
            if !batch.is_empty() {
                self.execute(batch).await;
                continue;
            }
            tokio::select! {
                next = self.queue.recv() => match next {
                    Some(next) => self.follow.push_back(next),
                    None => return,
                },
                _ = self.messages.recv() => self.mail = true,
                () = tokio::time::sleep_until(self.polls.due().into()) => {}
            }
        }
    }

    pub(super) fn read_mail(&mut self, messages: &[Bytes]) {
        self.mail = !messages.is_empty();
        for (number, tickets, found) in messages.iter().filter_map(parse_mail) {
            self.read = number;
            for ticket in &tickets {
                if self.polls.have_asked(*ticket) {
                    self.forget_duplicate(*ticket);
                }
            }
            self.resolve(tickets, &found);
        }
    }

    /// If a message and a poll crossed, Redis may note again that the request waits. A get that is answered twice is none,
    /// but a duplicate must not be made again later.
    fn forget_duplicate(&mut self, ticket: u64) {
        let waits = self.redis.waits();
        let duplicate = waits.get(ticket).filter(|(_, wait)| wait.copy().is_some());
        let forgotten = duplicate.map(|(id, wait)| forget_operation(ticket, id, wait));
        drop(waits);
        self.follow.extend(forgotten);
    }

    async fn execute(&mut self, mut batch: Vec<Operation>) {
        let mut failing = false;
        loop {
            self.number += u64::from(!failing);
            match self.send(&batch).await {
                Ok(replies) if replies.len() == batch.len() => {
                    for (operation, reply) in batch.into_iter().zip(replies) {
                        self.settle(operation.then, &reply);
                    }
                    return;
                }
                Ok(_) => error!("redis answered a batch with another number of replies"),
                Err(error) if is_full(&error) => {
                    warn!("redis is full: {}", error.details());
                    batch = refuse_sets(batch);
                    self.number += 1;
                    if batch.is_empty() {
                        return;
                    }
                }
                Err(error) if !failing => {
                    warn!("redis did not execute a batch, trying on: {}", error.details())
                }
                Err(_) => {}
            }
            failing = true;
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn send(&self, batch: &[Operation]) -> Result<Vec<Vec<Bytes>>, Error> {
        let head = [
            self.redis.0.prefix.as_str().into(),
            self.redis.0.node.as_str().into(),
            self.number.to_string().into(),
            chunks::CHUNK.to_string().into(),
        ];
        let args: Vec<Value> =
            head.into_iter().chain(batch.iter().flat_map(|next| next.args.iter().cloned())).collect();
        let pool: &Pool = &self.redis.0.pool;
        // One connection, and in this order.
        let client = pool.next();
        let ahead = batch.iter().filter_map(|operation| operation.ahead.clone());
        let ahead = try_join_all(ahead.map(|(key, chunk)| chunks::store(client, key, chunk)));
        let script = self.script.evalsha_with_reload(client, (), args);
        let (_, replies): (_, Value) = try_join!(ahead, script)?;
        Ok(replies.into_array().into_iter().map(fields).collect())
    }
}

fn refuse_sets(batch: Vec<Operation>) -> Vec<Operation> {
    let mut rest = Vec::new();
    for operation in batch {
        match operation.then {
            Then::Store { asker, .. } => asker.answer(Answer::Refused(Refused::Full)),
            then => rest.push(Operation { then, ..operation }),
        }
    }
    rest
}

/// A reply is a word or an array.
fn fields(reply: Value) -> Vec<Bytes> {
    reply.into_array().into_iter().map(|field| field.into_bytes().unwrap_or_default()).collect()
}

const RETRY: Duration = Duration::from_millis(100);
