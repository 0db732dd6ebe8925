//! What scripts say about the set of ids on a Cluster, where it is not in their slot.

use std::collections::HashMap;

use fred::types::Value;

/// Whether each id must be in the set: from pairs of an id and 1 or 0.
pub(super) fn ids_of(list: &Value) -> HashMap<String, bool> {
    let Value::Array(list) = list else { return HashMap::new() };
    let pairs = list.chunks_exact(2);
    pairs.filter_map(|pair| Some((pair[0].as_string()?, pair[1].as_i64()? == 1))).collect()
}
