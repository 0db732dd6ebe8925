use redis_core::Needs;

use crate::dataset::Dataset;

/// What a worker does with keys of its own in Redis, in the form in which it could do it. Redis judges these commands and
/// runs none of them.
///
/// Commands that the scripts run are here as well: Redis checks permissions inside of scripts too.
const OWN_COMMANDS: [&str; 31] = [
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
    "EXISTS etl:game:check",
    "EXPIRE etl:game:check 1",
    "HGET etl:game:check state",
    "HSET etl:game:check state queued",
    "HEXISTS etl:game:check part",
    "HDEL etl:game:check tries",
    "HDEL etl:part:check check",
    "HKEYS etl:part:check",
    "SADD etl:open-parts check",
    "SREM etl:open-parts check",
    "SMEMBERS etl:open-parts",
];

/// What a worker does with the records of sessions.
fn record_commands(dataset: &Dataset) -> Vec<String> {
    let (keys, cleanup) = (&dataset.keys, &dataset.cleanup);
    let mut commands = Vec::new();
    let read = [&keys.members, &keys.session, &keys.entries, &cleanup.count].into_iter().flatten();
    for pattern in read.chain(&cleanup.expire).chain(&cleanup.delete) {
        let key = pattern.of(CHECK).replace("{member}", CHECK);
        commands.extend([format!("EXISTS {key}"), format!("PERSIST {key}"), format!("EXPIRE {key} 1")]);
    }
    if let Some(pattern) = &keys.members {
        commands.extend(["SMEMBERS", "SCARD"].map(|command| format!("{command} {}", pattern.of(CHECK))));
    }
    if let Some(pattern) = &keys.member {
        let (before, after) = pattern.around_member(CHECK);
        commands.push(format!("HMGET {before}{CHECK}{after} id"));
    }
    commands.extend(keys.session.iter().map(|pattern| format!("HMGET {} id", pattern.of(CHECK))));
    if let Some(pattern) = &keys.entries {
        commands.push(format!("LLEN {}", pattern.of(CHECK)));
        commands.push(format!("LRANGE {} 0 0", pattern.of(CHECK)));
    }
    if let Some(lost) = &dataset.lost {
        let index = &lost.index;
        commands.push(format!("GET {}", lost.key.of(CHECK)));
        commands.extend([
            format!("ZSCAN {index} 0"),
            format!("ZSCORE {index} {CHECK}"),
            format!("ZREM {index} {CHECK}"),
        ]);
    }
    commands.extend(cleanup.count.iter().map(|pattern| format!("GET {}", pattern.of(CHECK))));
    commands.extend(cleanup.delete.iter().map(|pattern| format!("DEL {}", pattern.of(CHECK))));
    for list in &cleanup.lists {
        commands.push(format!("LREM {} 1 {CHECK}", list.as_str().replace("{count}", "2")));
    }
    commands
}

/// The commands of a worker of this dataset, each once for all keys that begin alike.
fn commands(dataset: &Dataset) -> Vec<String> {
    let own = OWN_COMMANDS.iter().map(|command| {
        let words = command.split(' ').map(|word| match word.strip_prefix("etl:") {
            Some(_) => dataset.own_key(word),
            None => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    });
    let (mut known, mut commands) = (Vec::new(), Vec::new());
    for command in own.chain(record_commands(dataset)) {
        let text = what(&command);
        if !known.contains(&text) || text.starts_with('X') {
            known.push(text);
            commands.push(command);
        }
    }
    commands
}

/// The command and the beginning of its key.
fn what(command: &str) -> String {
    let name = command.split(' ').next().unwrap_or_default();
    let prefix = command.split(' ').find_map(|word| word.split_once(':')).map(|(prefix, _)| prefix);
    prefix.map_or_else(|| name.to_owned(), |prefix| format!("{name} {prefix}:*"))
}

/// What a worker of this dataset needs that listens on `channels`.
pub(super) fn needs(dataset: &Dataset, channels: &[String]) -> Needs {
    let needs = Needs::default()
        .and("EVALSHA", ["EVALSHA", &"0".repeat(40), "0"])
        .and("SCRIPT LOAD", ["SCRIPT", "LOAD", "return 1"]);
    let needs = channels.iter().fold(needs, |needs, channel| {
        needs
            .and(format!("SUBSCRIBE to {channel}"), ["SUBSCRIBE", channel])
            .and(format!("UNSUBSCRIBE from {channel}"), ["UNSUBSCRIBE", channel])
    });
    commands(dataset)
        .iter()
        .fold(needs, |needs, command| needs.and(what(command), command.split(' ').collect::<Vec<_>>()))
}

const CHECK: &str = "check";

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Vec<String> {
        let dataset = crate::dataset::load(crate::dataset::SUPERHERO).unwrap();
        let commands = commands(&dataset);
        commands.iter().filter_map(|command| command.split(' ').next()).map(str::to_lowercase).collect()
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
            include_str!("without_job.lua"),
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
