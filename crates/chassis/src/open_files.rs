//! The limit of open files: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

use crate::Service;

/// Raises the soft limit to the hard one. Many systems begin with a soft limit of 1024.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => debug!("the limit of open files was {:?} and is {:?}", limit.current, limit.maximum),
            Err(reason) => warn!("raise the limit of open files from {:?}: {reason}", limit.current),
        }
    }
}

/// Logs it when the process cannot open as many connections as its settings allow.
pub(crate) fn compare(service: Service, connections: usize) {
    let Some(files) = getrlimit(Resource::Nofile).current else { return };
    let name = format!("{}MAX_CONNECTIONS", service.prefix);
    if connections as u64 + RESERVE > files {
        warn!(
            "{name} is {connections}, but this process may open {files} files, of which it needs {RESERVE} itself: raise \
             the limit (LimitNOFILE= of systemd, ulimits of Compose, ulimit -n), or lower {name}"
        );
    }
}

/// What a process needs beside the connections of its clients: Redis, listeners, its runtime, probes.
const RESERVE: u64 = 100;
