use chassis::traces;
use redis_core::key::in_partition;
use redis_core::{Layout, Needs, Partition};

/// What an instance does in Redis, in the form in which it could do it. Redis judges these commands and runs none of them.
///
/// Commands that the scripts run are here as well: Redis checks permissions inside of scripts too. Keys and channels are those of
/// one Redis.
const COMMANDS: [&str; 55] = [
    "TIME",
    "TYPE TIMELINE:CURRENT",
    "ZADD TIMELINE:CURRENT 0 check",
    "ZREM TIMELINE:CURRENT check",
    "ZRANGE TIMELINE:INSTANCES 0 0",
    "ZCOUNT TIMELINE:CURRENT 0 0",
    "ZRANGEBYSCORE TIMELINE:CURRENT 0 0",
    "ZREMRANGEBYSCORE TIMELINE:CURRENT 0 0",
    "ZSCORE TIMELINE:INSTANCES check",
    "ZCARD TIMELINE:INSTANCES",
    "ZADD TIMELINE:INSTANCES 0 check",
    "ZADD TIMELINE:LOOPS 0 check",
    "ZREM TIMELINE:LOOPS check",
    "ZRANGEBYSCORE TIMELINE:LOOPS 0 0",
    "HGET TIMELINE:META start",
    "HSET TIMELINE:META start 0",
    "HINCRBY TIMELINE:META posts 1",
    "HGETALL TIMELINE:LANES",
    "HSET TIMELINE:LANES 0 check",
    "HDEL TIMELINE:LANES 0",
    "ZADD SCENARIOS 0 check",
    "ZREM SCENARIOS check",
    "ZRANGE SCENARIOS 0 0",
    "RPUSH SCENARIO:check check",
    "LRANGE SCENARIO:check 0 0",
    "LLEN SCENARIO:check",
    "DEL SCENARIO:check",
    "GET PLAYBACK:check",
    "SET PLAYBACK:check {}",
    "DEL PLAYBACK:check",
    "HGET RECORDING:check digest",
    "HMGET RECORDING:check 0",
    "HLEN RECORDING:check",
    "HSET RECORDING:check 0 {}",
    "PEXPIRE RECORDING:check 1",
    "PERSIST RECORDING:check",
    "DEL RECORDING:check",
    "GET RECORDINGS:PLAYBACK:check",
    "SET RECORDINGS:PLAYBACK:check {}",
    "ZADD RECORDINGS 0 check",
    "ZREM RECORDINGS check",
    "ZRANGE RECORDINGS 0 0",
    "ZADD RECORDINGS:LOOPS 0 check",
    "ZREM RECORDINGS:LOOPS check",
    "GET TIMELINE:POSTS:check",
    "SET TIMELINE:POSTS:check {}",
    "XADD TIMELINE:DEAD * reason check",
    "XRANGE TIMELINE:DEAD 0 0",
    "XDEL TIMELINE:DEAD 0",
    "PUBLISH TIMELINE:CHANGED check",
    "PUBLISH TIMELINE:PUBLISHED check",
    "PUBSUB NUMSUB TIMELINE:PUBLISHED",
    "SUBSCRIBE TIMELINE:CHANGED",
    "SUBSCRIBE TIMELINE:PUBLISHED",
    "UNSUBSCRIBE TIMELINE:PUBLISHED",
];

/// What is needed on one Redis or on each shard of a Cluster.
pub(super) fn needs(layout: Layout) -> Needs {
    let needs = Needs::default()
        .and("EVALSHA", ["EVALSHA", &"0".repeat(40), "0"])
        .and("SCRIPT LOAD", ["SCRIPT", "LOAD", "return 1"]);
    let on_a_cluster = if layout == Layout::Cluster { &ON_A_CLUSTER[..] } else { &[] };
    let for_traces = if traces::are_on() { &FOR_TRACES[..] } else { &[] };
    COMMANDS.iter().chain(on_a_cluster).chain(for_traces).fold(needs, |needs, command| {
        let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let is_target =
            |word: &&mut String| word.contains(':') || ["SCENARIOS", "RECORDINGS"].contains(&word.as_str());
        let mut name = words[0].clone();
        if let Some(target) = words.iter_mut().find(is_target) {
            *target = name_on(layout, target);
            name = format!("{name} {target}");
        }
        needs.and(name, words)
    })
}

/// What has this name on one Redis. All partitions are named alike, so the user who may use one may use all.
fn name_on(layout: Layout, name: &str) -> String {
    let is_one_for_all = ["TIMELINE:PUBLISHED", "TIMELINE:LISTENING"].contains(&name);
    match layout {
        Layout::Cluster if !is_one_for_all => in_partition(Partition::numbered(0), name),
        _ => name.to_owned(),
    }
}

/// What is needed on a Cluster only.
const ON_A_CLUSTER: [&str; 2] = ["PUBLISH TIMELINE:LISTENING check", "SUBSCRIBE TIMELINE:LISTENING"];

/// What is needed while requests are traced.
const FOR_TRACES: [&str; 4] = [
    "SET TIMELINE:TRACE:check check",
    "MGET TIMELINE:TRACE:check",
    "SET RECORDINGS:TRACE:check check",
    "MGET RECORDINGS:TRACE:check",
];

#[cfg(test)]
mod tests {
    use redis_core::{Channel, Key};

    use super::*;

    fn commands() -> Vec<String> {
        COMMANDS
            .iter()
            .chain(&FOR_TRACES)
            .filter_map(|command| command.split(' ').next())
            .map(str::to_lowercase)
            .collect()
    }

    #[test]
    fn on_a_cluster_the_names_are_those_that_keys_have_there() {
        let partition = Partition::numbered(0);
        for key in [Key::Timeline(partition), Key::Scenarios(partition), Key::RecordingLoops(partition)] {
            assert_eq!(name_on(Layout::Cluster, &key.to_string()), key.name(Layout::Cluster));
        }
        let names =
            [Channel::TimelineChanged(partition), Channel::TimelinePublished, Channel::TimelineListening];
        for channel in names {
            assert_eq!(name_on(Layout::Cluster, &channel.to_string()), channel.name(Layout::Cluster));
        }
    }

    #[test]
    fn every_command_of_the_scripts_is_a_need() {
        let scripts = concat!(
            include_str!("ack.lua"),
            include_str!("add_events.lua"),
            include_str!("begin_post.lua"),
            include_str!("begin_recording.lua"),
            include_str!("bury.lua"),
            include_str!("end_post.lua"),
            include_str!("join.lua"),
            include_str!("leave.lua"),
            include_str!("post.lua"),
            include_str!("posts.lua"),
            include_str!("revive.lua"),
            include_str!("store_messages.lua"),
            include_str!("update_playback.lua"),
        );
        let names: Vec<&str> =
            scripts.split("call('").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            assert!(commands().contains(&name.to_lowercase()), "{name} is not a need");
        }
    }

    #[test]
    fn the_user_of_the_readme_may_do_what_is_needed() {
        let line = include_str!("../../README.md").lines().find(|line| line.starts_with("ACL SETUSER "));
        let allowed: Vec<&str> =
            line.unwrap().split(" +").skip(1).filter_map(|name| name.split('|').next()).collect();
        for name in commands() {
            assert!(allowed.contains(&name.as_str()), "{name} is not in the README");
        }
    }
}
