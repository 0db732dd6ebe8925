//! How long after a set was acknowledged those that waited for the object hear of it.

use std::io::{BufReader, Read};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use object_store::header::Outcome;

use crate::client::{Client, answer_length, get};
use crate::target::Target;

const WAITING: u64 = 10_000;
const PAYLOAD: usize = 8;

/// Gets that wait at one node, sets at another, which may be the same.
pub(crate) fn measure(name: &str, waiting: Target, storing: Target, limit: &str) {
    println!("{WAITING} waiting gets, answered after the set is acknowledged: {name}   (p99 <= {limit})");
    let mut setter = Client::connect(storing.port, "storing");
    for (what, ids, pace) in [
        ("of as many objects, 2,000 sets/s", WAITING, Duration::from_micros(500)),
        ("of as many objects, sets at full speed", WAITING, Duration::ZERO),
        ("of one object", 1, Duration::ZERO),
    ] {
        let first = 1 << 32;
        let requests: Vec<u8> = (0..WAITING).flat_map(|n| get(first + n % ids)).collect();
        let answers = wait(waiting, &requests);
        let mut set = Vec::new();
        for n in 0..ids {
            let began = Instant::now();
            setter.set(first + n, &n.to_le_bytes());
            set.push(Instant::now());
            sleep(pace.saturating_sub(began.elapsed()));
        }
        let mut late: Vec<_> = answers
            .join()
            .unwrap()
            .into_iter()
            .map(|(id, heard)| heard.saturating_duration_since(set[(id - first) as usize]))
            .collect();
        late.sort_unstable();
        let at = |share: usize| late[(late.len() - 1) * share / 100].as_secs_f64() * 1e6;
        println!("  {what:42} p50 {:6.0} us   p99 {:6.0} us   last {:6.0} us", at(50), at(99), at(100));
        for n in 0..ids {
            setter.send(&crate::client::delete(first + n));
            setter.hear(1, Outcome::Deleted, 0);
        }
    }
}

/// Sends gets and waits until all of them wait; the thread gives the id and the time of every answer.
fn wait(target: Target, requests: &[u8]) -> JoinHandle<Vec<(u64, Instant)>> {
    let mut client = Client::connect(target.port, "waiting");
    client.send(requests);
    let mut other = Client::connect(target.port, "counting");
    while other.waiting() < WAITING {
        sleep(Duration::from_millis(10));
    }
    spawn(move || {
        let mut reader = BufReader::with_capacity(64 << 10, client.stream);
        let mut answer = vec![0; answer_length(PAYLOAD)];
        let heard = (0..WAITING).map(|_| {
            reader.read_exact(&mut answer).unwrap();
            // The number of the request is the id.
            (u64::from_le_bytes(*answer[8 + 24..].first_chunk().unwrap()), Instant::now())
        });
        heard.collect()
    })
}
