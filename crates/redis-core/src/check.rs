//! Checks, once a second, that Redis would do what a service needs.
//!
//! A server that is reachable may still refuse work: a replica that was a primary a moment ago, a full disk, a user
//! without a permission. An idle service would not notice, and one that was taken out of the load balancer gets no
//! request by which it could notice the end of the trouble. So it asks, on a connection of its own:
//!
//! ```text
//! MULTI, HSET battery:1:data f v, PUBLISH battery:1:data x, …, DISCARD
//! ```
//!
//! Redis judges each command when it is queued (permissions, READONLY, OOM, MISCONF, LOADING, NOREPLICAS) and runs none.

use std::time::Duration;

use fred::clients::{Client, Pipeline};
use fred::interfaces::ClientLike;
use fred::types::config::Server;
use fred::types::{Builder, ClusterHash, CustomCommand, InfoKind, Value};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::RedisConfig;
use crate::cluster::Redirect;
use crate::error::{ErrorClass, NO_ANSWER, RedisError, reason, reason_at};
use crate::needs::Needs;
use crate::single_connection::SingleConnection;
use crate::state::{Source, State, StateBoard};

/// Time between two checks.
const INTERVAL: Duration = Duration::from_secs(1);
/// A check that takes longer than this has failed.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Time between two looks at the eviction policy.
const EVICTION_INTERVAL: Duration = Duration::from_secs(30);

/// Runs the checks until nobody looks at the state any more. `builder` makes connections like the service's own, but must
/// have no reconnect policy.
pub(crate) async fn run(
    builder: Builder,
    config: RedisConfig,
    user: String,
    needs: Needs,
    board: StateBoard,
) {
    let (server, wait_replicas) = (config.to_string(), config.wait_replicas());
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connected = None;
    let mut eviction_due = Instant::now();
    while !board.is_closed() {
        ticks.tick().await;
        let check = async {
            let connection = match connected.take() {
                Some(connection) => connection,
                // Not one that is made again by itself: there the commands behind a lost MULTI would run.
                None => {
                    let connection = SingleConnection::open(&builder).await?;
                    board.set(Source::Mode, check_mode(&connection.client, &config).await);
                    connection
                }
            };
            let is_cluster_node = config.is_cluster_node();
            let mut refused = refused(&connection.client, &user, &needs, is_cluster_node).await?;
            if refused.is_none() && wait_replicas.is_enabled() {
                let written = wait_replicas.confirm(&connection.client, async { Ok(()) }).await;
                refused = written.err().map(|error| reason(&error));
            }
            Ok::<_, RedisError>((connection, refused))
        };
        match timeout(TIMEOUT, check).await {
            Ok(Ok((connection, refused))) => {
                board.set(Source::Needs, refused.map_or(Ok(None), Err));
                if Instant::now() >= eviction_due {
                    eviction_due = Instant::now() + EVICTION_INTERVAL;
                    let policy = timeout(TIMEOUT, eviction(&connection.client)).await.ok().flatten();
                    board.set(Source::Eviction, Ok(policy));
                }
                connected = Some(connection);
            }
            Ok(Err(error)) => {
                board.set(Source::Needs, Err(reason_at(&server, &error)));
                board.report_trouble();
            }
            Err(_) => board.set(Source::Needs, Err(NO_ANSWER.to_owned())),
        }
    }
}

/// The first need that Redis would refuse now, in words. It is two round trips, however many needs there are.
///
/// # Errors
/// When the connection is of no use any more.
async fn refused(
    client: &Client,
    user: &str,
    needs: &Needs,
    is_cluster_node: bool,
) -> Result<Option<String>, RedisError> {
    // Alone, because without it the commands behind it would run.
    let multi = CustomCommand::new_static("MULTI", None, false);
    match client.custom::<Value, _>(multi, Vec::<String>::new()).await {
        Err(error) if ErrorClass::of(&error) == ErrorClass::Forbidden => {
            return Ok(Some(format!(
                "user {user} may not MULTI, which is how Redis is asked what it would do"
            )));
        }
        queued => queued.map(drop)?,
    }
    let pipeline = client.pipeline();
    for need in needs.iter() {
        queue(&pipeline, &need.command).await?;
    }
    queue(&pipeline, &["DISCARD".to_owned()]).await?;
    let mut replies = pipeline.try_all::<Value>().await.into_iter();
    let mut refused = None;
    for (need, reply) in needs.iter().zip(replies.by_ref()) {
        let Err(error) = reply else { continue };
        match ErrorClass::of(&error) {
            // Only a new connection can lead to the right server.
            ErrorClass::Unreachable | ErrorClass::WrongServer => return Err(error),
            ErrorClass::Forbidden => {
                refused.get_or_insert(format!("user {user} may not {}", need.words));
            }
            // The user may: that is judged first. The rest is up to the node that has the key.
            ErrorClass::Cluster if is_cluster_node && is_redirection(&error) => {}
            _ => {
                refused.get_or_insert(reason(&error));
            }
        }
    }
    replies.next().transpose()?;
    Ok(refused)
}

fn is_redirection(error: &RedisError) -> bool {
    Redirect::of(error, &Server::new("", 0)).is_some()
}

/// Whether the server is what the settings say: one Redis, or a node of a Cluster.
async fn check_mode(client: &Client, config: &RedisConfig) -> State {
    let info: String = client.info(Some(InfoKind::Server)).await.unwrap_or_default();
    if info.contains("redis_mode:cluster") && !config.is_cluster_node() {
        let (scheme, nodes) = (config.scheme(), config.nodes());
        let server = nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        return Err(format!(
            "{scheme}://{server} is a node of a Redis Cluster; use {scheme}-cluster://{server}"
        ));
    }
    Ok(None)
}

async fn queue(pipeline: &Pipeline<Client>, command: &[String]) -> Result<(), RedisError> {
    let Some((name, args)) = command.split_first() else { return Ok(()) };
    let name = CustomCommand::new(name.as_str(), ClusterHash::FirstKey, false);
    pipeline.custom::<(), _>(name, args.to_vec()).await
}

/// What an operator should know about the eviction policy: `None` if nothing can be evicted, or if Redis does not say.
async fn eviction(client: &Client) -> Option<String> {
    let info: String = client.info(Some(InfoKind::Memory)).await.ok()?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let (policy, limit) = (field("maxmemory_policy")?.trim(), field("maxmemory")?.trim());
    (policy != "noeviction" && limit != "0").then(|| {
        format!("maxmemory-policy is {policy}: Redis may evict keys that this service needs; set noeviction")
    })
}
