//! What status-proxy must be allowed to do in Redis.

use redis_core::{Channel, Key, Layout, Needs};

use super::history::epochs_channel;
use crate::partition::Partitions;
use crate::run_channels::run_name;

/// A stream like those of the recording.
const HISTORY: &str = "check:check";

/// The commands, with the keys and channels that this instance uses. The channels of viewers are not among them: a user
/// may be limited to those of some runs.
///
/// `recorded`: the partitions, with history in Redis.
pub(super) fn needs(
    instance: &str,
    recorded: Option<&Partitions>,
    has_sharded_pubsub: bool,
    layout: Layout,
) -> Needs {
    let probe = &*Channel::StatusProbe(instance).to_string();
    let mut needs = Needs::default()
        .and("SUBSCRIBE to status-proxy/probe/*", ["SUBSCRIBE", probe])
        .and("UNSUBSCRIBE", ["UNSUBSCRIBE", probe])
        .and("PUBLISH to status-proxy/probe/*", ["PUBLISH", probe, "probe"])
        .and("ECHO", ["ECHO", "check"])
        .and("CLIENT INFO", ["CLIENT", "INFO"]);
    if has_sharded_pubsub {
        needs = needs
            .and("SSUBSCRIBE to status-proxy/probe/*", ["SSUBSCRIBE", probe])
            .and("SUNSUBSCRIBE", ["SUNSUBSCRIBE", probe]);
    }
    match recorded {
        Some(partitions) => with_recording(needs, partitions, layout),
        None => needs,
    }
}

/// Adds what the scripts in this folder do.
fn with_recording(mut needs: Needs, partitions: &Partitions, layout: Layout) -> Needs {
    let (every, epochs) = (&*Channel::StatusPattern.to_string(), &*epochs_channel(layout, "check"));
    let partition = partitions.of(HISTORY);
    let (tag, run) = (&*partition.tag, run_name(HISTORY));
    let epoch = &*Key::StatusEpoch { tag: &partitions.first().tag }.name(layout);
    let recorder = &*Key::StatusRecorder { tag }.name(layout);
    let recorded = &*Key::StatusRecorded { tag, node: "check" }.name(layout);
    let history = &*Key::StatusHistory { tag, channel: HISTORY }.name(layout);
    let channels = &*Key::StatusChannels { tag, run }.name(layout);
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
    match layout {
        Layout::One => needs,
        Layout::Cluster => needs
            .and(format!("DEL {recorder}"), ["DEL", recorder])
            .and("PUBSUB NUMSUB", ["PUBSUB", "NUMSUB", epochs]),
    }
}
