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

pub use bare::run_bare_loop;
pub use drain::measure_drain;
pub use figures::{Figures, cpu_seconds, redis_cpu_seconds, resident_bytes, print_row};
pub use idle::measure_idle;
pub use instance::start_instance;
pub use outage::measure_outage;
pub use peer::Peer;
pub use socket::{SocketEnd, Socket};
