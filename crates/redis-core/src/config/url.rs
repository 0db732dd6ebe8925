use fred::types::config::Config;

/// What a `REDIS_URL` says.
#[derive(Clone)]
pub(super) struct RedisUrl {
    /// The server, the database and the sign-in. Without TLS.
    pub(super) config: Config,
    pub(super) tls: bool,
}

const MUST_BE: &str =
    "must be redis://, rediss://, redis+unix:// or redis-sentinel://[user:password@]host[:port][/db]";

/// The schemes, each with that of fred which means the same without TLS, and whether TLS is used.
const SCHEMES: [(&str, &str, bool); 10] = [
    ("redis", "redis", false),
    ("rediss", "redis", true),
    ("valkey", "redis", false),
    ("valkeys", "redis", true),
    ("redis-sentinel", "redis-sentinel", false),
    ("rediss-sentinel", "redis-sentinel", true),
    ("valkey-sentinel", "redis-sentinel", false),
    ("valkeys-sentinel", "redis-sentinel", true),
    ("redis+unix", "redis+unix", false),
    ("valkey+unix", "redis+unix", false),
];

/// Reads a URL. The error does not repeat it: it may have a password.
pub(super) fn parse(url: &str) -> Result<RedisUrl, String> {
    let (scheme, rest) = url.split_once("://").ok_or(MUST_BE)?;
    let known = SCHEMES.iter().find(|(name, ..)| *name == scheme);
    let (_, scheme, tls) = known.ok_or(MUST_BE)?;
    let config = Config::from_url(&format!("{scheme}://{rest}"))
        .map_err(|error| format!("{MUST_BE}: {}", error.details()))?;
    if *scheme == "redis+unix" && rest.trim_start_matches(|letter| letter != '/').len() < 2 {
        return Err("must name a socket: redis+unix:///path/to/socket".to_owned());
    }
    Ok(RedisUrl { config, tls: *tls })
}
