//! Every key that Backplane reads or writes, in one place. The README's table says what each holds and for how long.

pub mod game_suffix;
mod hash_slot;
mod in_partition;
mod on_cluster;

use std::fmt;

use crate::id::{CustomerId, GameToken, RecordingName, RunId, UserToken};
use crate::{Layout, Partition};

pub use self::hash_slot::{HASH_SLOTS, hash_slot, slot_tag, spread_tags};
pub use self::in_partition::in_partition;

/// The layout of a key: `to_string()` is its name in Redis.
///
/// Of scenario-player's keys with a [`Partition`] there is one for each partition on a Cluster, and one for all on one Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// scenario-player: list, the stored steps of a customer.
    Scenario(&'a CustomerId),
    /// scenario-player: sorted set, the customers that have a stored scenario.
    Scenarios(Partition),
    /// scenario-player: string, how a customer's scenario is being played.
    Playback(&'a CustomerId),
    /// scenario-player: sorted set, the steps to come.
    Timeline(Partition),
    /// scenario-player: hash, counters and the start of the shared timeline.
    TimelineMeta(Partition),
    /// scenario-player: sorted set, the instances that are alive.
    TimelineInstances(Partition),
    /// scenario-player: hash, which instance plays which partition of the customers.
    TimelinePartitions(Partition),
    /// scenario-player: sorted set, looping playbacks by the end of their last scheduled iteration.
    TimelineLoops(Partition),
    /// scenario-player: stream, the steps that the broker refused for good.
    TimelineDeadLetters(Partition),
    /// scenario-player: string, the posts of a customer that have begun and not ended, and those with a key.
    TimelinePosts(&'a CustomerId),
    /// scenario-player: string, the trace of a customer's steps, if requests are traced.
    TimelineTrace(&'a CustomerId),
    /// scenario-player: hash, the messages of a recording by their index, their times, and a digest of all.
    Recording(&'a RecordingName),
    /// scenario-player: sorted set, the recordings.
    Recordings(Partition),
    /// scenario-player: string, how a recording is being played.
    RecordingPlayback(&'a RecordingName),
    /// scenario-player: sorted set, looping recordings by the end of their last scheduled iteration.
    RecordingLoops(Partition),
    /// scenario-player: string, the trace of a recording's messages, if requests are traced.
    RecordingTrace(&'a RecordingName),

    /// kafka-ingester: hash, the newest values of one battery.
    Battery(&'a str),
    /// kafka-ingester: stream, messages that could not be applied.
    DeadLetters,
    /// kafka-ingester: string, the lease of the instance that forwards dead letters to Kafka.
    DeadLettersForwarder,
    /// kafka-ingester: string, the version of the newest message of a key, or of the delete that came after it.
    KafkaVersion {
        /// The key.
        key: &'a str,
    },
    /// kafka-ingester: hash, for each partition of a topic the next offset, the owner's epoch and counts of messages; on a
    /// Cluster a hash for each partition.
    KafkaOffsets {
        /// The consumer group.
        group: &'a str,
        /// The topic.
        topic: &'a str,
        /// The partition.
        partition: i32,
    },
    /// kafka-ingester, on a Cluster only: hash, for each partition of a topic the offset up to which the messages are applied
    /// whose keys have this hash slot.
    KafkaSlot {
        /// The consumer group.
        group: &'a str,
        /// The topic.
        topic: &'a str,
        /// The hash slot, which is its own too.
        slot: u16,
    },
    /// kafka-ingester, on a Cluster only: hash, for each partition of a topic the last call that wrote to the shard with this
    /// hash slot.
    KafkaWitness {
        /// The consumer group.
        group: &'a str,
        /// The topic.
        topic: &'a str,
        /// The hash slot, which is its own too.
        slot: u16,
    },
    /// kafka-ingester, on a Cluster only: sorted set, the last offsets of a partition that became dead letters.
    KafkaDeadOffsets {
        /// The consumer group.
        group: &'a str,
        /// The topic.
        topic: &'a str,
        /// The partition.
        partition: i32,
    },

    /// preflight: hash, a run's timestamps, attributes and locks.
    Run(&'a RunId),
    /// preflight: hash, written by a process to hear whether Redis tells of it; it has gone a moment later.
    PreflightCanary(&'a str),

    /// status-proxy: string, the last epoch that was published. Like all that follow it has the hash tag of a partition of the runs
    /// on a Cluster. On one Redis there is one partition, without a tag.
    StatusEpoch {
        /// The hash tag of the first partition.
        tag: &'a str,
    },
    /// status-proxy: string with a lease, the instance that records history.
    StatusRecorder {
        /// The hash tag of the partition.
        tag: &'a str,
    },
    /// status-proxy: hash, the epochs from and up to which history is recorded.
    StatusRecorded {
        /// The hash tag of the partition.
        tag: &'a str,
        /// On a Cluster the node in whose order lines are numbered.
        node: &'a str,
    },
    /// status-proxy: stream, the last lines of a channel.
    StatusHistory {
        /// The hash tag of the run's partition.
        tag: &'a str,
        /// `run:channel`.
        channel: &'a str,
    },
    /// status-proxy: sorted set, the channels of a run that have such a stream, by the time of their last line.
    StatusChannels {
        /// The hash tag of the run's partition.
        tag: &'a str,
        /// The run.
        run: &'a str,
    },

    /// etl-worker: set, the players of a game.
    Game(&'a GameToken),
    /// etl-worker: hash, a player's superhero in a game.
    GameSuperhero(&'a GameToken, &'a UserToken),
    /// etl-worker: set, the superhero ids in a game.
    GameSuperheros(&'a GameToken),
    /// etl-worker: list, the attacks of a game in order.
    GameLogs(&'a GameToken),
    /// etl-worker: list, the players still in the turn order.
    GameOrder(&'a GameToken),
    /// etl-worker: string, the status of a game, such as `Completed`.
    GameStatus(&'a GameToken),
    /// etl-worker: string, the number of players of a game.
    GameParticipants(&'a GameToken),
    /// etl-worker: string, the host's user token.
    GameHost(&'a GameToken),
    /// etl-worker: sorted set, all games by their number of players.
    GamesParticipants,
    /// etl-worker: list, the games of n players, to which the game server pushes them.
    GamesOfPlayers(u32),
    /// etl-worker: list, the games of n players, where the original's clean-up looks for them.
    GamesOfParticipants(u32),
    /// etl-worker: stream, a job for each ended game.
    EtlJobs,
    /// etl-worker: stream, games that failed for good.
    EtlDead,
    /// etl-worker: hash, the state of a game's job, its part and its failures.
    EtlGame(&'a GameToken),
    /// etl-worker: string, the length of a completed game's log and since when it has not changed.
    EtlSettling(&'a GameToken),
    /// etl-worker: hash, the uncommitted games of a part, by the path of its files.
    EtlPart(&'a str),
    /// etl-worker: set, the parts with an uncommitted game.
    EtlOpenParts,
    /// etl-worker: string, the lease of the worker that looks for games without a message.
    EtlReconciler,
    /// etl-worker: hash, the games that were committed on each day.
    EtlDays,
    /// etl-worker: sorted set, on a Cluster only: the committed games whose records are to be removed, by when.
    EtlCleaning,

    /// all services: never exists; deleted to ask whether a connection leads to a primary.
    ConnectionCheck,

    /// object-store: hash, an object; a string if the original stored it. `key_prefix` of the configuration, and the id in
    /// hex. With an empty id it is the prefix of all these keys.
    Object(&'a str, &'a str),
    /// object-store: no key. On a Cluster a store has partitions, and this is what the names of a partition's keys begin with: the
    /// prefix in all that follow. The tag puts them into one hash slot.
    ObjectPartition {
        /// `key_prefix` of the configuration.
        prefix: &'a str,
        /// The hash tag of the partition.
        tag: &'a str,
    },
    /// object-store: string, on a Cluster the number of the store's partitions.
    ObjectPartitions(&'a str),
    /// object-store: no key, but the prefix of all that follow.
    ObjectMeta(&'a str),
    /// object-store: string, a content and how many ids have it. The hash is 32 raw bytes, so it is appended to this prefix.
    ObjectContents(&'a str),
    /// object-store: the prefix of all chunks.
    ObjectChunks(&'a str),
    /// object-store: string, one chunk of a large content.
    ObjectChunk {
        /// `key_prefix` of the configuration.
        prefix: &'a str,
        /// Name of the upload.
        upload: &'a str,
        /// Number of the chunk, from 0.
        index: usize,
    },
    /// object-store: sorted set, contents that no id has, by the second of their removal.
    ObjectGarbage(&'a str),
    /// object-store: sorted set, the requests that wait for an object (its id in hex), in order.
    ObjectWaiters(&'a str, &'a str),
    /// object-store: string, exists while requests may be waiting.
    ObjectWaited(&'a str),
    /// object-store: string, exists while there may be ids whose set was refused.
    ObjectRefused(&'a str),
    /// object-store: string, exists for a time after the set of an object (its id in hex) was refused.
    ObjectRefusedId(&'a str, &'a str),
    /// object-store: sorted set, notifications to a node about what it waits for, by number.
    ObjectNotifications(&'a str, &'a str),
    /// object-store: string, exists while a node is alive.
    ObjectNodeAlive(&'a str, &'a str),
    /// object-store: hash, the number of a node's last batch and the replies to its last two.
    ObjectBatch(&'a str, &'a str),
    /// object-store: exists only while the script tries its commands on it.
    ObjectTrial(&'a str, &'a str),
    /// object-store: sorted set, contents that are being copied to another partition, by the second until which they are kept.
    ObjectHolds(&'a str),
    /// object-store: hash, counts of ids, contents and bytes, and the last numbers given to waiters and notifications.
    ObjectStats(&'a str),
    /// object-store: string, the bytes of all ids as the original counts them.
    ObjectTotalSize(&'a str),
}

impl Key<'_> {
    /// Its name in this layout.
    pub fn name(&self, layout: Layout) -> String {
        match layout {
            Layout::One => self.to_string(),
            Layout::Cluster => self.on_cluster(),
        }
    }
}

/// The name on one Redis.
impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Scenario(customer) => write!(f, "SCENARIO:{customer}"),
            Key::Scenarios(_) => f.write_str("SCENARIOS"),
            Key::Playback(customer) => write!(f, "PLAYBACK:{customer}"),
            Key::Timeline(_) => f.write_str("TIMELINE:CURRENT"),
            Key::TimelineMeta(_) => f.write_str("TIMELINE:META"),
            Key::TimelineInstances(_) => f.write_str("TIMELINE:INSTANCES"),
            Key::TimelinePartitions(_) => f.write_str("TIMELINE:LANES"),
            Key::TimelineLoops(_) => f.write_str("TIMELINE:LOOPS"),
            Key::TimelineDeadLetters(_) => f.write_str("TIMELINE:DEAD"),
            Key::TimelinePosts(customer) => write!(f, "TIMELINE:POSTS:{customer}"),
            Key::TimelineTrace(customer) => write!(f, "TIMELINE:TRACE:{customer}"),
            Key::Recording(name) => write!(f, "RECORDING:{name}"),
            Key::Recordings(_) => f.write_str("RECORDINGS"),
            Key::RecordingPlayback(name) => write!(f, "RECORDINGS:PLAYBACK:{name}"),
            Key::RecordingLoops(_) => f.write_str("RECORDINGS:LOOPS"),
            Key::RecordingTrace(name) => write!(f, "RECORDINGS:TRACE:{name}"),

            Key::Battery(id) => write!(f, "battery:{id}:data"),
            Key::DeadLetters => f.write_str("kafka-ingester:dead-letters"),
            Key::DeadLettersForwarder => f.write_str("kafka-ingester:dead-letters:forwarder"),
            Key::KafkaVersion { key } => write!(f, "kafka-ingester:version:{key}"),
            Key::KafkaOffsets { group, topic, .. } => write!(f, "kafka-ingester:{group}:{topic}:offsets"),
            Key::KafkaSlot { group, topic, slot } => write!(f, "kafka-ingester:slot:{slot}:{group}:{topic}"),
            Key::KafkaWitness { group, topic, slot } => {
                write!(f, "kafka-ingester:witness:{slot}:{group}:{topic}")
            }
            Key::KafkaDeadOffsets { group, topic, partition } => {
                write!(f, "kafka-ingester:dead:{group}:{topic}:{partition}")
            }

            Key::Run(run) => write!(f, "{run}"),
            Key::PreflightCanary(process) => write!(f, "preflight:canary:{process}"),

            Key::StatusEpoch { .. } => f.write_str("status-proxy:mark"),
            Key::StatusRecorder { .. } => f.write_str("status-proxy:recorder"),
            Key::StatusRecorded { .. } => f.write_str("status-proxy:recorded"),
            Key::StatusHistory { channel, .. } => write!(f, "status-proxy:history:{channel}"),
            Key::StatusChannels { run, .. } => write!(f, "status-proxy:channels:{run}"),

            Key::Game(game) => write!(f, "games:{game}"),
            Key::GameSuperhero(game, user) => write!(f, "games:{game}{}:{user}", game_suffix::SUPERHEROS),
            Key::GameSuperheros(game) => write!(f, "games:{game}{}", game_suffix::SUPERHEROS),
            Key::GameLogs(game) => write!(f, "games:{game}{}", game_suffix::LOGS),
            Key::GameOrder(game) => write!(f, "games:{game}{}", game_suffix::ORDER),
            Key::GameStatus(game) => write!(f, "games:{game}{}", game_suffix::STATUS),
            Key::GameParticipants(game) => write!(f, "games:{game}{}", game_suffix::PARTICIPANTS),
            Key::GameHost(game) => write!(f, "games:{game}{}", game_suffix::HOST),
            Key::GamesParticipants => f.write_str("games:participants"),
            Key::GamesOfPlayers(players) => write!(f, "{GAMES_OF_PLAYERS_PREFIX}{players}"),
            Key::GamesOfParticipants(players) => write!(f, "{GAMES_OF_PARTICIPANTS_PREFIX}{players}"),

            Key::EtlJobs => f.write_str("etl:jobs"),
            Key::EtlDead => f.write_str("etl:dead"),
            Key::EtlGame(game) => write!(f, "etl:game:{game}"),
            Key::EtlSettling(game) => write!(f, "etl:settling:{game}"),
            Key::EtlPart(path) => write!(f, "etl:part:{path}"),
            Key::EtlOpenParts => f.write_str("etl:open-parts"),
            Key::EtlReconciler => f.write_str("etl:reconciler"),
            Key::EtlDays => f.write_str("etl:days"),
            Key::EtlCleaning => f.write_str("etl:cleaning"),

            Key::ConnectionCheck => f.write_str("backplane:check"),

            Key::Object(prefix, id_hex) => write!(f, "{prefix}{id_hex}"),
            Key::ObjectPartition { prefix, tag } => write!(f, "{prefix}{{{tag}}}:"),
            Key::ObjectPartitions(prefix) => write!(f, "{prefix}_meta:partitions"),
            Key::ObjectMeta(prefix) => write!(f, "{prefix}_meta:"),
            Key::ObjectContents(prefix) => write!(f, "{prefix}_meta:content:"),
            Key::ObjectChunks(prefix) => write!(f, "{prefix}_meta:chunk:"),
            Key::ObjectChunk { prefix, upload, index } => write!(f, "{prefix}_meta:chunk:{upload}:{index}"),
            Key::ObjectGarbage(prefix) => write!(f, "{prefix}_meta:garbage"),
            Key::ObjectWaiters(prefix, id_hex) => write!(f, "{prefix}_meta:wait:{id_hex}"),
            Key::ObjectWaited(prefix) => write!(f, "{prefix}_meta:waited"),
            Key::ObjectRefused(prefix) => write!(f, "{prefix}_meta:refused"),
            Key::ObjectRefusedId(prefix, id_hex) => write!(f, "{prefix}_meta:refused:{id_hex}"),
            Key::ObjectNotifications(prefix, node) => write!(f, "{prefix}_meta:mail:{node}"),
            Key::ObjectNodeAlive(prefix, node) => write!(f, "{prefix}_meta:alive:{node}"),
            Key::ObjectBatch(prefix, node) => write!(f, "{prefix}_meta:batch:{node}"),
            Key::ObjectTrial(prefix, node) => write!(f, "{prefix}_meta:batch:{node}:trial"),
            Key::ObjectHolds(prefix) => write!(f, "{prefix}_meta:holds"),
            Key::ObjectStats(prefix) => write!(f, "{prefix}_meta:stats"),
            Key::ObjectTotalSize(prefix) => write!(f, "{prefix}_meta:total_size"),
        }
    }
}

/// What precedes the number in [`Key::GamesOfPlayers`]. etl-worker passes it to a script.
pub const GAMES_OF_PLAYERS_PREFIX: &str = "games:players:";
/// What precedes the number in [`Key::GamesOfParticipants`]. etl-worker passes it to a script.
pub const GAMES_OF_PARTICIPANTS_PREFIX: &str = "games:participants:";

#[cfg(test)]
mod tests;
