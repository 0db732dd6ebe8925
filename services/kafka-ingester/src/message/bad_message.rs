//! Why a message cannot be applied.

/// A message that cannot be applied. Its text is the dead letter's reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// There is no value.
    #[error("empty: the message has no value")]
    Empty,
    /// The value is not UTF-8; the first wrong byte.
    #[error("not_utf8: byte {0} is not UTF-8")]
    NotUtf8(usize),
    /// The value is not JSON; the parser's error.
    #[error("not_json: {0}")]
    NotJson(String),
    /// It is not MessagePack: why.
    #[error("not_msgpack: {0}")]
    NotMsgpack(String),
    /// It is not Avro by its schema: why.
    #[error("not_avro: {0}")]
    NotAvro(String),
    /// It is not Protobuf by its schema: why.
    #[error("not_protobuf: {0}")]
    NotProtobuf(String),
    /// There is no schema for it: why.
    #[error("schema: {0}")]
    Schema(String),
    /// It does not fit the registry's schema of this id.
    #[error("{0}, by schema {1} of the registry")]
    BySchema(Box<BadMessage>, u32),
    /// It is no integer of Kafka's serializers; its size in bytes.
    #[error("not_integer: {0} bytes are not 1, 2, 4 or 8")]
    NotInteger(usize),
    /// It was taken for JSON because of its first byte, and is none.
    #[error("{0} (tried as JSON, since no other format begins with the byte {1:#04x})")]
    TriedAsJson(Box<BadMessage>, u8),
    /// The value is JSON, but not an object.
    #[error("not_object: the value is not a JSON object")]
    NotObject,
    /// A part of the key is missing: which.
    #[error("no_key: {0} is missing")]
    NoKey(String),
    /// A part of the key is neither a string nor a number.
    #[error("bad_key: {0} must be a string or a number")]
    BadKey(String),
    /// A part of the message that a setting names is missing: which.
    #[error("no_field: {0} is missing")]
    NoField(String),
    /// A part of the message that a setting names is of another kind: which, and what it must be.
    #[error("bad_field: {0} must be {1}")]
    BadField(String, &'static str),
    /// A change event has another form: what is wrong.
    #[error("envelope: {0}")]
    Envelope(String),
    /// A field holds a nested value that the policy forbids, or that is too deep to be flattened.
    #[error("nested: the field {0} cannot be stored")]
    Nested(String),
    /// The Kafka key is bad.
    #[error("{0}, in the Kafka key")]
    InKey(Box<BadMessage>),
    /// A row of the message is bad; rows count from 1.
    #[error("{0}, in row {1}")]
    InRow(Box<BadMessage>, usize),
    /// The value is larger than the limit; both in bytes.
    #[error("too_large: {0} bytes are more than {1}")]
    TooLarge(usize, usize),
}

impl BadMessage {
    /// The same, in a row of the message.
    pub(super) fn in_row(self, row: usize) -> Self {
        Self::InRow(Box::new(self), row)
    }
}
