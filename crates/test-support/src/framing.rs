//! Whether a server of WebSockets does what RFC 6455 says, in the manner of the Autobahn cases.

mod case;
mod cases;
mod peer;

use tokio::task::JoinSet;

use case::Case;

/// Cases that run at the same time, each on its own connection.
const CONCURRENCY: usize = 32;

/// Runs all cases against `ws://127.0.0.1:PORT/PATH`, each of them in one write, and byte by byte where it is short. The server
/// may send messages of its own. It must accept messages of `max_message_size` bytes and refuse larger ones.
///
/// # Panics
/// If the server does anything else than the RFC wants, with a list of all these cases.
pub async fn run(port: u16, path: &str, max_message_size: usize) {
    let (mut running, mut failures, mut count) = (JoinSet::new(), Vec::new(), 0);
    for case in cases::all(max_message_size) {
        for segment in case.segment_sizes() {
            if running.len() >= CONCURRENCY {
                failures.extend(running.join_next().await.and_then(finish));
            }
            let (case, path) = (case.clone(), path.to_owned());
            running.spawn(async move { (peer::play(port, &path, &case, segment).await, case.name, segment) });
            count += 1;
        }
    }
    while let Some(result) = running.join_next().await {
        failures.extend(finish(result));
    }
    println!("framing: {count} cases, {} failed", failures.len());
    assert!(failures.is_empty(), "{} of {count} cases:\n{}", failures.len(), failures.join("\n"));
}

type Outcome = (Result<(), String>, String, usize);

fn finish(result: Result<Outcome, tokio::task::JoinError>) -> Option<String> {
    match result {
        Ok((Ok(()), ..)) => None,
        Ok((Err(problem), name, segment)) => Some(format!("{name} (in parts of {segment}): {problem}")),
        Err(error) => Some(error.to_string()),
    }
}

impl Case {
    fn segment_sizes(&self) -> Vec<usize> {
        if self.bytes.len() <= 300 { vec![usize::MAX, 1] } else { vec![usize::MAX, 1000] }
    }
}
