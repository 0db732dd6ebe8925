//! Errors in words, for logs and `/ready`.

use std::fmt::Display;

use fred::error::ErrorKind;

use super::class::{ErrorClass, RedisError};

/// What [`WaitReplicas`](crate::WaitReplicas) says where a write is on too few replicas.
pub(crate) const TOO_FEW_REPLICAS: &str = "replicas have the write";

/// The reason where an answer takes too long.
pub(crate) const NO_ANSWER: &str = "Redis did not answer in time";

/// An error in words for logs and `/ready`: a sentence for what operators meet, otherwise what Redis said.
pub fn reason(error: &RedisError) -> String {
    let text = match ErrorClass::of(error) {
        ErrorClass::Unreachable if *error.kind() == ErrorKind::Timeout => NO_ANSWER,
        ErrorClass::Unreachable => return unreachable_reason(error.details()),
        ErrorClass::WrongServer => "Redis is a read-only replica",
        ErrorClass::CannotWrite
            if error.details().contains("OOM") || error.details().contains("used memory") =>
        {
            "Redis is out of memory (maxmemory) and refuses writes"
        }
        ErrorClass::CannotWrite if error.details().contains(TOO_FEW_REPLICAS) => {
            return format!("{} (REDIS_WAIT_REPLICAS)", error.details().trim_start_matches("NOREPLICAS "));
        }
        ErrorClass::CannotWrite if error.details().contains("NOREPLICAS") => {
            "Redis has fewer replicas than min-replicas-to-write and refuses writes"
        }
        ErrorClass::CannotWrite => "Redis cannot save to its disk and refuses writes (MISCONF)",
        ErrorClass::Cluster if error.details().contains("CROSSSLOT") => error.details(),
        ErrorClass::Cluster => {
            "Redis is a node of a Redis Cluster; REDIS_URL must begin with redis-cluster://"
        }
        ErrorClass::Unauthenticated if error.details().starts_with("DENIED") => {
            "Redis is in protected mode and accepts local connections only"
        }
        ErrorClass::Unauthenticated => {
            let code = error.details().split_whitespace().next().unwrap_or_default();
            return format!("Redis refused the user name or the password ({code})");
        }
        ErrorClass::Busy if error.details().contains("LOADING") => "Redis is loading its data",
        ErrorClass::Busy if error.details().contains("CLUSTERDOWN") => {
            "the Redis Cluster is down for some of its keys, or for all"
        }
        ErrorClass::Invalid if error.details().contains("cluster support disabled") => {
            "Redis is no node of a Redis Cluster; use redis://"
        }
        ErrorClass::Invalid if error.details().starts_with("ERR unknown command") => {
            // Its name is in quotes of one kind or the other.
            let name = error.details().split(['`', '\'']).nth(1).unwrap_or_default();
            return format!("Redis does not know {name}: it is too old for that, or the command was renamed");
        }
        ErrorClass::Busy if error.details().contains("BUSY") => "Redis is busy with a script",
        ErrorClass::Busy | ErrorClass::Forbidden | ErrorClass::Invalid => without_script(error.details()),
    };
    text.to_owned()
}

/// An error without what Redis 7 adds where it came from a script: the script's hash, and `on @user_script`.
fn without_script(details: &str) -> &str {
    match details.rsplit_once(" script: ") {
        Some((text, rest)) if rest.contains("@user_script") => text,
        _ => details,
    }
}

/// As [`reason`], with the server where nothing was heard from it.
pub(crate) fn reason_at(server: &dyn Display, error: &RedisError) -> String {
    match ErrorClass::of(error) {
        ErrorClass::Unreachable if *error.kind() != ErrorKind::Timeout => {
            format!("Redis at {server}: {}", reason(error))
        }
        _ => reason(error),
    }
}

/// What may be wrong where a first attempt fails. A server without TLS waits for more when it is greeted with TLS, and one
/// with TLS closes the connection when it is greeted without.
pub(crate) fn hint(uses_tls: bool, error: &RedisError) -> &'static str {
    match error.kind() {
        ErrorKind::Timeout if uses_tls => "; rediss:// needs a port that speaks TLS",
        ErrorKind::IO | ErrorKind::Canceled if !uses_tls && is_closed(error.details()) => {
            "; a port that speaks TLS needs rediss://"
        }
        _ => "",
    }
}

/// The ways in which fred and the operating system say that a connection ended. Reset or closed is the server's choice and
/// means the same, so for the operator it is one reason.
fn is_closed(details: &str) -> bool {
    let details = details.to_lowercase();
    let ways = ["reset", "end of file", "eof", "closed", "canceled", "failed write attempts"];
    ways.iter().any(|way| details.contains(way))
}

/// fred keeps the operating system's error as `Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }`.
fn unreachable_reason(details: &str) -> String {
    if let Some((_, words)) = TLS.iter().find(|(name, _)| details.contains(name)) {
        return (*words).to_owned();
    }
    if is_closed(details) {
        return "the connection was closed".to_owned();
    }
    for (start, end) in [("message: \"", "\""), ("error: \"", "\""), ("error: ", " }")] {
        let message = details.split_once(start).and_then(|(_, rest)| rest.split_once(end));
        if let Some((message, _)) = message {
            let mut letters = message.chars();
            return letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect();
        }
    }
    details.trim_end_matches('.').to_lowercase()
}

/// What rustls' names of errors mean for the operator.
const TLS: [(&str, &str); 9] = [
    ("InvalidContentType", "it does not speak TLS; use redis:// instead of rediss://"),
    (
        "UnknownIssuer",
        "its certificate is signed by nobody who is trusted; REDIS_TLS_CA may name the authority",
    ),
    (
        "CaUsedAsEndEntity",
        "its certificate is signed by nobody who is trusted; REDIS_TLS_CA may name the certificate",
    ),
    ("NotValidForName", "its certificate is for another host name"),
    ("Expired", "its certificate has expired"),
    ("NotValidYet", "its certificate is not valid yet"),
    ("CertificateRequired", "it asks for a client certificate; set REDIS_TLS_CERT and REDIS_TLS_KEY"),
    ("AlertReceived", "it does not accept the client certificate of REDIS_TLS_CERT"),
    ("InvalidCertificate", "its certificate is not valid"),
];
