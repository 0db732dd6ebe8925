use redis_core::id::GameToken;
use redis_core::{Key, Layout, Needs};

use crate::dataset::Dataset;

/// What a worker does with keys of its own in Redis, in the form in which it could do it. Redis judges these commands and
/// runs none of them.
///
/// Commands that the scripts run are here as well: Redis checks permissions inside of scripts too.
const OWN_COMMANDS: [&str; 31] = [
    "XREADGROUP GROUP workers check COUNT 1 STREAMS {jobs} >",
    "XGROUP CREATE {jobs} workers 0 MKSTREAM",
    "XGROUP DELCONSUMER {jobs} workers check",
    "XINFO CONSUMERS {jobs} workers",
    "XAUTOCLAIM {jobs} workers check 1000 0-0",
    "XCLAIM {jobs} workers check 0 1-1",
    "XPENDING {jobs} workers",
    "XACK {jobs} workers 1-1",
    "XADD {jobs} * game check",
    "XADD {dead} * game check",
    "XDEL {jobs} 1-1",
    "XTRIM {dead} MAXLEN 1",
    "XLEN {jobs}",
    "TYPE {jobs}",
    "TIME",
    "SET {reconciler} check",
    "PTTL {reconciler}",
    "GET {settling}",
    "PEXPIRE {settling} 1",
    "DEL {settling}",
    "EXISTS {game}",
    "EXPIRE {game} 1",
    "HGET {game} state",
    "HSET {game} state queued",
    "HEXISTS {game} part",
    "HDEL {game} tries",
    "HDEL {part} check",
    "HKEYS {part}",
    "SADD {open-parts} check",
    "SREM {open-parts} check",
    "SMEMBERS {open-parts}",
];

/// What it does besides on a Cluster.
const CLUSTER_COMMANDS: [&str; 3] =
    ["ZADD {cleaning} 1 check", "ZRANGEBYSCORE {cleaning} 0 1", "ZREM {cleaning} check"];

/// A command with the names of our keys in it.
fn with_keys(command: &str, dataset: &Dataset, layout: Layout) -> String {
    let check = GameToken::parse(CHECK);
    let game = check
        .iter()
        .flat_map(|game| [("{game}", Key::EtlGame(game)), ("{settling}", Key::EtlSettling(game))]);
    let keys = [
        ("{jobs}", Key::EtlJobs),
        ("{dead}", Key::EtlDead),
        ("{part}", Key::EtlPart(CHECK)),
        ("{open-parts}", Key::EtlOpenParts),
        ("{reconciler}", Key::EtlReconciler),
        ("{cleaning}", Key::EtlCleaning),
    ];
    let replace =
        |command: String, (word, key): (&str, Key)| command.replace(word, &dataset.key(key, layout));
    keys.into_iter().chain(game).fold(command.to_owned(), replace)
}

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
fn commands(dataset: &Dataset, layout: Layout) -> Vec<String> {
    let on_cluster = if layout == Layout::Cluster { &CLUSTER_COMMANDS[..] } else { &[] };
    let own = OWN_COMMANDS.iter().chain(on_cluster).map(|command| with_keys(command, dataset, layout));
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
    let tagged = command.split(' ').find_map(|word| word.split_once("}:").map(|(tag, _)| format!("{tag}}}")));
    let plain = || Some(command.split(' ').find_map(|word| word.split_once(':'))?.0.to_owned());
    tagged.or_else(plain).map_or_else(|| name.to_owned(), |prefix| format!("{name} {prefix}:*"))
}

/// What a worker of this dataset needs that listens on `channels`.
pub(super) fn needs(dataset: &Dataset, channels: &[String], layout: Layout) -> Needs {
    let needs = Needs::default()
        .and("EVALSHA", ["EVALSHA", &"0".repeat(40), "0"])
        .and("SCRIPT LOAD", ["SCRIPT", "LOAD", "return 1"]);
    let needs = channels.iter().fold(needs, |needs, channel| {
        needs
            .and(format!("SUBSCRIBE to {channel}"), ["SUBSCRIBE", channel])
            .and(format!("UNSUBSCRIBE from {channel}"), ["UNSUBSCRIBE", channel])
    });
    commands(dataset, layout)
        .iter()
        .fold(needs, |needs, command| needs.and(what(command), command.split(' ').collect::<Vec<_>>()))
}

const CHECK: &str = "check";

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(layout: Layout) -> Vec<String> {
        let dataset = crate::dataset::load(crate::dataset::SUPERHERO).unwrap();
        let commands = commands(&dataset, layout);
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
            include_str!("take_uncleaned.lua"),
            include_str!("cleaned.lua"),
            include_str!("enqueue_ended.lua"),
            include_str!("settling.lua"),
            include_str!("without_job.lua"),
        );
        let calls = ["call('", "try('"].iter().flat_map(|call| scripts.split(call).skip(1));
        let names: Vec<&str> = calls.filter_map(|rest| rest.split('\'').next()).collect();
        assert!(names.len() > 50, "{names:?}");
        for name in names {
            assert!(asked(Layout::Cluster).contains(&name.to_lowercase()), "{name} is not asked for");
        }
    }

    #[test]
    fn every_command_that_the_readme_allows_is_asked_for_or_serves_the_connection_or_the_commands() {
        let readme = include_str!("../../README.md");
        let allowed_by = |begin: &str| {
            let line = readme.lines().find_map(|line| line.strip_prefix(begin)).unwrap();
            line.split(" +").skip(1).filter_map(|name| name.split('|').next()).collect::<Vec<_>>()
        };
        let on_one = allowed_by("ACL SETUSER etl-worker on");
        let on_cluster = [on_one.clone(), allowed_by("ACL SETUSER etl-worker ~{etl")].concat();
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
            "cluster",
            "asking",
        ];
        for (layout, allowed) in [(Layout::One, on_one), (Layout::Cluster, on_cluster)] {
            let asked = asked(layout);
            for name in &allowed {
                let is_known = asked.iter().any(|asked| asked == name) || others.contains(name);
                assert!(is_known, "{name} is not asked for");
            }
            for name in asked {
                assert!(allowed.contains(&name.as_str()), "{name} is not in the README");
            }
        }
    }
}
