//! Listens for messages of other nodes, and hands them to the partitions that they are about.

use std::collections::HashMap;
use std::sync::Arc;

use redis_core::error::reason;
use redis_core::{Channel, Subscriber};
use tokio::sync::broadcast::error::RecvError;
use tracing::debug;

use super::hints::Hints;

/// By what its keys begin with, what each partition is told.
pub(super) type PartitionHints = HashMap<String, Arc<Hints>>;

/// Runs until the subscriber is closed. The prefix is that of all partitions.
pub(super) async fn listen(subscriber: Subscriber, prefix: &str, node: &str, hints: PartitionHints) {
    let (mut messages, mut reconnects) = (subscriber.message_rx(), subscriber.reconnect_rx());
    // The subscriber repeats it after every reconnect.
    if let Err(error) = subscriber.subscribe(vec![Channel::ObjectNode { prefix, node }.to_string()]).await {
        debug!("cannot subscribe yet: {}", reason(&error));
    }
    loop {
        tokio::select! {
            message = messages.recv() => {
                let text = match message {
                    Ok(message) => message.value.into_string(),
                    Err(RecvError::Lagged(_)) => None,
                    Err(RecvError::Closed) => return,
                };
                match text.and_then(|prefix| hints.get(&prefix)) {
                    Some(hints) => hints.notify(),
                    // Messages are missing, or it is from a version that did not say which partition.
                    None => hints.values().for_each(|hints| hints.notify()),
                }
            }
            reconnected = reconnects.recv() => match reconnected {
                Err(RecvError::Closed) => return,
                Ok(_) | Err(RecvError::Lagged(_)) => hints.values().for_each(|hints| hints.reconnect()),
            },
        }
    }
}
