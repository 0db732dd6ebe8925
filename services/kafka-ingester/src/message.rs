//! What a message asks for: from the bytes of a Kafka message to a change of one Redis key.
//!
//! Nothing here does I/O. A message of any format becomes JSON text first ([`unpack`]), then a change
//! ([`Unpacked::changes`]). Values are not rounded or reordered: a number keeps the text that it has in the JSON.

mod bad_message;
mod change;
mod decode;
mod envelope;
mod fields;
mod format;
mod id;
mod json;
mod key_template;
mod non_finite;
mod numbers;
mod path;
mod placeholder;
mod policy;
mod record;
mod rows;
mod unpacked;

pub use bad_message::BadMessage;
pub use change::{Action, Change, Expiry, Field};
pub use format::{AvroSchema, Encoding, Format, Schema, SchemaCache, SchemaId};
pub use key_template::KeyTemplate;
pub use placeholder::Placeholder;
pub use policy::{Envelope, Nested, NonFinite, Notify, Nulls, Policy, StoreAs, Tombstones, TtlUnit};
pub use record::Record;
pub use rows::Changes;
pub use unpacked::{Unpacked, unpack};
