//! Measures a running object-store beside its limits: a bare loop that sends and receives the same frames and does nothing
//! else, the released server, and redis-benchmark. `scripts/bench.sh object-store` starts what it needs.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

mod bare;
mod client;
mod large;
mod redis;
mod resident;
mod small;
mod target;
mod wake;

use clap::{Parser, Subcommand};
use target::Target;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Serves the bare loop on this port
    Bare { port: u16 },
    /// Compares memory backends: the bare loop, ours, and the released server if it is there; each as PORT,PID
    Memory { bare: Target, ours: Target, released: Option<Target> },
    /// Resident memory of an empty server that is PORT,PID
    Resident { target: Target },
    /// Two nodes on one Redis, and a node in memory to compare a hot object with
    Redis { one: Target, two: Target, memory: Target, redis: Target },
}

fn main() {
    match Arguments::parse().what {
        What::Bare { port } => bare::serve(port),
        What::Memory { bare, ours, released } => {
            small::compare(bare, ours, released);
            large::compare(bare, ours, released);
            for (name, target) in [("ours", Some(ours)), ("released", released)] {
                if let Some(target) = target {
                    wake::measure(name, target, target, "200 us");
                }
            }
        }
        What::Resident { target } => resident::measure(target),
        What::Redis { one, two, memory, redis } => {
            redis::compare(one, redis);
            redis::hot(one, memory);
            wake::measure("two nodes", one, two, "2 ms");
        }
    }
}
