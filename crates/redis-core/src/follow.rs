//! Follows the primary to another server, before the old one refuses anything.
//!
//! With Sentinel: a planned failover leaves the old primary taking writes for seconds after another was chosen, and those
//! writes are lost. So every sentinel is asked, twice a second and at each of its events, which server is the primary, and
//! the connections are made anew as soon as one names another.
//!
//! With a host name: the connections are made anew when the name has led to other addresses for some seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{Config, ReconnectPolicy, Server, ServerConfig};
use fred::types::{Builder, CustomCommand, RespVersion};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::watcher::Watched;

/// Time between two questions to a sentinel.
const SENTINEL_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two look-ups of a host name.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(1);
/// Look-ups in a row that must agree on new addresses: some names answer with other addresses each time.
const RESOLVE_AGREEMENT: u32 = 3;

/// Starts to follow the server that these connections should lead to.
pub(crate) fn start<C: Watched>(config: &Config, connections: &[C]) {
    match &config.server {
        ServerConfig::Sentinel { hosts, .. } => {
            for host in hosts {
                tokio::spawn(follow_sentinel(config.clone(), host.clone(), connections.to_vec()));
            }
        }
        ServerConfig::Centralized { server } if server.host.parse::<std::net::IpAddr>().is_err() => {
            tokio::spawn(follow_name(server.clone(), connections.to_vec()));
        }
        _ => {}
    }
}

async fn follow_sentinel<C: Watched>(config: Config, host: Server, connections: Vec<C>) {
    let ServerConfig::Sentinel { service_name, username, password, .. } = config.server.clone() else {
        return;
    };
    let sentinel = Config {
        server: ServerConfig::Centralized { server: host },
        username,
        password,
        database: None,
        fail_fast: false,
        version: RespVersion::RESP3,
        ..config
    };
    let mut builder = Builder::from_config(sentinel);
    builder.set_policy(ReconnectPolicy::new_constant(0, 1_000));
    builder
        .with_performance_config(|performance| performance.default_command_timeout = Duration::from_secs(2));
    // The configuration has been used for the other connections: it is valid.
    let Ok(sentinel) = builder.build_subscriber_client() else { return };
    let _subscriptions = sentinel.manage_subscriptions();
    let mut events = sentinel.message_rx();
    sentinel.connect();
    let subscribe = sentinel.clone();
    tokio::spawn(async move {
        let _ = subscribe.wait_for_connect().await;
        let _ = subscribe.psubscribe("+*").await;
    });
    let mut ticks = interval(SENTINEL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // What the event says does not matter: it is a reason to ask at once. A lag is one too.
            _ = events.recv() => {}
        }
        let ask = CustomCommand::new_static("SENTINEL", None, false);
        let args = vec!["GET-MASTER-ADDR-BY-NAME", service_name.as_str()];
        if let Ok(Some((host, port))) = sentinel.custom::<Option<(String, u16)>, _>(ask, args).await {
            let primary = Server::new(host, port);
            for connection in &connections {
                reconnect_if_elsewhere(connection, &primary).await;
            }
        }
    }
}

/// Makes a connection anew if it leads to another server than the primary.
async fn reconnect_if_elsewhere<C: Watched>(connection: &C, primary: &Server) {
    let elsewhere = |server: &Server| (&server.host, server.port) != (&primary.host, primary.port);
    let servers = connection.active_connections();
    if !servers.is_empty() && servers.iter().all(elsewhere) {
        tracing::info!(%primary, "a sentinel names another primary, {primary}: connecting to it");
        let _ = timeout(Duration::from_secs(2), connection.force_reconnection()).await;
    }
}

async fn follow_name<C: Watched>(server: Server, connections: Vec<C>) {
    let mut addresses = Addresses::default();
    let mut ticks = interval(RESOLVE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(found) = tokio::net::lookup_host((&*server.host, server.port)).await else { continue };
        if addresses.moved(found.map(|address| address.ip()).collect()) {
            for connection in &connections {
                let _ = timeout(Duration::from_secs(2), connection.force_reconnection()).await;
            }
        }
    }
}

/// The addresses that a host name leads to.
#[derive(Default)]
struct Addresses {
    used: BTreeSet<std::net::IpAddr>,
    candidate: BTreeSet<std::net::IpAddr>,
    agreed: u32,
}

impl Addresses {
    /// Takes the result of a look-up. True if the name has moved: enough look-ups in a row agree on addresses of which none
    /// is in use.
    fn moved(&mut self, found: BTreeSet<std::net::IpAddr>) -> bool {
        if self.used.is_empty() || !self.used.is_disjoint(&found) {
            self.used.extend(found);
            self.agreed = 0;
            return false;
        }
        self.agreed = if found == self.candidate { self.agreed + 1 } else { 1 };
        self.candidate = found;
        if self.agreed < RESOLVE_AGREEMENT {
            return false;
        }
        self.agreed = 0;
        self.used = std::mem::take(&mut self.candidate);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(addresses: &[&str]) -> BTreeSet<std::net::IpAddr> {
        addresses.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_has_moved_when_three_lookups_agree_on_other_addresses() {
        let mut addresses = Addresses::default();
        let (old, new) = (set(&["192.0.2.1"]), set(&["192.0.2.2"]));
        assert!(!addresses.moved(old.clone()));
        assert!(!addresses.moved(new.clone()));
        assert!(!addresses.moved(old.clone()), "it is back");
        assert!(!addresses.moved(new.clone()));
        assert!(!addresses.moved(new.clone()));
        assert!(addresses.moved(new.clone()));
        assert!(!addresses.moved(new));
    }

    #[test]
    fn a_name_with_other_addresses_each_time_has_not_moved() {
        let mut addresses = Addresses::default();
        for last in (1..100).map(|number| format!("192.0.2.{number}")) {
            assert!(!addresses.moved(set(&[&last])));
        }
    }
}
