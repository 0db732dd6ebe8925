//! How long after a set was acknowledged the requests that waited for its object are answered.

use std::io::{BufReader, Read};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use object_store::header::ResponseKind;

use crate::client::{Client, get, response_length};
use crate::target::Target;

const WAITING: u64 = 10_000;
const PAYLOAD: usize = 8;

/// Measures gets that wait on one node, for sets on another, which may be the same.
pub(crate) fn measure(name: &str, waiting: Target, storing: Target, limit: &str) {
    println!("{WAITING} waiting gets, answered after the set is acknowledged: {name}   (p99 <= {limit})");
    let mut setter = Client::connect(storing.port, "storing");
    for (what, ids, interval) in [
        ("of as many objects, 2,000 sets/s", WAITING, Duration::from_micros(500)),
        ("of as many objects, sets at full speed", WAITING, Duration::ZERO),
        ("of one object", 1, Duration::ZERO),
    ] {
        let first = 1 << 32;
        let requests: Vec<u8> = (0..WAITING).flat_map(|n| get(first + n % ids)).collect();
        let responses = wait(waiting, &requests);
        let mut set = Vec::new();
        for n in 0..ids {
            let began = Instant::now();
            setter.set(first + n, &n.to_le_bytes());
            set.push(Instant::now());
            sleep(interval.saturating_sub(began.elapsed()));
        }
        let mut delays: Vec<_> = responses
            .join()
            .unwrap()
            .into_iter()
            .map(|(id, received)| received.saturating_duration_since(set[(id - first) as usize]))
            .collect();
        delays.sort_unstable();
        let percentile = |percent: usize| delays[(delays.len() - 1) * percent / 100].as_secs_f64() * 1e6;
        println!(
            "  {what:42} p50 {:6.0} us   p99 {:6.0} us   last {:6.0} us",
            percentile(50),
            percentile(99),
            percentile(100)
        );
        for n in 0..ids {
            setter.send(&crate::client::delete(first + n));
            setter.receive(1, ResponseKind::Deleted, 0);
        }
    }
}

/// Sends gets and waits until all of them wait. The thread returns the object and the time of every response.
fn wait(target: Target, requests: &[u8]) -> JoinHandle<Vec<(u64, Instant)>> {
    let mut client = Client::connect(target.port, "waiting");
    client.send(requests);
    let mut other = Client::connect(target.port, "counting");
    while other.waiting() < WAITING {
        sleep(Duration::from_millis(10));
    }
    spawn(move || {
        let mut reader = BufReader::with_capacity(64 << 10, client.stream);
        let mut response = vec![0; response_length(PAYLOAD)];
        let received = (0..WAITING).map(|_| {
            reader.read_exact(&mut response).unwrap();
            // The id of the request is the number of the object.
            (u64::from_le_bytes(*response[8 + 24..].first_chunk().unwrap()), Instant::now())
        });
        received.collect()
    })
}
