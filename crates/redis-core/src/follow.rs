//! Follows the primary to another server, before the old one refuses anything.
//!
//! With Sentinel: a planned failover leaves the old primary taking writes for seconds after another was chosen, and those
//! writes are lost. So every sentinel is asked, twice a second and at each of its events, which server is the primary, and
//! the connections are made anew as soon as one names the winner of a later election. One that has not heard of it yet is not
//! believed.
//!
//! With a host name: the connections are made anew when the name has led to other addresses for some seconds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fred::clients::SubscriberClient;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{Config, Options, Server, ServerConfig};
use fred::types::{ClientState, CustomCommand};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::builder::{NO_EVENTS, forever, subscribing};
use crate::state::StateBoard;
use crate::watcher::{self, Watched};

/// Time between two questions to a sentinel.
const SENTINEL_INTERVAL: Duration = Duration::from_millis(500);
/// A sentinel that takes longer is asked again.
const SENTINEL_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two look-ups of a host name.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(1);
/// Look-ups in a row that must agree on new addresses: some names answer with other addresses each time.
const RESOLVE_AGREEMENT: u32 = 3;

/// Starts to follow the server that these connections should lead to, for as long as they are used.
pub(crate) fn start<C: Watched>(config: &Config, connections: &[C], board: &StateBoard) {
    let followed =
        Followed { connections: connections.to_vec(), board: board.clone(), primary: Arc::default() };
    match &config.server {
        ServerConfig::Sentinel { hosts, .. } => {
            for host in hosts {
                tokio::spawn(follow_sentinel(config.clone(), host.clone(), followed.clone()));
            }
        }
        ServerConfig::Centralized { server } if server.host.parse::<std::net::IpAddr>().is_err() => {
            tokio::spawn(follow_name(server.clone(), followed));
        }
        _ => {}
    }
}

/// The connections that follow, and the primary that they should lead to.
#[derive(Clone)]
struct Followed<C> {
    connections: Vec<C>,
    board: StateBoard,
    /// With the epoch of its election. A sentinel that has not heard of an election yet names an earlier one.
    primary: Arc<Mutex<Option<(u64, Server)>>>,
}

impl<C: Watched> Followed<C> {
    /// Whether the client was closed and nobody looks at its state.
    fn is_over(&self) -> bool {
        let is_closed = |connection: &C| connection.state() == ClientState::Disconnected;
        self.board.is_closed() && self.connections.iter().all(is_closed)
    }

    /// Takes what a sentinel says, and returns the primary of the latest election.
    fn latest(&self, epoch: u64, primary: Server) -> Server {
        let mut latest = self.primary.lock();
        match &*latest {
            Some((known, primary)) if *known > epoch => primary.clone(),
            _ => latest.insert((epoch, primary)).1.clone(),
        }
    }

    /// Makes each connection anew that leads to another server than the primary.
    async fn lead_to(&self, primary: &Server) {
        let elsewhere = |server: &Server| (&server.host, server.port) != (&primary.host, primary.port);
        for connection in &self.connections {
            let servers = connection.active_connections();
            if !servers.is_empty() && servers.iter().all(elsewhere) {
                tracing::info!(%primary, "a sentinel names another primary, {primary}: connecting to it");
                reconnect(connection).await;
            }
        }
    }
}

pub(crate) async fn reconnect<C: Watched>(connection: &C) {
    let _ = timeout(Duration::from_secs(2), connection.force_reconnection()).await;
}

async fn follow_sentinel<C: Watched>(config: Config, host: Server, followed: Followed<C>) {
    let ServerConfig::Sentinel { service_name, username, password, .. } = config.server.clone() else {
        return;
    };
    let sentinel = Config {
        server: ServerConfig::Centralized { server: host },
        username,
        password,
        database: None,
        ..config
    };
    // The configuration has been used for the other connections: it is valid.
    let Ok(sentinel) = forever(subscribing(&sentinel, NO_EVENTS)).build_subscriber_client() else { return };
    watcher::resubscribe(&sentinel);
    let mut events = sentinel.message_rx();
    sentinel.connect();
    let subscribe = sentinel.clone();
    tokio::spawn(async move {
        let _ = subscribe.wait_for_connect().await;
        let _ = subscribe.psubscribe("+*").await;
    });
    let mut ticks = interval(SENTINEL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !followed.is_over() {
        tokio::select! {
            _ = ticks.tick() => {}
            // What the event says does not matter: it is a reason to ask at once. A lag is one too.
            _ = events.recv() => {}
        }
        if let Some((epoch, primary)) = ask(&sentinel, &service_name).await {
            followed.lead_to(&followed.latest(epoch, primary)).await;
        }
    }
    let _ = sentinel.quit().await;
}

/// The primary that a sentinel names, and the epoch of its election.
async fn ask(sentinel: &SubscriberClient, service: &str) -> Option<(u64, Server)> {
    let once = Options { fail_fast: true, timeout: Some(SENTINEL_TIMEOUT), ..Options::default() };
    let command = CustomCommand::new_static("SENTINEL", None, false);
    let fields: HashMap<String, String> =
        sentinel.with_options(&once).custom(command, vec!["MASTER", service]).await.ok()?;
    let field = |name: &str| fields.get(name);
    Some((
        field("config-epoch")?.parse().ok()?,
        Server::new(field("ip")?.as_str(), field("port")?.parse().ok()?),
    ))
}

async fn follow_name<C: Watched>(server: Server, followed: Followed<C>) {
    let mut addresses = Addresses::default();
    let mut ticks = interval(RESOLVE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !followed.is_over() {
        ticks.tick().await;
        let Ok(found) = tokio::net::lookup_host((&*server.host, server.port)).await else { continue };
        if addresses.moved(found.map(|address| address.ip()).collect()) {
            tracing::info!(%server, "{server} has another address: connecting to it");
            for connection in &followed.connections {
                reconnect(connection).await;
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
