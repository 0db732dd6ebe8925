//! What the scripts that apply messages get of the policy.

use fred::types::Value;
use fred::types::scripts::Script;
use redis_core::key::slot_tag;
use redis_core::{Key, Layout};

use crate::message::{Notify, Policy, StoreAs};

/// ARGV 1 to 7 of the scripts that begin with message.lua, followed by the script's own arguments.
pub(super) fn script_args<const N: usize>(
    policy: &Policy,
    version_prefix: &str,
    args: [Value; N],
) -> Vec<Value> {
    let store_as = match policy.store_as {
        StoreAs::Hash => "hash",
        StoreAs::Json => "json",
        StoreAs::Stream => "stream",
        StoreAs::SortedSet => "sorted-set",
    };
    let notification = if policy.notify == Notify::Text { policy.notify_text.as_str() } else { "" };
    let options = [
        store_as.to_owned(),
        notification.to_owned(),
        policy.key_ttl.map_or(0, |ttl| ttl.as_millis()).to_string(),
        policy.stream_max.to_string(),
        version_prefix.to_owned(),
        policy.versions_kept.as_millis().to_string(),
        policy.publish_command().to_owned(),
    ];
    options.into_iter().map(Value::from).chain(args).collect()
}

/// What the keys of versions begin with, on a Cluster those of keys in this hash slot; empty if there are no versions.
pub(super) fn version_prefix(policy: &Policy, layout: Layout, slot: u16) -> String {
    if policy.newer_by.is_none() {
        return String::new();
    }
    // The tag is a key in the slot itself.
    let key = slot_tag(slot).to_string();
    let name = Key::KafkaVersion { key: &key }.name(layout);
    name.strip_suffix(&key).unwrap_or_default().to_owned()
}

/// The set that collects the ids, as the scripts get it: empty for none.
pub(super) fn id_set(policy: &Policy) -> String {
    policy.id_set.clone().unwrap_or_default()
}

/// A script that uses the functions of message.lua.
pub(super) fn message_script(lua: &str) -> Script {
    Script::from_lua([include_str!("message.lua"), lua].concat())
}
