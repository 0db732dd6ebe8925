use std::time::Duration;

use fred::interfaces::{ClientLike, ConfigInterface, LuaInterface};
use fred::types::{InfoKind, Value};

use crate::{FlakyProxy, TestRedis, eventually};

/// A condition in which Redis is reachable and refuses work, or seems to. For tests that run a service through each.
///
/// The service must be the user `default` and connect through the [`FlakyProxy`]; the test's own clients
/// ([`TestRedis::client`]) go on working, but for those of a server that is restarted or paused.
///
/// ```
/// # use test_support::{FlakyProxy, Refusal, TestRedis};
/// # async fn example(mut redis: TestRedis, proxy: FlakyProxy) {
/// for refusal in Refusal::all("HSET") {
///     refusal.apply(&mut redis, &proxy).await;
///     // /ready says `refusal.reason()` within 5 s
///     refusal.lift(&mut redis, &proxy).await;
///     // /ready is 200 within 5 s
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server becomes a replica (of nobody), and keeps the connections.
    ReadOnly,
    /// A background save fails, and writes are refused.
    Misconf,
    /// More memory is used than allowed.
    OutOfMemory,
    /// The user may not run this command (its name).
    CommandForbidden(&'static str),
    /// The user may not use any channel.
    ChannelsForbidden,
    /// The server was restarted, and loads its data for about 10 s. Nothing is lost.
    Loading,
    /// The password is another, and the service's connections are closed.
    PasswordChanged,
    /// The server answers nobody for this time. [`Refusal::lift`] waits for its end.
    Paused(Duration),
    /// All scripts are forgotten. Nothing is refused.
    ScriptsFlushed,
    /// A NAT has forgotten the existing connections; new ones work. Ends without [`Refusal::lift`].
    HalfOpen,
}

impl Refusal {
    /// Each condition once, for a service that cannot work without `command`.
    pub fn all(command: &'static str) -> [Self; 10] {
        [
            // While there are few keys: Redis 6.2 answers nobody while it loads short ones, each for half a second here.
            Self::Loading,
            Self::ReadOnly,
            Self::Misconf,
            Self::OutOfMemory,
            Self::CommandForbidden(command),
            Self::ChannelsForbidden,
            Self::PasswordChanged,
            Self::Paused(Duration::from_secs(10)),
            Self::ScriptsFlushed,
            Self::HalfOpen,
        ]
    }

    /// A part of what `/ready` must say: `None` where no work is refused. [`Refusal::HalfOpen`] shows its reason for a
    /// moment only, and only where a command was under way or the connection was silent.
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::ReadOnly => "Redis is a read-only replica",
            Self::Misconf => "Redis cannot save to its disk",
            Self::OutOfMemory => "Redis is out of memory",
            Self::CommandForbidden(_) | Self::ChannelsForbidden => "user default may not ",
            Self::Loading => "Redis is loading its data",
            Self::PasswordChanged => "Redis refused the user name or the password",
            Self::Paused(_) | Self::HalfOpen => "Redis did not answer in time",
            Self::ScriptsFlushed => return None,
        })
    }

    /// Whether it lasts until [`Refusal::lift`].
    pub fn lasts(self) -> bool {
        !matches!(self, Self::ScriptsFlushed | Self::HalfOpen)
    }

    /// Makes it so.
    ///
    /// # Panics
    /// When Redis does not do what is asked.
    pub async fn apply(self, redis: &mut TestRedis, proxy: &FlakyProxy) {
        match self {
            Self::ReadOnly => drop(redis.admin("REPLICAOF 127.0.0.1 1").await),
            Self::Misconf => fail_to_save(redis).await,
            Self::OutOfMemory => drop(redis.admin("CONFIG SET maxmemory 1").await),
            Self::CommandForbidden(name) => {
                drop(redis.admin(&format!("ACL SETUSER default -{}", name.to_lowercase())).await);
            }
            Self::ChannelsForbidden => drop(redis.admin("ACL SETUSER default resetchannels").await),
            Self::Loading => load_slowly(redis).await,
            Self::PasswordChanged => {
                redis.admin("CONFIG SET requirepass changed").await;
                redis.admin("CLIENT KILL USER default").await;
            }
            Self::Paused(time) => drop(redis.admin(&format!("CLIENT PAUSE {}", time.as_millis())).await),
            Self::ScriptsFlushed => drop(redis.admin("SCRIPT FLUSH").await),
            Self::HalfOpen => proxy.forget(),
        }
    }

    /// Ends it. For [`Refusal::Loading`] and [`Refusal::Paused`], waits for the end.
    ///
    /// # Panics
    /// When Redis does not do what is asked.
    pub async fn lift(self, redis: &mut TestRedis, _proxy: &FlakyProxy) {
        match self {
            Self::ReadOnly => drop(redis.admin("REPLICAOF NO ONE").await),
            Self::Misconf => {
                configure(redis, "save", "").await;
                std::fs::remove_dir_all(redis.dir().join(DUMP)).expect("unblock the file");
            }
            Self::OutOfMemory => drop(redis.admin("CONFIG SET maxmemory 0").await),
            Self::CommandForbidden(name) => {
                drop(redis.admin(&format!("ACL SETUSER default +{}", name.to_lowercase())).await);
            }
            Self::ChannelsForbidden => drop(redis.admin("ACL SETUSER default allchannels").await),
            Self::Loading => {
                eventually("the data is loaded", async || {
                    // A connection may take too long while it loads.
                    let Ok(client) = redis.connect(0).await else { return false };
                    let info = client.info::<String>(Some(InfoKind::Persistence)).await;
                    info.is_ok_and(|info| info.contains("\nloading:0"))
                })
                .await;
                let filler = redis.client_for_db(FILLER_DB).await;
                filler
                    .custom::<Value, _>(fred::cmd!("FLUSHDB"), vec!["ASYNC"])
                    .await
                    .expect("remove the filler");
            }
            Self::PasswordChanged => {
                configure(redis, "requirepass", "").await;
            }
            Self::Paused(_) => drop(redis.admin("PING").await),
            Self::ScriptsFlushed | Self::HalfOpen => {}
        }
    }
}

/// Where Redis saves. It cannot while a folder has this name.
const DUMP: &str = "dump.rdb";

async fn fail_to_save(redis: &TestRedis) {
    let _ = std::fs::remove_file(redis.dir().join(DUMP));
    std::fs::create_dir_all(redis.dir().join(DUMP).join("folder")).expect("block the file");
    configure(redis, "save", "3600 100000").await;
    configure(redis, "stop-writes-on-bgsave-error", "yes").await;
    redis.admin("BGSAVE").await;
    eventually("the save has failed", async || {
        matches!(redis.admin("INFO persistence").await, Value::String(text) if text.contains("rdb_last_bgsave_status:err"))
    })
    .await;
}

/// Redis 6.2 serves clients once in 2 MiB of loading: each value is larger, so that it does so after each.
const FILLER: &str = "for key = 1, 20 do redis.call('SET', 'filler:' .. key, string.rep('x', 2200000)) end";
/// A database that no service uses.
const FILLER_DB: u8 = 15;
/// Microseconds that Redis takes for each key.
const LOAD_DELAY: &str = "500000";

async fn load_slowly(redis: &mut TestRedis) {
    redis.admin("CONFIG SET rdbcompression no").await;
    redis
        .client_for_db(FILLER_DB)
        .await
        .eval::<(), _, _, _>(FILLER, Vec::<String>::new(), Vec::<String>::new())
        .await
        .expect("write the filler");
    // Between the save and the end nobody is served: nothing that was acknowledged is missing.
    let client = redis.client().await;
    let _ = client.custom::<Value, _>(fred::cmd!("SHUTDOWN"), vec!["SAVE"]).await;
    redis.wait_for_end().await;
    redis.restart_with(&["--rdbcompression", "no", "--key-load-delay", LOAD_DELAY]).await;
}

/// `CONFIG SET` with a value that may have spaces or be empty.
async fn configure(redis: &TestRedis, name: &str, value: &str) {
    redis.client().await.config_set(name, value).await.expect("configure redis");
}
