//! How long after a set was acknowledged the requests that waited for its object are answered.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use object_store::ObjectId;
use object_store::header::ResponseKind;

use crate::bare::push_response;
use crate::client::{Client, get, response_length};
use crate::target::Target;

const WAITING: u64 = 10_000;
const PAYLOAD: usize = 8;
/// Bytes that the bare loop writes at a time.
const WRITE: usize = 64 << 10;

/// Measures gets that wait on one node, for sets on another, which may be the same.
pub(crate) fn measure(name: &str, waiting: Target, storing: Target, limit: &str) {
    println!("{WAITING} waiting gets, answered after the set is acknowledged: {name}   (p99 <= {limit})");
    let mut setter = Client::connect(storing.port, "storing");
    let one = ("of one object", 1, Duration::ZERO);
    for (what, ids, interval) in [
        ("of as many objects, 2,000 sets/s", WAITING, Duration::from_micros(500)),
        ("of as many objects, sets at full speed", WAITING, Duration::ZERO),
        one,
        one,
        one,
        one,
        one,
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
        print(what, responses, |id| set[(id - first) as usize]);
        for n in 0..ids {
            setter.send(&crate::client::delete(first + n));
            setter.receive(1, ResponseKind::Deleted, 0);
        }
    }
    bare();
}

/// What writing and reading the responses to gets of one object takes by itself: they are encoded before.
fn bare() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let reading = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut writing, _) = listener.accept().unwrap();
    let (id, mut responses) = (ObjectId::from([0xbe; 32]), Vec::new());
    for n in 0..WAITING {
        push_response(&mut responses, &id, PAYLOAD, n, ResponseKind::Got);
        responses.extend_from_slice(&(PAYLOAD as u64).to_le_bytes());
        responses.extend_from_slice(&[7; PAYLOAD]);
    }
    let received = receive(reading);
    let began = Instant::now();
    responses.chunks(WRITE).for_each(|part| writing.write_all(part).unwrap());
    print("of one object, bare: encoded before", received, |_| began);
}

/// Prints how long after `since` the responses were received.
fn print(what: &str, responses: JoinHandle<Vec<(u64, Instant)>>, since: impl Fn(u64) -> Instant) {
    let received = responses.join().unwrap();
    let mut delays: Vec<_> =
        received.into_iter().map(|(id, received)| received.saturating_duration_since(since(id))).collect();
    delays.sort_unstable();
    let percentile = |percent: usize| delays[(delays.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    println!(
        "  {what:42} p50 {:6.0} us   p99 {:6.0} us   last {:6.0} us",
        percentile(50),
        percentile(99),
        percentile(100)
    );
}

/// Sends gets and waits until all of them wait. The thread returns the object and the time of every response.
fn wait(target: Target, requests: &[u8]) -> JoinHandle<Vec<(u64, Instant)>> {
    let mut client = Client::connect(target.port, "waiting");
    client.send(requests);
    let mut other = Client::connect(target.port, "counting");
    while other.waiting() < WAITING {
        sleep(Duration::from_millis(10));
    }
    receive(client.stream)
}

/// Receives the responses in a thread, which returns the id of the request and the time of each.
fn receive(stream: TcpStream) -> JoinHandle<Vec<(u64, Instant)>> {
    spawn(move || {
        let mut reader = BufReader::with_capacity(64 << 10, stream);
        let mut response = vec![0; response_length(PAYLOAD)];
        let received = (0..WAITING).map(|_| {
            reader.read_exact(&mut response).unwrap();
            // The id of the request is the number of the object.
            (u64::from_le_bytes(*response[8 + 24..].first_chunk().unwrap()), Instant::now())
        });
        received.collect()
    })
}
