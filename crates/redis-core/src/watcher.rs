//! Watches the connections of a client: what fred says of them, and whether Redis answers on each.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fred::bytes_utils::Str;
use fred::clients::{Client, SubscriberClient};
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, EventInterface, KeysInterface, PubsubInterface};
use fred::types::config::Config;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};

use crate::builder::once;
use crate::error::{ErrorClass, RETRY_INTERVAL_MS, RedisError, hint, reason_at};
use crate::state::{Source, StateBoard};
use crate::{Key, RedisConfig};

/// Time between two questions. A server with `timeout 3` would close a connection that is idle for longer.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(2);
/// The same where there was no answer.
const PING_RETRY_INTERVAL: Duration = Duration::from_millis(RETRY_INTERVAL_MS);
/// An answer that takes longer turns the state to an error.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// A client with one connection.
pub(crate) trait Watched: ClientLike + EventInterface + Clone + 'static {
    /// Asks for a sign of life, and where the connection is for commands, whether the server would write.
    fn ask(&self, patience: Duration) -> impl Future<Output = Result<(), RedisError>> + Send;
}

impl Watched for Client {
    /// Deletes a key that never exists: a replica refuses it, and a primary does nothing.
    async fn ask(&self, patience: Duration) -> Result<(), RedisError> {
        self.with_options(&once(PING_TIMEOUT + patience))
            .unlink::<(), _>(Key::ConnectionCheck.to_string())
            .await
    }
}

impl Watched for SubscriberClient {
    async fn ask(&self, patience: Duration) -> Result<(), RedisError> {
        self.with_options(&once(PING_TIMEOUT + patience)).ping::<()>(None).await
    }
}

/// Follows what fred says of each connection.
pub(crate) fn follow_events<C: Watched>(
    connections: &[C],
    config: &RedisConfig,
    fred: &Config,
    board: &StateBoard,
) {
    let uses_tls = fred.uses_tls();
    // A single server has the name of the settings, as elsewhere: two names would be two reasons.
    let is_single = fred.server.is_centralized();
    for (number, connection) in connections.iter().enumerate() {
        let (mut errors, mut connects) = (connection.error_rx(), connection.reconnect_rx());
        let (board, server) = (board.clone(), config.to_string());
        tokio::spawn(async move {
            let mut was_connected = false;
            loop {
                let finding = tokio::select! {
                    event = connects.recv() => match event {
                        Err(RecvError::Closed) => return,
                        _ => {
                            was_connected = true;
                            Ok(None)
                        }
                    },
                    event = errors.recv() => match event {
                        Ok((error, at)) => {
                            let at = at.filter(|_| !is_single);
                            let server = at.map_or_else(|| server.clone(), |at| at.to_string());
                            let hint = if was_connected { "" } else { hint(uses_tls, &error) };
                            Err(reason_at(&server, &error) + hint)
                        }
                        Err(RecvError::Lagged(_)) => continue,
                        Err(RecvError::Closed) => return,
                    },
                };
                board.set(Source::Connection(number), finding);
            }
        });
    }
}

/// Subscribes again after each reconnect, and every two seconds, which changes nothing where it is subscribed already.
///
/// fred's own `manage_subscriptions` subscribes once. But no call of fred waits for the answer of a SUBSCRIBE, so nobody
/// learns that a user may not, or that Redis was loading its data.
pub(crate) fn resubscribe(client: &SubscriberClient) {
    let (client, mut connects) = (client.clone(), client.reconnect_rx());
    tokio::spawn(async move {
        while !matches!(timeout(PING_INTERVAL, connects.recv()).await, Ok(Err(RecvError::Closed))) {
            let names = |names: BTreeSet<Str>| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            let (channels, patterns) = (names(client.tracked_channels()), names(client.tracked_patterns()));
            // Without arguments these would be errors.
            if !channels.is_empty() {
                let _ = client.subscribe(channels).await;
            }
            if !patterns.is_empty() {
                let _ = client.psubscribe(patterns).await;
            }
        }
    });
}

/// Asks each connection for a sign of life, until nobody looks at the state any more. Where a command may block, the answer
/// may come that much later.
///
/// A node of a Cluster says MOVED where it has not the slot of the key, and that is an answer too.
pub(crate) fn ping<C: Watched>(
    connections: &[C],
    config: &RedisConfig,
    board: &StateBoard,
    blocking: Duration,
) {
    let is_cluster_node = config.is_cluster_node();
    for (number, connection) in connections.iter().enumerate() {
        let (connection, board, server) = (connection.clone(), board.clone(), config.to_string());
        tokio::spawn(async move {
            let mut pause = Duration::ZERO;
            while !board.is_closed() {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = board.trouble() => {}
                }
                let asked = Instant::now();
                let error = match connection.ask(blocking).await {
                    Ok(()) => None,
                    // Not every user may; whether the service may do its work is checked elsewhere.
                    Err(error) if ErrorClass::of(&error) == ErrorClass::Forbidden => None,
                    Err(error) if is_cluster_node && ErrorClass::of(&error) == ErrorClass::Cluster => None,
                    Err(error) => Some(error),
                };
                let finding = error.as_ref().map_or(Ok(None), |error| Err(reason_at(&server, error)));
                board.set(Source::Ping(number), finding);
                pause = match &error {
                    None => PING_INTERVAL,
                    Some(error) if needs_another_connection(error) => {
                        let _ = connection.force_reconnection().await;
                        // At once, where it took that long to find that there is no answer.
                        PING_INTERVAL.saturating_sub(asked.elapsed())
                    }
                    // A connection that was just made is known to be good a moment later.
                    Some(_) => PING_RETRY_INTERVAL,
                };
            }
        });
    }
}

/// Whether only a new connection can help. fred itself connects again where a connection ended, but not:
///
/// - behind a managed failover, which leaves old connections open on the old primary;
/// - where a NAT or a firewall has forgotten the connection, so that nothing comes back.
fn needs_another_connection(error: &RedisError) -> bool {
    ErrorClass::of(error) == ErrorClass::WrongServer || *error.kind() == ErrorKind::Timeout
}
