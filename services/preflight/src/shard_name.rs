use std::fmt;
use std::sync::Arc;

/// A server that has runs and tells of their changes: a primary of a Redis Cluster, or the only Redis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardName(Arc<str>);

impl ShardName {
    pub(crate) fn new(name: &impl fmt::Display) -> Self {
        Self(name.to_string().into())
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
