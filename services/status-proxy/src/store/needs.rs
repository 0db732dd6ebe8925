//! What status-proxy must be allowed to do in Redis.

use redis_core::{Channel, Key, Needs};

use crate::run_channels::run_name;

/// A stream like those of the recording.
const HISTORY: &str = "check:check";

/// The commands, with the keys and channels that this instance uses. The channels of viewers are not among them: a user
/// may be limited to those of some runs.
pub(super) fn needs(instance: &str, has_history_in_redis: bool) -> Needs {
    let probe = &*Channel::StatusProbe(instance).to_string();
    let needs = Needs::default()
        .and("SUBSCRIBE to status-proxy/probe/*", ["SUBSCRIBE", probe])
        .and("UNSUBSCRIBE", ["UNSUBSCRIBE", probe])
        .and("PUBLISH to status-proxy/probe/*", ["PUBLISH", probe, "probe"])
        .and("ECHO", ["ECHO", "check"])
        .and("CLIENT INFO", ["CLIENT", "INFO"]);
    if has_history_in_redis { with_recording(needs) } else { needs }
}

/// Adds what the scripts in this folder do.
fn with_recording(mut needs: Needs) -> Needs {
    let (every, epochs) = (&*Channel::StatusPattern.to_string(), &*Channel::StatusEpochs.to_string());
    let (epoch, recorder) = (&*Key::StatusEpoch.to_string(), &*Key::StatusRecorder.to_string());
    let (recorded, history) = (&*Key::StatusRecorded.to_string(), &*Key::StatusHistory(HISTORY).to_string());
    let channels = &*Key::StatusChannels(run_name(HISTORY)).to_string();
    let no_script = "0".repeat(40);
    let commands: [&[&str]; 25] = [
        &["PSUBSCRIBE", every],
        &["SUBSCRIBE", epochs],
        &["PUBLISH", epochs, "0"],
        &["EVALSHA", &no_script, "0"],
        &["SCRIPT", "LOAD", "return 1"],
        &["TIME"],
        &["GET", epoch],
        &["SET", epoch, "0"],
        &["GET", recorder],
        &["SET", recorder, "check"],
        &["PTTL", recorder],
        &["HMGET", recorded, "upto"],
        &["HSET", recorded, "upto", "0"],
        &["DEL", recorded],
        &["TYPE", history],
        &["XADD", history, "1-0", "begin", ""],
        &["XLEN", history],
        &["XRANGE", history, "-", "+"],
        &["XREVRANGE", history, "+", "-"],
        &["XTRIM", history, "MINID", "1-0"],
        &["PEXPIRE", history, "1000"],
        &["DEL", history],
        &["ZADD", channels, "1", "check"],
        &["ZREMRANGEBYSCORE", channels, "-inf", "1"],
        &["ZRANGE", channels, "0", "1"],
    ];
    for command in commands {
        let words = match *command {
            ["SCRIPT", ..] => "SCRIPT LOAD".to_owned(),
            [name @ ("EVALSHA" | "TIME"), ..] => name.to_owned(),
            [name @ ("PSUBSCRIBE" | "SUBSCRIBE" | "PUBLISH"), channel, ..] => format!("{name} to {channel}"),
            [name, key, ..] if key == history => format!("{name} status-proxy:history:*"),
            [name, key, ..] if key == channels => format!("{name} status-proxy:channels:*"),
            [name, key, ..] => format!("{name} {key}"),
            _ => continue,
        };
        needs = needs.and(words, command.iter().copied());
    }
    needs
}
