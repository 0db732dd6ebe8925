//! How connections are made: their time limits and what the kernel does for them.

use std::time::Duration;

use fred::types::config::{Config, Options, ReconnectPolicy, TcpConfig};
use fred::types::{Builder, RespVersion};
use fred_socket2::TcpKeepalive;

/// A command that is not answered within this time has failed, and its connection counts as lost.
pub(crate) const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// A question about the server itself that is not answered within this time is asked of another.
pub(crate) const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);

/// The capacity for a client's events about itself, where nobody subscribes: fred takes the memory for all of them at once.
pub(crate) const NO_EVENTS: usize = 32;

/// For connections whose commands wait while there is none.
pub(crate) fn background(config: &Config, command_timeout: Duration, event_capacity: usize) -> Builder {
    builder(Config { fail_fast: false, ..config.clone() }, command_timeout, event_capacity)
}

/// RESP3, in which a connection that has subscribed may still be asked for a sign of life.
pub(crate) fn subscribing(config: &Config, event_capacity: usize) -> Builder {
    let config = Config { fail_fast: false, version: RespVersion::RESP3, ..config.clone() };
    builder(config, COMMAND_TIMEOUT, event_capacity)
}

/// A client of this builder connects again whenever its connection is lost.
pub(crate) fn forever(mut builder: Builder) -> Builder {
    let mut policy = ReconnectPolicy::new_exponential(0, 50, 500, 2);
    policy.set_jitter(50);
    builder.set_policy(policy);
    builder
}

/// For connections that are made once.
pub(crate) fn builder(config: Config, command_timeout: Duration, event_capacity: usize) -> Builder {
    let mut builder = Builder::from_config(config);
    builder
        .with_performance_config(|performance| {
            performance.default_command_timeout = command_timeout;
            performance.broadcast_channel_capacity = event_capacity;
        })
        .with_connection_config(|connection| {
            connection.connection_timeout = COMMAND_TIMEOUT;
            connection.internal_command_timeout = COMMAND_TIMEOUT;
            // A password that is wrong today may be right tomorrow: nothing is given up for good.
            connection.reconnect_on_auth_error = true;
            // A server that accepts commands and never answers counts as lost.
            connection.unresponsive.max_timeout = Some(command_timeout);
            connection.unresponsive.interval = Duration::from_secs(1);
            connection.tcp = tcp();
        });
    builder
}

/// For a command that is sent once, on the connection that there is, and then answered within this time or has failed.
pub(crate) fn once(timeout: Duration) -> Options {
    Options { max_attempts: Some(1), fail_fast: true, timeout: Some(timeout), ..Options::default() }
}

/// The kernel finds a peer that vanished without a word: after 9 s on an idle connection, after 10 s with data under way.
fn tcp() -> TcpConfig {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(3))
        .with_interval(Duration::from_secs(2))
        .with_retries(3);
    TcpConfig {
        nodelay: Some(true),
        keepalive: Some(keepalive),
        user_timeout: Some(Duration::from_secs(10)),
        ..TcpConfig::default()
    }
}
