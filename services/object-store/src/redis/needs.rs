//! The commands that this backend rests on. The README has the line for a user who may do no more.

use redis_core::{Channel, Key, Needs};

/// What Redis must let this service do, on the keys and channels of this prefix, of which `prefix` begins those of a partition.
pub(super) fn needs(key_prefix: &str, prefix: &str) -> Needs {
    const ID: &str = "00";
    let object = Key::Object(prefix, ID).to_string();
    let content = Key::ObjectContents(prefix).to_string() + ID;
    let chunk = Key::ObjectChunk { prefix, upload: ID, index: 0 }.to_string();
    let waiters = Key::ObjectWaiters(prefix, ID).to_string();
    let (stats, total) = (Key::ObjectStats(prefix).to_string(), Key::ObjectTotalSize(prefix).to_string());
    let channel = Channel::ObjectNode { prefix: key_prefix, node: ID }.to_string();
    let keys = Key::Object(key_prefix, "*").to_string();
    let channels = Channel::ObjectNode { prefix: key_prefix, node: "*" }.to_string();
    let commands: [&[&str]; 22] = [
        &["SET", &content, ""],
        &["GET", &content],
        &["GETRANGE", &content, "0", "31"],
        &["SETRANGE", &content, "0", "x"],
        &["STRLEN", &object],
        &["HGET", &object, "o"],
        &["HSET", &object, "o", ""],
        &["HMGET", &stats, "ids"],
        &["HINCRBY", &stats, "ids", "0"],
        &["INCRBY", &total, "0"],
        &["UNLINK", &object],
        &["EXISTS", &object],
        &["TYPE", &object],
        &["EXPIRE", &waiters, "60"],
        &["PERSIST", &chunk],
        &["ZADD", &waiters, "NX", "0", ""],
        &["ZREM", &waiters, ""],
        &["ZRANGE", &waiters, "0", "0"],
        &["ZREVRANGE", &waiters, "0", "0"],
        &["ZRANGEBYSCORE", &waiters, "0", "0"],
        &["ZREMRANGEBYSCORE", &waiters, "0", "0"],
        &["TIME"],
    ];
    let mut needs = Needs::default();
    for command in commands {
        let words = if command.len() == 1 { command[0].to_owned() } else { format!("{} {keys}", command[0]) };
        needs = needs.and(words, command.iter().copied());
    }
    needs
        .and("EVALSHA", ["EVALSHA", "0000000000000000000000000000000000000000", "0"])
        .and("SCRIPT LOAD", ["SCRIPT", "LOAD", "return 1"])
        .and(format!("PUBLISH to {channels}"), ["PUBLISH", &channel, ""])
        .and(format!("SUBSCRIBE to {channels}"), ["SUBSCRIBE", &channel])
}
