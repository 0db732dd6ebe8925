//! For benches of services that push to browsers: viewers without a library in between, a bare loop of sockets as the
//! limit of what a machine can do, peers, and figures.

mod bare;
mod drain;
mod figures;
mod idle;
mod instance;
mod outage;
mod peer;
mod socket;

pub use bare::bare_loop;
pub use drain::drain;
pub use figures::{Figures, cpu_seconds, redis_cpu_seconds, resident_bytes, row};
pub use idle::idle;
pub use instance::instance;
pub use outage::outage;
pub use peer::Peer;
pub use socket::{End, Socket};
