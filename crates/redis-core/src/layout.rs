/// How keys are named: see [`Key::name`](crate::Key::name).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// On one Redis, or behind Sentinel.
    One,
    /// On a Redis Cluster, where keys that a script or a transaction uses together must have the same hash slot.
    Cluster,
}
