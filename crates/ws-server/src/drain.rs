//! Closes all clients when the server stops.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::connection::Connection;
use crate::context::ServerContext;
use crate::ping_wheel::PingWheels;

/// The part of the drain time over which the closes are spread.
const SPREAD: f64 = 0.7;

/// Closes every client, one after another over most of the drain time, and waits until they have disconnected. Aborts
/// those that are left when the time is over.
pub(crate) async fn drain(context: &ServerContext, wheels: &PingWheels, time: Duration) {
    context.is_draining.store(true, Ordering::SeqCst);
    let begin = Instant::now();
    let (end, spread) = (begin + time, time.mul_f64(SPREAD));
    let connections = wheels.connections();
    for (index, connection) in connections.iter().enumerate() {
        sleep_until(begin + spread.mul_f64(index as f64 / connections.len() as f64)).await;
        if let Some(connection) = connection.upgrade() {
            connection.close_for_restart();
        }
    }
    // Connections that were being established, or that a wheel was checking, were not in the list.
    while context.limiter.clients() > 0 && Instant::now() < end {
        for_each(wheels, Connection::close_for_restart);
        sleep(Duration::from_millis(20)).await;
    }
    for_each(wheels, Connection::abort);
}

fn for_each(wheels: &PingWheels, action: impl Fn(&Connection)) {
    wheels
        .connections()
        .iter()
        .filter_map(std::sync::Weak::upgrade)
        .for_each(|connection| action(&connection));
}
