//! rdkafka's messages, as ours.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use crate::message::{Policy, Record};

/// A message, with what `policy` needs of it. It is not traced.
pub(crate) fn record_of<'a>(message: &'a BorrowedMessage<'_>, policy: &Policy) -> Record<'a> {
    let headers = message.headers().filter(|_| policy.needs_headers());
    let headers = headers.into_iter().flat_map(Headers::iter);
    Record {
        topic: message.topic(),
        partition: message.partition(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: headers.map(|header| (header.key, header.value.unwrap_or_default())).collect(),
        traceparent: None,
    }
}
