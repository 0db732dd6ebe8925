use redis_core::Needs;

/// What an instance does in Redis, in the form in which it could do it. Redis judges these commands and runs none of them.
///
/// Commands that the scripts run are here as well: Redis checks permissions inside of scripts too.
const COMMANDS: [&str; 54] = [
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
    "SUBSCRIBE TIMELINE:CHANGED TIMELINE:PUBLISHED",
    "UNSUBSCRIBE TIMELINE:PUBLISHED",
];

pub(super) fn needs() -> Needs {
    let needs = Needs::default()
        .and("EVALSHA", ["EVALSHA", &"0".repeat(40), "0"])
        .and("SCRIPT LOAD", ["SCRIPT", "LOAD", "return 1"]);
    COMMANDS.iter().fold(needs, |needs, command| {
        let words: Vec<&str> = command.split(' ').collect();
        let target =
            words.iter().find(|word| word.contains(':') || ["SCENARIOS", "RECORDINGS"].contains(*word));
        needs
            .and(target.map_or_else(|| words[0].to_owned(), |target| format!("{} {target}", words[0])), words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Vec<String> {
        COMMANDS.iter().filter_map(|command| command.split(' ').next()).map(str::to_lowercase).collect()
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
