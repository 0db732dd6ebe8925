use fred::error::ErrorKind;

use super::*;

/// Replies of real servers: Redis 6.2.14, 7.0.15 and 8.2.3, written down as they came, and those of Valkey 9.1.2 where its
/// text differs.
const REPLIES: &[(&str, ErrorClass)] = &[
    ("LOADING Redis is loading the dataset in memory", ErrorClass::Busy),
    ("LOADING Valkey is loading the dataset in memory", ErrorClass::Busy),
    (
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ErrorClass::Busy,
    ),
    (
        "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ErrorClass::Busy,
    ),
    ("TRYAGAIN Multiple keys request during rehashing of slot", ErrorClass::Busy),
    ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", ErrorClass::Busy),
    ("ERR max number of clients reached", ErrorClass::Busy),
    ("READONLY You can't write against a read only replica.", ErrorClass::WrongServer),
    (
        "READONLY You can't write against a read only replica. script: d223ed8c7345b684e8ed044ed472601f536fa58b, on @user_script:1.",
        ErrorClass::WrongServer,
    ),
    (
        "READONLY You can't write against a read only replica. script: on @user_script:1.",
        ErrorClass::WrongServer,
    ),
    (
        "ERR Error running script (call to f_d223ed8c7345b684e8ed044ed472601f536fa58b): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
        ErrorClass::WrongServer,
    ),
    (
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        ErrorClass::WrongServer,
    ),
    (
        "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
        ErrorClass::WrongServer,
    ),
    (
        "ERR WAIT cannot be used with replica instances. Please also note that if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
        ErrorClass::WrongServer,
    ),
    ("OOM command not allowed when used memory > 'maxmemory'.", ErrorClass::CannotWrite),
    (
        "ERR Error running script (call to f_d223ed8c7345b684e8ed044ed472601f536fa58b): @user_script:1: @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.",
        ErrorClass::CannotWrite,
    ),
    ("NOREPLICAS Not enough good replicas to write.", ErrorClass::CannotWrite),
    (
        "ERR Error running script (call to f_d223ed8c7345b684e8ed044ed472601f536fa58b): @user_script:1: @user_script: 1: -NOREPLICAS Not enough good replicas to write.",
        ErrorClass::CannotWrite,
    ),
    (
        "MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
        ErrorClass::CannotWrite,
    ),
    (
        "ERR Error running script (call to f_d223ed8c7345b684e8ed044ed472601f536fa58b): @user_script:1: @user_script: 1: -MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.",
        ErrorClass::CannotWrite,
    ),
    (
        "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Valkey logs for details about the RDB error.",
        ErrorClass::CannotWrite,
    ),
    ("MISCONF Errors writing to the AOF file: No space left on device", ErrorClass::CannotWrite),
    ("NOPERM this user has no permissions to run the 'set' command or its subcommand", ErrorClass::Forbidden),
    (
        "NOPERM this user has no permissions to access one of the keys used as arguments",
        ErrorClass::Forbidden,
    ),
    (
        "NOPERM this user has no permissions to access one of the channels used as arguments",
        ErrorClass::Forbidden,
    ),
    ("NOPERM User app has no permissions to run the 'set' command", ErrorClass::Forbidden),
    ("NOPERM No permissions to access a key", ErrorClass::Forbidden),
    ("NOPERM No permissions to access a channel", ErrorClass::Forbidden),
    (
        "ERR Error running script (call to f_d223ed8c7345b684e8ed044ed472601f536fa58b): @user_script:1: @user_script: 1: The user executing the script can't run this command or subcommand",
        ErrorClass::Forbidden,
    ),
    (
        "ERR Error running script (call to f_6e8b6b31a76c68b6c34c04bac01a1327c3626ab0): @user_script:1: @user_script: 1: The user executing the script can't publish to the channel mentioned in the command",
        ErrorClass::Forbidden,
    ),
    (
        "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: d223ed8c7345b684e8ed044ed472601f536fa58b, on @user_script:1.",
        ErrorClass::Forbidden,
    ),
    (
        "ERR ACL failure in script: User app has no permissions to run the 'set' command script: d223ed8c7345b684e8ed044ed472601f536fa58b, on @user_script:1.",
        ErrorClass::Forbidden,
    ),
    (
        "ERR ACL failure in script: No permissions to access a channel script: d223ed8c7345b684e8ed044ed472601f536fa58b, on @user_script:1.",
        ErrorClass::Forbidden,
    ),
    (
        "ERR ACL failure in script: User app has no permissions to run the 'set' command script: on @user_script:1.",
        ErrorClass::Forbidden,
    ),
    ("MOVED 12706 127.0.0.1:7001", ErrorClass::Cluster),
    ("ASK 12706 127.0.0.1:7001", ErrorClass::Cluster),
    ("CROSSSLOT Keys in request don't hash to the same slot", ErrorClass::Cluster),
    ("CLUSTERDOWN Hash slot not served", ErrorClass::Busy),
    ("ERR SELECT is not allowed in cluster mode", ErrorClass::Cluster),
    (
        "ERR Error running script (call to f_d223ed8c7345b684e8ed044ed472601f536fa58b): @user_script:1: @user_script: 1: Lua script attempted to access a non local key in a cluster node",
        ErrorClass::Cluster,
    ),
    (
        "ERR Script attempted to access a non local key in a cluster node script: d223ed8c7345b684e8ed044ed472601f536fa58b, on @user_script:1.",
        ErrorClass::Cluster,
    ),
    // As Valkey says it.
    (
        "ERR Attempted to access a non local key in a cluster node script: d223ed8c7345b684e8ed044ed472601f536fa58b, on @user_script:1.",
        ErrorClass::Cluster,
    ),
    (
        "ERR Script attempted to access a slot not served script: d223ed8c7345b684e8ed044ed472601f536fa58b, on @user_script:1.",
        ErrorClass::Cluster,
    ),
    ("NOAUTH Authentication required.", ErrorClass::Unauthenticated),
    ("WRONGPASS invalid username-password pair or user is disabled.", ErrorClass::Unauthenticated),
    ("ERR invalid password", ErrorClass::Unauthenticated),
    (
        "DENIED Redis is running in protected mode because protected mode is enabled",
        ErrorClass::Unauthenticated,
    ),
    ("WRONGTYPE Operation against a key holding the wrong kind of value", ErrorClass::Invalid),
    (
        "WRONGTYPE Operation against a key holding the wrong kind of value script: df94f6e2145c0f1402ca5a21d71ebb02f5ae2169, on @user_script:1.",
        ErrorClass::Invalid,
    ),
    (
        "ERR Error running script (call to f_df94f6e2145c0f1402ca5a21d71ebb02f5ae2169): @user_script:1: WRONGTYPE Operation against a key holding the wrong kind of value",
        ErrorClass::Invalid,
    ),
    ("ERR wrong number of arguments for 'get' command", ErrorClass::Invalid),
    ("BUSYGROUP Consumer Group name already exists", ErrorClass::Invalid),
    ("BUSYKEY Target key name already exists.", ErrorClass::Invalid),
    ("NOGROUP No such key 'etl:jobs' or consumer group 'workers'", ErrorClass::Invalid),
];

#[test]
fn every_reply_of_a_known_server_has_its_class() {
    for (reply, class) in REPLIES {
        let error = RedisError::new(ErrorKind::Unknown, *reply);
        assert_eq!(ErrorClass::of(&error), *class, "{reply}");
    }
}

#[test]
fn a_text_that_a_user_wrote_into_an_error_does_not_change_its_class() {
    for reply in
        ["ERR unknown command 'READONLY', with args beginning with: 'OOM' ", "ERR no such key MOVED 1 a:1"]
    {
        let error = RedisError::new(ErrorKind::Unknown, reply);
        assert_eq!(ErrorClass::of(&error), ErrorClass::Invalid, "{reply}");
    }
}

#[test]
fn a_reason_is_a_sentence_without_debug_text() {
    let io = std::io::Error::from_raw_os_error(111);
    assert_eq!(reason(&RedisError::from(io)), "connection refused");
    let io = std::io::Error::other("the peer is gone");
    assert_eq!(reason(&RedisError::from(io)), "the peer is gone");
    let ended = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let ways = [
        RedisError::from(std::io::Error::from_raw_os_error(104)),
        RedisError::from(ended),
        RedisError::new(ErrorKind::IO, "Connection closed unexpectedly."),
        RedisError::new(ErrorKind::IO, "Too many failed write attempts."),
        RedisError::new_canceled(),
    ];
    for way in ways {
        assert_eq!(reason(&way), "the connection was closed", "{way:?}");
    }
    let readonly =
        RedisError::new(ErrorKind::Unknown, "READONLY You can't write against a read only replica.");
    assert_eq!(reason(&readonly), "Redis is a read-only replica");
    let in_script = RedisError::new(
        ErrorKind::Unknown,
        "ERR ACL failure in script: No permissions to access a key script: d223ed8c7345b684e8ed044ed472601f536fa58b, on @user_script:1.",
    );
    assert_eq!(reason(&in_script), "ERR ACL failure in script: No permissions to access a key");
    for quote in ["`", "'"] {
        let text = format!("ERR unknown command {quote}SSUBSCRIBE{quote}, with args beginning with: `MOVED`");
        let words = "Redis does not know SSUBSCRIBE: it is too old for that, or the command was renamed";
        assert_eq!(reason(&RedisError::new(ErrorKind::Unknown, text)), words);
    }
    let timeout = RedisError::new(ErrorKind::Timeout, "Request timed out.");
    assert_eq!(reason(&timeout), "Redis did not answer in time");
}
