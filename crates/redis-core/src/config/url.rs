use fred::types::config::{ClusterDiscoveryPolicy, Config, ServerConfig};

/// What a `REDIS_URL` says.
#[derive(Clone)]
pub(super) struct RedisUrl {
    /// The server, the database and the sign-in. Without TLS.
    pub(super) config: Config,
    pub(super) tls: bool,
    /// Whether it was made for a node of a Cluster whose URL was given.
    pub(super) is_cluster_node: bool,
}

const MUST_BE: &str = "must be redis://, rediss://, redis+unix://, redis-sentinel:// or redis-cluster://[user:password@]host[:port][/db]";

/// The schemes, each with that of fred which means the same without TLS, and whether TLS is used.
const SCHEMES: [(&str, &str, bool); 14] = [
    ("redis", "redis", false),
    ("rediss", "redis", true),
    ("valkey", "redis", false),
    ("valkeys", "redis", true),
    ("redis-sentinel", "redis-sentinel", false),
    ("rediss-sentinel", "redis-sentinel", true),
    ("valkey-sentinel", "redis-sentinel", false),
    ("valkeys-sentinel", "redis-sentinel", true),
    ("redis-cluster", CLUSTER, false),
    ("rediss-cluster", CLUSTER, true),
    ("valkey-cluster", CLUSTER, false),
    ("valkeys-cluster", CLUSTER, true),
    ("redis+unix", "redis+unix", false),
    ("valkey+unix", "redis+unix", false),
];

const CLUSTER: &str = "redis-cluster";

/// What is said where a Cluster is to have another database than 0.
pub(super) const CLUSTER_DB: &str = "a Redis Cluster has database 0 only";

/// Reads a URL. The error does not repeat it: it may have a password.
pub(super) fn parse(url: &str) -> Result<RedisUrl, String> {
    let (scheme, rest) = url.split_once("://").ok_or(MUST_BE)?;
    let known = SCHEMES.iter().find(|(name, ..)| *name == scheme);
    let (_, scheme, tls) = known.ok_or(MUST_BE)?;
    let config = match *scheme {
        CLUSTER => parse_cluster(rest)?,
        _ => parse_one(scheme, rest)?,
    };
    if *scheme == "redis+unix" && rest.trim_start_matches(|letter| letter != '/').len() < 2 {
        return Err("must name a socket: redis+unix:///path/to/socket".to_owned());
    }
    Ok(RedisUrl { config, tls: *tls, is_cluster_node: false })
}

fn parse_one(scheme: &str, rest: &str) -> Result<Config, String> {
    Config::from_url(&format!("{scheme}://{rest}")).map_err(|error| format!("{MUST_BE}: {}", error.details()))
}

/// `[user:password@]host[:port],host[:port],…[/0]`: any nodes of the Cluster.
fn parse_cluster(rest: &str) -> Result<Config, String> {
    let (sign_in, hosts) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
    let (hosts, db) = hosts.split_once('/').unwrap_or((hosts, ""));
    if !matches!(db, "" | "0") {
        return Err(CLUSTER_DB.to_owned());
    }
    let nodes = hosts.split(',').map(|host| parse_one("redis", &format!("{sign_in}{host}")));
    let nodes = nodes.collect::<Result<Vec<Config>, _>>()?;
    let hosts = nodes.iter().flat_map(|node| node.server.hosts()).collect();
    let server = ServerConfig::Clustered { hosts, policy: ClusterDiscoveryPolicy::default() };
    let first = nodes.into_iter().next().ok_or(MUST_BE)?;
    Ok(Config { server, database: None, ..first })
}
