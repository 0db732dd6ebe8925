//! Measures a running object-store and compares it with a bare loop that sends and receives the same frames and does nothing
//! else, with the released server, and with redis-benchmark. `scripts/bench.sh object-store` starts what it needs.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]

mod bare;
mod client;
mod floor;
mod large;
mod redis;
mod resident;
mod small;
mod spill;
mod target;
mod wake;

use clap::{Parser, Subcommand};
use target::Target;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// Run the bare loop on this port
    Bare { port: u16 },
    /// Compare the bare loop, our memory backend and, if given, the released server; each as PORT,PID
    Memory { bare: Target, ours: Target, released: Option<Target> },
    /// Measure the resident memory of an empty server, given as PORT,PID
    Resident { target: Target },
    /// Measure two nodes on one Redis, and compare a hot object with a node in memory
    Redis { one: Target, two: Target, memory: Target, redis: Target },
    /// Say what a set in Redis through another process costs at least
    Floor { bare: Target, redis: Target },
    /// Compare hot objects of a node that spills with those of one that does not
    Spill { spilling: Target, plain: Target },
    /// Compare a node that waits for a replica with one that does not
    Wait { without: Target, with: Target },
}

fn main() {
    match Arguments::parse().measurement {
        Measurement::Bare { port } => bare::serve(port),
        Measurement::Memory { bare, ours, released } => {
            small::compare(bare, ours, released);
            large::compare(bare, ours, released);
            for (name, target) in [("ours", Some(ours)), ("released", released)] {
                if let Some(target) = target {
                    wake::measure(name, target, target, "200 us");
                }
            }
        }
        Measurement::Resident { target } => resident::measure(target),
        Measurement::Wait { without, with } => redis::wait(without, with),
        Measurement::Spill { spilling, plain } => spill::measure(spilling, plain),
        Measurement::Floor { bare, redis } => floor::measure(bare, redis),
        Measurement::Redis { one, two, memory, redis } => {
            redis::compare(one, redis);
            redis::hot(one, memory);
            wake::measure("two nodes", one, two, "2 ms");
        }
    }
}
