//! What an error of Redis means for whoever sent the command.

use fred::error::ErrorKind;

pub use fred::error::Error as RedisError;

/// What an error means for the caller.
///
/// All but [`ErrorClass::Invalid`] are the server's or the network's condition, not the command's fault: the same command
/// may succeed later, so it must be kept and tried again, no faster than once in [`RETRY_INTERVAL_MS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// There was no answer: the connection is lost, or the time is over.
    Unreachable,
    /// It passes by itself: the server is loading its data or is busy, or its Cluster has no primary for the key (LOADING,
    /// BUSY, MASTERDOWN, TRYAGAIN, CLUSTERDOWN, …).
    Busy,
    /// This connection leads to a server that takes no writes, usually a primary that became a replica (READONLY).
    WrongServer,
    /// The server cannot write: disk, memory or replicas are missing (MISCONF, OOM, NOREPLICAS).
    CannotWrite,
    /// The user may not run this command, or not on this key or channel (NOPERM).
    Forbidden,
    /// A node of a Redis Cluster does not run this command (MOVED, ASK, CROSSSLOT). [`Redis::run`](crate::Redis::run) follows
    /// the first two.
    Cluster,
    /// The user or the password is wrong, or missing (WRONGPASS, NOAUTH).
    Unauthenticated,
    /// The caller's own mistake: a key of another type, a wrong argument, an error in a script.
    Invalid,
}

/// The shortest time between two tries of a command that Redis refused, in milliseconds.
pub const RETRY_INTERVAL_MS: u64 = 250;

impl ErrorClass {
    /// The class of an error.
    pub fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::IO
            | ErrorKind::Timeout
            | ErrorKind::Canceled
            | ErrorKind::Backpressure
            | ErrorKind::Tls => Self::Unreachable,
            // What fred says of a failed attempt to connect: the reply of a server, or that there was none.
            ErrorKind::Sentinel | ErrorKind::Routing => match Self::of_reply(error.details()) {
                Self::Invalid => Self::Unreachable,
                class => class,
            },
            _ => Self::of_reply(error.details()),
        }
    }

    /// The class of an error reply. Redis before 7 wraps the error of a command in a script into a sentence, so the code
    /// is looked for behind it too.
    fn of_reply(reply: &str) -> Self {
        let reply = reply.trim_start_matches('-');
        let wrapped = reply.strip_prefix("ERR Error running script").and_then(|rest| rest.rsplit_once(": -"));
        let reply = wrapped.map_or(reply, |(_, inner)| inner);
        let known = CODES.iter().find(|(start, _)| reply.starts_with(start));
        let known = known.or_else(|| PHRASES.iter().find(|(phrase, _)| reply.contains(phrase)));
        known.map_or(Self::Invalid, |(_, class)| *class)
    }

    /// Whether the command itself is at fault, so that trying again cannot help.
    pub fn is_invalid(self) -> bool {
        self == Self::Invalid
    }
}

/// How an error reply begins.
const CODES: [(&str, ErrorClass); 21] = [
    ("LOADING", ErrorClass::Busy),
    ("BUSY ", ErrorClass::Busy),
    ("TRYAGAIN", ErrorClass::Busy),
    ("CLUSTERDOWN", ErrorClass::Busy),
    ("MASTERDOWN", ErrorClass::Busy),
    ("ERR max number of clients", ErrorClass::Busy),
    ("READONLY", ErrorClass::WrongServer),
    ("UNBLOCKED", ErrorClass::WrongServer),
    ("REDIRECT", ErrorClass::WrongServer),
    ("MISCONF", ErrorClass::CannotWrite),
    ("OOM", ErrorClass::CannotWrite),
    ("NOREPLICAS", ErrorClass::CannotWrite),
    ("NOPERM", ErrorClass::Forbidden),
    ("MOVED", ErrorClass::Cluster),
    ("ASK ", ErrorClass::Cluster),
    ("CROSSSLOT", ErrorClass::Cluster),
    ("NOAUTH", ErrorClass::Unauthenticated),
    ("WRONGPASS", ErrorClass::Unauthenticated),
    ("ERR invalid password", ErrorClass::Unauthenticated),
    ("ERR AUTH", ErrorClass::Unauthenticated),
    ("DENIED", ErrorClass::Unauthenticated),
];

/// What an error reply says somewhere, where its code is a plain ERR; and what fred says where a client was closed.
const PHRASES: [(&str, ErrorClass); 9] = [
    ("Client is not initialized", ErrorClass::Unreachable),
    ("Failed to send command to router", ErrorClass::Unreachable),
    ("WAIT cannot be used with replica instances", ErrorClass::WrongServer),
    ("ACL failure in script", ErrorClass::Forbidden),
    ("The user executing the script can't", ErrorClass::Forbidden),
    ("ttempted to access a non local key", ErrorClass::Cluster),
    ("Script attempted to access a slot not served", ErrorClass::Cluster),
    ("Script attempted to access keys that do not hash", ErrorClass::Cluster),
    ("is not allowed in cluster mode", ErrorClass::Cluster),
];
