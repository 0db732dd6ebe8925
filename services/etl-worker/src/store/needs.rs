use redis_core::Needs;

/// What a worker does in Redis, in the form in which it could do it. Redis judges these commands and runs none of them.
///
/// Commands that the scripts run are here as well: Redis checks permissions inside of scripts too.
const COMMANDS: [&str; 40] = [
    "XREADGROUP GROUP workers check COUNT 1 STREAMS etl:jobs >",
    "XGROUP CREATE etl:jobs workers 0 MKSTREAM",
    "XGROUP DELCONSUMER etl:jobs workers check",
    "XINFO CONSUMERS etl:jobs workers",
    "XAUTOCLAIM etl:jobs workers check 1000 0-0",
    "XCLAIM etl:jobs workers check 0 1-1",
    "XPENDING etl:jobs workers",
    "XACK etl:jobs workers 1-1",
    "XADD etl:jobs * game check",
    "XADD etl:dead * game check",
    "XDEL etl:jobs 1-1",
    "XLEN etl:jobs",
    "TYPE etl:jobs",
    "TIME",
    "SET etl:reconciler check",
    "PTTL etl:reconciler",
    "GET etl:settling:check",
    "PEXPIRE etl:settling:check 1",
    "DEL etl:settling:check",
    "HGET etl:game:check state",
    "HSET etl:game:check state queued",
    "HEXISTS etl:game:check part",
    "HDEL etl:part:check check",
    "HKEYS etl:part:check",
    "SADD etl:open-parts check",
    "SREM etl:open-parts check",
    "EXISTS games:check",
    "PERSIST games:check",
    "EXPIRE games:check 1",
    "SMEMBERS games:check",
    "SCARD games:check",
    "GET games:check:status",
    "HMGET games:check:superheros:check id health",
    "LLEN games:check:logs",
    "LRANGE games:check:logs 0 0",
    "DEL games:check:logs",
    "LREM games:players:2 1 check",
    "ZSCAN games:participants 0",
    "ZSCORE games:participants check",
    "ZREM games:participants check",
];

/// What a worker that listens on `channel` needs.
pub(super) fn needs(channel: &str) -> Needs {
    let needs = Needs::default()
        .and("EVALSHA", ["EVALSHA", &"0".repeat(40), "0"])
        .and("SCRIPT LOAD", ["SCRIPT", "LOAD", "return 1"])
        .and(format!("SUBSCRIBE to {channel}"), ["SUBSCRIBE", channel])
        .and(format!("UNSUBSCRIBE from {channel}"), ["UNSUBSCRIBE", channel]);
    COMMANDS.iter().fold(needs, |needs, command| {
        let words: Vec<&str> = command.split(' ').collect();
        let prefix = words.iter().find_map(|word| word.split_once(':')).map(|(prefix, _)| prefix);
        let text = prefix.map_or_else(|| words[0].to_owned(), |prefix| format!("{} {prefix}:*", words[0]));
        needs.and(text, words)
    })
}
