//! What this service must be allowed to do in Redis.

use redis_core::{Key, Layout, Needs, WaitReplicas};

use crate::config::WriteConfig;
use crate::mappings::Mappings;
use crate::message::{Notify, Nulls, Policy, StoreAs, TtlUnit};

/// The commands that the service and its scripts run with these settings.
pub fn needs(
    group: &str,
    mappings: &Mappings,
    write: &WriteConfig,
    wait: WaitReplicas,
    layout: Layout,
) -> Needs {
    let mut needs = Needs::default()
        .and("EVALSHA", ["EVALSHA", "0000000000000000000000000000000000000000", "0"])
        .and("SCRIPT LOAD", ["SCRIPT", "LOAD", "return 1"]);
    for topic in mappings.names() {
        let (topic, partition, slot) = (&*topic, 0, 0);
        let key = Key::KafkaOffsets { group, topic, partition }.name(layout);
        needs = on(needs, &key, &key, &[&["HMGET", "check"], &["HSET", "check", "1"], &["HDEL", "check"]]);
        if layout == Layout::Cluster {
            let key = Key::KafkaSlot { group, topic, slot }.name(layout);
            needs = on(needs, &key, &key, &[&["HGET", "check"], &["HSET", "check", "1"], &["EXPIRE", "1"]]);
            let key = Key::KafkaDeadOffsets { group, topic, partition }.name(layout);
            let commands: &[&[&str]] =
                &[&["ZSCORE", "check"], &["ZADD", "0", "check"], &["ZREMRANGEBYRANK", "0", "0"]];
            needs = on(needs, &key, &key, commands);
        }
    }
    needs = mappings.policies().into_iter().fold(needs, |needs, policy| of_messages(needs, policy, layout));
    let dead_letters = Key::DeadLetters.name(layout);
    needs = on(needs, &dead_letters, &dead_letters, &[&["XADD", "*", "field", "value"]]);
    if write.dead_letters_topic.is_some() {
        let lease = Key::DeadLettersForwarder.name(layout);
        needs = on(needs, &dead_letters, &dead_letters, &[&["XRANGE", "-", "+"], &["XDEL", "0-0"]]);
        needs = on(needs, &lease, &lease, &[&["SET", "check"], &["GET"], &["PTTL"]]);
    }
    if wait.is_enabled() { needs.and("WAIT", ["WAIT", "0", "1"]) } else { needs }
}

/// What applying a message needs.
fn of_messages(mut needs: Needs, policy: &Policy, layout: Layout) -> Needs {
    let (key, keys) = (policy.key_template.key("check"), policy.key_template.key("*"));
    let deletes = policy.deletes();
    if let Some(id_set) = &policy.id_set {
        needs = on(needs, id_set, id_set, &[&["SADD", "check"]]);
        if deletes {
            needs = on(needs, id_set, id_set, &[&["SREM", "check"]]);
        }
    }
    needs = match policy.store_as {
        StoreAs::Hash => on(needs, &keys, &key, &[&["HSET", "field", "value"]]),
        StoreAs::Json => on(needs, &keys, &key, &[&["SET", "value"]]),
        StoreAs::Stream => on(needs, &keys, &key, &[&["XADD", "*", "field", "value"], &["XDEL", "0-0"]]),
        StoreAs::SortedSet => on(needs, &keys, &key, &[&["ZADD", "1", "member"]]),
    };
    if policy.nulls == Nulls::Delete {
        needs = on(needs, &keys, &key, &[&["HDEL", "field"]]);
    }
    if deletes {
        let delete: &[&[&str]] =
            if policy.member.is_some() { &[&["ZREM", "member"], &["ZCARD"]] } else { &[&["DEL"]] };
        needs = on(needs, &keys, &key, delete);
    }
    if policy.key_ttl.is_some() || policy.ttl_from.is_some() {
        needs = on(needs, &keys, &key, &[&["PEXPIRE", "1"]]);
    }
    if policy.ttl_from.is_some() && matches!(policy.ttl_unit, TtlUnit::Epoch | TtlUnit::EpochMs) {
        needs = on(needs, &keys, &key, &[&["PEXPIREAT", "1"]]);
    }
    if policy.newer_by.is_some() {
        let version = |key: &str| Key::KafkaVersion { key }.name(layout);
        let commands: &[&[&str]] = &[&["GET"], &["SET", "1"], &["PEXPIRE", "1"]];
        needs = on(needs, &version(&keys), &version(&key), commands);
    }
    if policy.notify == Notify::None {
        return needs;
    }
    let publish = policy.publish_command();
    needs.and(format!("{publish} to {keys}"), [publish, &key, "check"])
}

/// Adds commands on one key, which is their first argument. `keys` is the key for people.
fn on(needs: Needs, keys: &str, key: &str, commands: &[&[&str]]) -> Needs {
    commands.iter().fold(needs, |needs, command| {
        let (name, args) = (command[0], &command[1..]);
        needs.and(format!("{name} {keys}"), [&[name, key], args].concat())
    })
}
