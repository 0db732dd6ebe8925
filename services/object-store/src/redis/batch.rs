//! The loop that sends operations to Redis, a batch at a time, and deals with the replies in their order.
//!
//! One batch is under way at a time, and is sent until it is answered; the script does nothing twice. What other nodes
//! tell lies in Redis and is read with a batch; Pub/Sub only says when, and is not relied on.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::clients::{Pool, SubscriberClient};
use fred::error::Error;
use fred::interfaces::{EventInterface, PubsubInterface};
use fred::types::scripts::Script;
use fred::types::{Message, Value};
use redis_core::channel::Channel;
use redis_core::{RedisConfig, connect};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::chunks::CHUNK;
use super::operation::{At, Found, Operation, Then, args, parse_mail, parse_tickets, text};
use super::{RETRY, Redis, duplicate_args, forget_operation, get_args};
use crate::id::ObjectId;
use crate::request::{Answer, Asker, Place, Refused, Remote, Wait};

/// Operations and bytes of a batch: some milliseconds of Redis's time.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;
/// How often it is asked whether there is what is waited for, should a message have been lost.
const POLL: Duration = Duration::from_secs(5);
/// How often removed contents are looked for, and how many are removed at a time.
const COLLECT: Duration = Duration::from_secs(2);
const COLLECT_MAX: usize = 100;

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
        poll: Instant::now() + POLL,
        polled: HashSet::new(),
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

/// Removes what nobody can be reading any more. Every node does, Redis lets one at a time.
async fn collect(redis: &Redis) {
    let script = Script::from_lua(include_str!("collect.lua"));
    loop {
        tokio::time::sleep(COLLECT).await;
        loop {
            let args = vec![redis.0.prefix.clone(), CHUNK.to_string(), COLLECT_MAX.to_string()];
            match script.evalsha_with_reload::<usize, _, _>(redis.0.pool.next(), (), args).await {
                Ok(removed) if removed == COLLECT_MAX => {}
                Ok(_) => break,
                Err(error) => {
                    debug!("cannot remove old contents: {}", error.details());
                    break;
                }
            }
        }
    }
}

struct Batches {
    redis: Redis,
    queue: mpsc::UnboundedReceiver<Operation>,
    messages: broadcast::Receiver<Message>,
    script: Script,
    number: u64,
    /// What is to be sent before the queue.
    follow: VecDeque<Operation>,
    /// When to ask again for what is waited for.
    poll: Instant,
    /// There may be mail beyond the message that was read last.
    mail: bool,
    read: u64,
    /// What was asked for then: Redis may note again that it waits, though it has been answered.
    polled: HashSet<u64>,
}

impl Batches {
    async fn run(mut self, mut connects: broadcast::Receiver<fred::types::config::Server>) {
        loop {
            while !matches!(self.messages.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {
                self.mail = true;
            }
            if Instant::now() >= self.poll || connects.try_recv().is_ok() {
                self.poll = Instant::now() + POLL;
                self.poll_all();
            }
            if self.mail {
                let args = args(["mail".into(), self.read.to_string().into()]);
                self.follow.push_front(Operation { args, then: Then::Mail });
            }
            let mut batch = Vec::new();
            let mut bytes = 0;
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let Some(next) = self.follow.pop_front().or_else(|| self.queue.try_recv().ok()) else {
                    break;
                };
                bytes += next.args.last().map_or(0, |value| value.as_bytes().map_or(0, <[u8]>::len));
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
                () = tokio::time::sleep_until(self.poll.into()) => {}
            }
        }
    }

    /// Asks again for all that waits, and thereby says that this node lives.
    fn poll_all(&mut self) {
        self.mail = true;
        let waits = self.redis.waits();
        self.polled = waits.iter().map(|(ticket, ..)| ticket).collect();
        self.follow.extend(waits.iter().map(poll));
        if self.polled.is_empty() {
            self.follow.push_back(Operation { args: args(["alive".into()]), then: Then::Forget });
        }
    }

    fn read_mail(&mut self, messages: &[Bytes]) {
        self.mail = !messages.is_empty();
        for (number, tickets, found) in messages.iter().filter_map(parse_mail) {
            self.read = number;
            for ticket in &tickets {
                if self.polled.remove(ticket) {
                    self.forget(*ticket);
                }
            }
            self.resolve(tickets, &found);
        }
    }

    /// A message and a poll crossed.
    fn forget(&mut self, ticket: u64) {
        let waits = self.redis.waits();
        let forgotten = waits.get(ticket).map(|(id, wait)| forget_operation(ticket, id, wait));
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
                Err(error) if error.details().contains("OOM") => {
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
        let pool: &Pool = &self.redis.0.pool;
        let head = [
            self.redis.0.prefix.as_str().into(),
            self.redis.0.node.as_str().into(),
            self.number.to_string().into(),
        ];
        let args: Vec<Value> =
            head.into_iter().chain(batch.iter().flat_map(|next| next.args.iter().cloned())).collect();
        let replies: Value = self.script.evalsha_with_reload(pool.next(), (), args).await?;
        Ok(replies.into_array().into_iter().map(fields).collect())
    }

    fn settle(&mut self, then: Then, reply: &[Bytes]) {
        let (ended, rest) =
            reply.split_first().map_or((b"".as_slice(), reply), |(ended, rest)| (ended.as_ref(), rest));
        match (then, ended) {
            (Then::Store { id, content, metadata, at: Some(at), asker }, b"absent") => {
                tokio::spawn(self.redis.clone().upload(at, id, content, metadata, asker));
            }
            (Then::Store { content, metadata, asker, .. }, _) => {
                let (length, hash) = (content.data.len() as u64, content.hash);
                let found = Found { hash, length, metadata, content: At::Here(content.data) };
                self.resolve(tickets(rest), &found);
                asker.answer(Answer::Done);
            }
            (Then::Get { id, asker } | Then::GetOrWait { id, asker, .. }, b"foreign") => {
                asker.answer(foreign(id, rest));
            }
            (Then::Get { asker, .. } | Then::GetOrWait { asker, .. }, b"object") => {
                asker.answer(Found::parse(rest).map_or(Answer::Absent, |found| found.answer()));
            }
            (Then::Get { asker, .. }, _) => asker.answer(Answer::Absent),
            (Then::GetOrWait { id, ticket, asker }, _) => self.wait(ticket, id, asker, Wait::Get),
            (Then::Duplicate { asker, .. }, b"ok") => {
                if let Some(found) = Found::parse(rest.get(1..).unwrap_or_default()) {
                    self.resolve(tickets(rest), &found);
                }
                asker.answer(Answer::Done);
            }
            (Then::Duplicate { id, original, asker, .. }, b"foreign") => {
                tokio::spawn(self.redis.clone().duplicate_foreign(id, original, number(rest), asker));
            }
            (Then::Duplicate { id, original, ticket, asker }, _) => {
                self.wait(ticket, original, asker, |asker| Wait::Duplicate { id, asker });
            }
            (Then::Poll { ticket }, ended) if ended != b"absent" => self.settle_poll(ticket, reply),
            (Then::Poll { .. } | Then::Forget, _) => {}
            (Then::Mail, _) => self.read_mail(rest),
            (Then::Nothing { asker }, _) => asker.answer(Answer::Absent),
            (Then::Stat { id, asker }, b"foreign") => {
                tokio::spawn(self.redis.clone().stat_foreign(id, number(rest), asker));
            }
            (Then::Stat { asker, .. }, b"stat") => {
                let metadata = rest.get(1).cloned().unwrap_or_default();
                asker.answer(Answer::Stat { length: number(rest), metadata });
            }
            (Then::Stat { asker, .. }, _) => asker.answer(Answer::Absent),
            (Then::Delete { asker }, b"ok") => asker.answer(Answer::Done),
            (Then::Delete { asker }, _) => asker.answer(Answer::Absent),
            (Then::Totals { asker }, _) => asker.answer(Answer::Totals(self.redis.totals(rest))),
        }
    }

    fn wait(&self, ticket: u64, id: ObjectId, mut asker: Asker, wait: impl FnOnce(Asker) -> Wait) {
        asker.waits();
        let owner = asker.owner();
        let mut waits = self.redis.waits();
        // Asked with the waits locked: a client that goes after this has them forgotten after this.
        if !asker.is_gone() {
            waits.add_as(ticket, id, owner, wait(asker));
        }
    }

    /// What these tickets stand for has happened.
    fn resolve(&self, tickets: Vec<u64>, found: &Found) {
        for ticket in tickets {
            let wait = self.redis.waits().take_one(ticket);
            match wait {
                Some((_, Wait::Get(asker))) => asker.answer(found.answer()),
                Some((_, Wait::Duplicate { asker, .. })) => asker.answer(Answer::Done),
                None => {}
            }
        }
    }

    /// A poll found that what waits need not wait any more.
    fn settle_poll(&mut self, ticket: u64, reply: &[Bytes]) {
        let Some((of, wait)) = self.redis.waits().take_one(ticket) else { return };
        let then = match wait {
            Wait::Get(asker) => Then::GetOrWait { id: of, ticket, asker },
            Wait::Duplicate { id, asker } => Then::Duplicate { id, original: of, ticket, asker },
        };
        self.settle(then, reply);
    }
}

/// Asks again for what a request waits for, with the same ticket.
fn poll((ticket, id, wait): (u64, &ObjectId, &Wait)) -> Operation {
    let args = match wait.copy() {
        None => get_args(id, Some(ticket)),
        Some(copy) => duplicate_args(copy, id, ticket),
    };
    Operation { args, then: Then::Poll { ticket } }
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

fn foreign(id: ObjectId, reply: &[Bytes]) -> Answer {
    Answer::Remote(Remote { length: number(reply), place: Place::Foreign(id) })
}

fn number(fields: &[Bytes]) -> u64 {
    fields.first().and_then(text).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn tickets(fields: &[Bytes]) -> Vec<u64> {
    fields.first().map(parse_tickets).unwrap_or_default()
}

fn fields(reply: Value) -> Vec<Bytes> {
    reply.into_array().into_iter().map(|field| field.into_bytes().unwrap_or_default()).collect()
}
