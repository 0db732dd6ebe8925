//! The loop that sends the operations of a partition to Redis in batches, and handles the replies in their order.
//!
//! A batch is sent until it is executed, and a second one behind it, so that neither Redis nor the node waits for the other.
//! The script executes nothing twice and nothing out of order. Notifications of other nodes are in Redis and are read with a
//! batch. A Pub/Sub message only says when, and nothing relies on it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fred::error::Error;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use redis_core::ErrorClass;
use redis_core::error::{RETRY_INTERVAL_MS, reason};
use tokio::sync::mpsc;
use tracing::debug;

use super::backend::RedisBackend;
use super::batch::{Batch, BatchSender, Replies, SendMode, failed_operation};
use super::chunks::is_full;
use super::hints::Hints;
use super::operation::{OnReply, Operation};
use super::partition::Partition;
use super::reply_handler::ReplyHandler;
use super::script_call::{BYTES_MAX, OPERATIONS_MAX};
use crate::request::Refused;

/// Batches in flight: as many as the script remembers replies of.
const IN_FLIGHT_MAX: usize = 2;
/// Pause before something is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(RETRY_INTERVAL_MS);

/// Sends the operations of this node to one partition.
pub(super) struct BatchLoop {
    sender: BatchSender,
    handler: ReplyHandler,
    queue: mpsc::UnboundedReceiver<Operation>,
    /// Operations that were taken from the queue, for the next batch.
    received: VecDeque<Operation>,
    hints: Arc<Hints>,
    last_number: u64,
    /// Number of the last batch that has a write.
    last_write: u64,
}

impl BatchLoop {
    pub(super) fn new(
        backend: RedisBackend,
        partition: Partition,
        queue: mpsc::UnboundedReceiver<Operation>,
        sender: BatchSender,
        hints: Arc<Hints>,
    ) -> Self {
        let handler = ReplyHandler::new(backend, partition);
        Self { sender, handler, queue, received: VecDeque::new(), hints, last_number: 0, last_write: 0 }
    }

    /// Runs until the queue is closed.
    pub(super) async fn run(mut self) {
        // Yields the batches in the order in which they were sent.
        let mut in_flight = FuturesOrdered::new();
        let mut last_len = 0;
        loop {
            // A check of the waiting requests is sent by itself.
            let most = if self.handler.own.is_recheck_due() { 1 } else { IN_FLIGHT_MAX };
            if in_flight.len() < most {
                self.take_hints();
                self.handler.schedule_own_operations(!in_flight.is_empty());
                // A second batch is sent only when it is as large as the first: a batch costs as much as some operations.
                let min_len = if in_flight.is_empty() { 1 } else { last_len };
                if self.due() >= min_len {
                    let batch = self.next_batch();
                    last_len = batch.operations.len();
                    let mode = if in_flight.is_empty() { SendMode::Alone } else { SendMode::Follows };
                    in_flight.push_back(self.sender.send(batch, mode));
                    continue;
                }
            }
            tokio::select! {
                biased;
                Some((batch, result)) = in_flight.next() => match result {
                    Ok(replies) => self.handle_replies(batch, replies).await,
                    Err(error) => {
                        let rest = in_flight.by_ref().collect().await;
                        self.recover(batch, error, rest).await;
                    }
                },
                next = self.queue.recv(), if in_flight.len() < IN_FLIGHT_MAX => match next {
                    Some(next) => self.received.push_back(next),
                    None => return,
                },
                () = self.hints.heard(), if in_flight.len() < IN_FLIGHT_MAX => {}
                () = tokio::time::sleep_until(self.handler.own.next_recheck().into()), if in_flight.is_empty() => {}
            }
        }
    }

    fn take_hints(&mut self) {
        if self.hints.take_notified() {
            self.handler.own.notified();
        }
        if self.hints.take_reconnected() {
            self.handler.own.reconnected();
        }
    }

    /// Number of operations that can be sent now.
    fn due(&self) -> usize {
        self.handler.own.len() + self.received.len() + self.queue.len()
    }

    fn next_batch(&mut self) -> Batch {
        let (mut operations, mut bytes) = (Vec::new(), 0);
        while operations.len() < OPERATIONS_MAX && bytes < BYTES_MAX {
            let own = self.handler.own.next().or_else(|| self.received.pop_front());
            let Some(next) = own.or_else(|| self.queue.try_recv().ok()) else { break };
            bytes += next.size();
            operations.push(next);
        }
        self.last_number += 1;
        let after = self.last_write;
        if operations.iter().any(Operation::is_write) {
            self.last_write = self.last_number;
        }
        Batch { number: self.last_number, after, operations }
    }

    async fn handle_replies(&mut self, batch: Batch, replies: Replies) {
        for (operation, reply) in batch.operations.into_iter().zip(replies) {
            self.handler.handle(operation.on_reply, &reply).await;
        }
    }

    /// A batch failed, and those behind it may have failed too. They are sent again in order, one at a time. That includes
    /// those that were executed: what they read must not be older than what the batch before them reads now.
    async fn recover(&mut self, failed: Batch, error: Error, rest: Vec<(Batch, Result<Replies, Error>)>) {
        debug!("redis did not execute a batch, trying again: {}", reason(&error));
        for (batch, result) in std::iter::once((failed, Err(error))).chain(rest) {
            let (batch, result) = match result {
                Ok(_) => self.sender.send(batch, SendMode::Alone).await,
                Err(error) => (batch, Err(error)),
            };
            match result {
                Ok(replies) => self.handle_replies(batch, replies).await,
                Err(error) => self.retry(batch, error).await,
            }
        }
    }

    /// Sends a batch that failed again until it is executed. An operation that failed by its own fault is taken out, so that
    /// nobody waits behind it.
    async fn retry(&mut self, mut batch: Batch, mut error: Error) {
        let mut mode = SendMode::Alone;
        loop {
            if let Some(failed) = failed_operation(&error).and_then(|index| batch.operations.get_mut(index)) {
                // In its place, so that the other operations keep their index.
                let failed = std::mem::replace(failed, Operation::new(&[b"ping"], OnReply::Ignore));
                self.handler.fail(failed, &error);
            } else if is_full(&error) {
                mode = SendMode::Full;
                batch.operations = refuse_sets(batch.operations);
            } else if is_reply(&error, "STALE") {
                // This node has sent no newer batch: what Redis remembers of it is damaged. If this fails, the next try says so.
                let _ = self.sender.forget().await;
            } else if !is_reply(&error, "EARLY") {
                tokio::time::sleep(RETRY_DELAY).await;
            }
            match self.sender.send(batch, mode).await {
                (batch, Ok(replies)) => return self.handle_replies(batch, replies).await,
                (same, Err(next)) => (batch, error) = (same, next),
            }
        }
    }
}

/// Whether this is the script's own reply.
fn is_reply(error: &Error, word: &str) -> bool {
    ErrorClass::of(error).is_invalid() && error.details().starts_with(word)
}

/// Refuses the sets of a batch, because Redis is full.
fn refuse_sets(operations: Vec<Operation>) -> Vec<Operation> {
    let refuse = |operation: Operation| match operation.on_reply {
        // In its place, so that the other operations keep their index.
        OnReply::Store { id, reply_to, .. } => {
            Operation::refuse(&id, OnReply::Refuse { reason: Refused::RedisFull, reply_to })
        }
        on_reply => Operation { on_reply, ..operation },
    };
    operations.into_iter().map(refuse).collect()
}
