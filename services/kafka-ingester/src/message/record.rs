//! A message as it came from Kafka.

/// A message as it came from Kafka. What is not known is empty.
#[derive(Debug, Clone, Default)]
pub struct Record<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// When it was made or appended, in ms since 1970.
    pub timestamp_ms: Option<i64>,
    /// The Kafka key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, if the policy needs one.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// The `traceparent` that names this process's span of the message's trace, if it is traced.
    pub traceparent: Option<String>,
}
