//! For benchmarks of services that push to browsers: viewers that use no WebSocket library, a bare loop that
//! writes to sockets as the limit of what the machine can do, peers in Python, and figures.

mod bare_loop;
mod drain;
mod figures;
mod idle;
mod instance;
mod outage;
mod peer;
mod socket;

pub use bare_loop::run_bare_loop;
pub use drain::measure_drain;
pub use figures::{
    Figures, cpu_seconds, peak_bytes, print_row, redis_cpu_seconds, reset_peak, resident_bytes,
};
pub use idle::measure_idle;
pub use instance::start_instance;
pub use outage::measure_outage;
pub use peer::Peer;
pub use socket::{Socket, SocketEnd};
