use redis_core::Needs;

/// What a worker does in Redis, in the form in which it could do it. Redis judges these commands and runs none of them.
///
/// Commands that the scripts run are here as well: Redis checks permissions inside of scripts too.
const COMMANDS: [&str; 41] = [
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
    "XTRIM etl:dead MAXLEN 1",
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

/// What a worker that listens on `channels` needs.
pub(super) fn needs(channels: &[String]) -> Needs {
    let needs = Needs::default()
        .and("EVALSHA", ["EVALSHA", &"0".repeat(40), "0"])
        .and("SCRIPT LOAD", ["SCRIPT", "LOAD", "return 1"]);
    let needs = channels.iter().fold(needs, |needs, channel| {
        needs
            .and(format!("SUBSCRIBE to {channel}"), ["SUBSCRIBE", channel])
            .and(format!("UNSUBSCRIBE from {channel}"), ["UNSUBSCRIBE", channel])
    });
    COMMANDS.iter().fold(needs, |needs, command| {
        let words: Vec<&str> = command.split(' ').collect();
        let prefix = words.iter().find_map(|word| word.split_once(':')).map(|(prefix, _)| prefix);
        let text = prefix.map_or_else(|| words[0].to_owned(), |prefix| format!("{} {prefix}:*", words[0]));
        needs.and(text, words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Vec<String> {
        let names = COMMANDS.iter().filter_map(|command| command.split(' ').next());
        names.map(str::to_lowercase).collect()
    }

    #[test]
    fn every_command_of_the_scripts_is_asked_for() {
        let scripts = concat!(
            include_str!("claim.lua"),
            include_str!("commit.lua"),
            include_str!("enqueue.lua"),
            include_str!("enqueue_settled.lua"),
            include_str!("fail.lua"),
            include_str!("ownership.lua"),
            include_str!("plan.lua"),
            include_str!("read.lua"),
            include_str!("records.lua"),
            include_str!("remove_consumers.lua"),
            include_str!("renew.lua"),
            include_str!("types.lua"),
        );
        let calls = ["call('", "try('"].iter().flat_map(|call| scripts.split(call).skip(1));
        let names: Vec<&str> = calls.filter_map(|rest| rest.split('\'').next()).collect();
        assert!(names.len() > 50, "{names:?}");
        for name in names {
            assert!(asked().contains(&name.to_lowercase()), "{name} is not asked for");
        }
    }

    #[test]
    fn every_command_that_the_readme_allows_is_asked_for_or_serves_the_connection_or_the_commands() {
        let line = include_str!("../../README.md").lines().find(|line| line.starts_with("ACL SETUSER "));
        let others = [
            "evalsha",
            "script",
            "subscribe",
            "unsubscribe",
            "xrange",
            "multi",
            "discard",
            "unlink",
            "ping",
            "info",
            "hello",
            "auth",
            "select",
            "client",
            "wait",
            "role",
        ];
        let allowed: Vec<&str> =
            line.unwrap().split(" +").skip(1).filter_map(|name| name.split('|').next()).collect();
        for name in &allowed {
            assert!(
                asked().iter().any(|asked| asked == name) || others.contains(name),
                "{name} is not asked for"
            );
        }
        for name in asked() {
            assert!(allowed.contains(&name.as_str()), "{name} is not in the README");
        }
    }
}
