use std::fmt;

use crate::Partition;

/// On a Cluster, what has this name on one Redis: `{TIMELINE:77}:CURRENT` for `TIMELINE:CURRENT`. scenario-player asks by it
/// what its user may do.
pub fn in_partition(partition: Partition, name: impl fmt::Display) -> String {
    let name = name.to_string();
    format!("{{{}}}:{}", partition.tag(), name.strip_prefix("TIMELINE:").unwrap_or(&name))
}
