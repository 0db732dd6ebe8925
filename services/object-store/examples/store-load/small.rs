//! Objects of 1 KiB: requests per second, and CPU per request.

use std::fmt;
use std::time::{Duration, Instant};

use object_store::header::ResponseKind;

use crate::client::{Client, HEADER_FRAME, get, set};
use crate::target::Target;

/// The load: a number of connections, each with a number of requests in flight.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) sets: bool,
    pub(crate) connections: usize,
    pub(crate) pipelined: usize,
    pub(crate) payload: usize,
    pub(crate) time: Duration,
}

/// The result of a load.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) cpu_us: f64,
}

/// Measures each server in turn, three times, and prints the medians.
pub(crate) fn compare(bare: Target, ours: Target, released: Option<Target>) {
    println!("1 KiB, requests/s (CPU us each)        bare loop          released              ours");
    let limits =
        [(1, 1, ">= 60 % of the bare loop"), (16, 1, ">= 3 x released"), (256, 1, ">= 3 x released")];
    for (connections, pipelined, limit) in limits.into_iter().chain([(1, 32, ">= 10 x released")]) {
        for sets in [false, true] {
            let time = Duration::from_millis(700);
            let load = Load { sets, connections, pipelined, payload: 1024, time };
            let mut rounds = [vec![], vec![], vec![]];
            for _ in 0..3 {
                for (rates, target) in rounds.iter_mut().zip([Some(bare), released, Some(ours)]) {
                    rates.extend(target.map(|target| load.run(target)));
                }
            }
            let [bare, released, ours] = rounds.map(median);
            let name =
                format!("{}, {connections} connection(s) x {pipelined}", if sets { "set" } else { "get" });
            println!(
                "  {name:26} {bare} {released} {ours}   {:3.0} % of bare, {:4.1} x released   ({limit}; CPU <= 10)",
                ours.per_second / bare.per_second * 100.0,
                ours.per_second / released.per_second
            );
        }
    }
}

fn median(mut rates: Vec<Rate>) -> Rate {
    rates.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rates.get(rates.len() / 2).copied().unwrap_or(Rate { per_second: f64::NAN, cpu_us: f64::NAN })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.0} ({:5.1})", self.per_second, self.cpu_us)
    }
}

impl Load {
    /// Each connection has an object of its own. Its responses are read and its next requests sent in turn, so all have requests
    /// in flight.
    pub(crate) fn run(self, target: Target) -> Rate {
        let mut payload = vec![7; self.payload];
        let mut clients: Vec<_> = (0..self.connections as u64)
            .map(|id| {
                let mut client = Client::connect(target.port, &format!("load-{id}"));
                client.set(id, &payload);
                let one = if self.sets { set(id, &payload) } else { get(id) };
                (client, one.repeat(self.pipelined))
            })
            .collect();
        let mut contents = 0_u64;
        let mut renew = |requests: &mut Vec<u8>| {
            // Known contents are stored faster, so every content is new.
            let length = requests.len() / self.pipelined;
            for request in requests.chunks_mut(length).filter(|_| self.sets) {
                contents += 1;
                payload[..8].copy_from_slice(&contents.to_le_bytes());
                request[HEADER_FRAME + 8..HEADER_FRAME + 16].copy_from_slice(&payload[..8]);
            }
        };
        let (kind, payload_len) =
            if self.sets { (ResponseKind::Set, 0) } else { (ResponseKind::Got, self.payload) };
        let (began, cpu, mut rounds) = (Instant::now(), target.cpu_seconds(), 0);
        for (client, requests) in &mut clients {
            renew(requests);
            client.send(requests);
        }
        while began.elapsed() < self.time {
            for (client, requests) in &mut clients {
                client.receive(self.pipelined, kind, payload_len);
                renew(requests);
                client.send(requests);
            }
            rounds += 1;
        }
        let requests = (rounds * self.connections * self.pipelined) as f64;
        let rate = Rate {
            per_second: requests / began.elapsed().as_secs_f64(),
            cpu_us: (target.cpu_seconds() - cpu) / requests * 1e6,
        };
        for (client, _) in &mut clients {
            client.receive(self.pipelined, kind, payload_len);
        }
        rate
    }
}
