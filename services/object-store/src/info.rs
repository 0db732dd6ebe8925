//! What `/info` and the library say about the store.

use crate::request::Places;

/// What [`ObjectStore::info`](crate::ObjectStore::info) returns. As JSON it has the fields of the original's `get_info`, and
/// more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Info {
    /// `memory` or `redis`.
    #[serde(rename = "type")]
    pub backend: &'static str,
    /// Number of ids.
    pub object_count: u64,
    /// Bytes of all ids as the original counts them: for each id 4 bytes, its metadata and its data, shared or not.
    pub total_size_bytes: u64,
    /// Longest object that is accepted, in MiB.
    pub max_object_size_mb: u64,
    /// Number of distinct contents.
    pub unique_object_count: u64,
    /// Bytes of the distinct contents.
    pub unique_size_bytes: u64,
    /// Requests that wait on this node.
    pub pending_request_count: u64,
    /// Memory that the objects' process uses, this one or Redis, in bytes.
    pub used_memory: u64,
    /// Where the contents are. Absent with the Redis backend.
    #[serde(flatten)]
    pub places: Option<Places>,
    /// Memory that Redis uses, in bytes. Absent with the memory backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_used_memory: Option<u64>,
    /// The same as Redis writes it for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_used_memory_human: Option<String>,
}
