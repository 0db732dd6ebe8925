//! A Redis, a preflight that reads it, and viewers.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::{CustomCommand, FromValue};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use test_support::{RedisCluster, ServiceProcess, TestRedis, eventually};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_preflight");
/// How long to wait for an expected message. Long, because the machine may be busy with other tests.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// The size of the large tests, in percent of their full size. The README's figures are from 100.
pub(crate) fn test_percent() -> usize {
    test_support::size_from_env("TEST_PERCENT", 20)
}

/// `PREFLIGHT_TEST_FULL=1`: as many rounds and as much time as the README's guarantees rest on.
pub(crate) fn is_full_size() -> bool {
    test_support::is_full_size("PREFLIGHT_TEST_FULL")
}

/// Arguments for a `redis-server` that reports all changes.
pub(crate) const NOTIFICATIONS: [&str; 2] = ["--notify-keyspace-events", "Kghxe"];

/// The servers of one test. With `PREFLIGHT_TEST_CLUSTER=1` the service is on a Redis Cluster; tests that do something to
/// `redis` do not hold there.
pub(crate) struct TestEnv {
    pub(crate) redis: TestRedis,
    _cluster: Option<RedisCluster>,
    /// One for each server that may have the run.
    producers: Vec<Client>,
    pub(crate) service: ServiceProcess,
}

impl TestEnv {
    /// Starts a Redis that reports all changes, and a service with these variables. Returns when it is ready.
    pub(crate) async fn start(vars: &[(&str, &str)]) -> Self {
        Self::start_with(&NOTIFICATIONS, vars).await
    }

    /// Like [`TestEnv::start`], with these arguments for `redis-server`.
    pub(crate) async fn start_with(redis_args: &[&str], vars: &[(&str, &str)]) -> Self {
        let redis = TestRedis::start_with(redis_args).await;
        let cluster = match test_support::is_full_size("PREFLIGHT_TEST_CLUSTER") {
            true => Some(RedisCluster::start_with(redis_args).await),
            false => None,
        };
        let url = cluster.as_ref().map_or_else(|| redis.url(), RedisCluster::url);
        let service = start(&url, vars).await;
        service.wait_until_ready().await;
        let mut producers = Vec::new();
        for server in cluster.as_ref().map_or(std::slice::from_ref(&redis), |cluster| &cluster.nodes[..3]) {
            producers.push(server.client().await);
        }
        Self { redis, _cluster: cluster, producers, service }
    }

    /// A service that was started by itself, on this Redis.
    pub(crate) async fn on(redis: TestRedis, service: ServiceProcess) -> Self {
        let mut env = Self::without_producer(redis, service);
        env.connect_producer().await;
        env
    }

    /// The same on a Redis that is not there yet.
    pub(crate) fn without_producer(redis: TestRedis, service: ServiceProcess) -> Self {
        Self { producers: Vec::new(), redis, _cluster: None, service }
    }

    pub(crate) fn is_on_cluster(&self) -> bool {
        self.producers.len() > 1
    }

    /// A client of the server that has the run.
    pub(crate) fn producer(&self, run: &str) -> &Client {
        let slots_each = 16_384 / self.producers.len();
        let place = usize::from(redis_core::key::hash_slot(run)) / slots_each;
        &self.producers[place.min(self.producers.len() - 1)]
    }

    /// Connects a viewer to a run.
    pub(crate) async fn watch(&self, run: &str) -> Viewer {
        Viewer::connect(&self.service, &format!("/{run}")).await.unwrap()
    }

    /// As [`TestEnv::watch`], and returns the run too.
    pub(crate) async fn watch_named(&self, run: String) -> (String, Viewer) {
        let viewer = self.watch(&run).await;
        (run, viewer)
    }

    /// Connects the producer anew, after Redis was restarted.
    pub(crate) async fn connect_producer(&mut self) {
        self.producers = vec![self.redis.client().await];
    }

    /// Sets a field of a run.
    pub(crate) async fn set(&self, run: &str, field: &str, value: impl ToString) {
        self.producer(run).hset::<(), _, _>(run, (field, value.to_string())).await.unwrap();
    }

    /// How many HSCAN Redis has carried out.
    pub(crate) async fn read_count(&self) -> u64 {
        let count = |stats: &String| -> Option<u64> {
            stats.split("cmdstat_hscan:calls=").nth(1)?.split(',').next()?.parse().ok()
        };
        self.ask("INFO", &["commandstats"]).await.iter().filter_map(count).sum()
    }

    pub(crate) async fn connection_count(&self) -> usize {
        self.ask::<String>("CLIENT", &["LIST"]).await.iter().map(|list| list.lines().count()).sum()
    }

    /// Waits until Redis has `count` keyspace channels with subscribers, not counting the canary's.
    pub(crate) async fn wait_until_subscribed(&self, count: usize) {
        eventually("the runs are subscribed to", async || {
            let channels: Vec<Vec<String>> = self.ask("PUBSUB", &["CHANNELS", "__keyspace@0__:*"]).await;
            channels.iter().flatten().filter(|channel| !channel.contains("canary")).count() == count
        })
        .await;
    }

    /// Asks each server.
    async fn ask<T: FromValue>(&self, command: &'static str, args: &[&str]) -> Vec<T> {
        let mut replies = Vec::new();
        for producer in &self.producers {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            replies
                .push(producer.custom(CustomCommand::new_static(command, None, false), args).await.unwrap());
        }
        replies
    }
}

/// Starts a service with this Redis and these variables.
pub(crate) async fn start(redis_url: &str, vars: &[(&str, &str)]) -> ServiceProcess {
    let vars: Vec<_> = [("REDIS_URL", redis_url)].into_iter().chain(vars.iter().copied()).collect();
    ServiceProcess::start(BINARY, &vars).await
}

/// A WebSocket client.
pub(crate) struct Viewer(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Viewer {
    pub(crate) async fn connect(service: &ServiceProcess, path: &str) -> Result<Self, Error> {
        Self::connect_with(service, path, &[]).await
    }

    /// Connects to the process that listens on a port.
    pub(crate) async fn connect_to_port(port: u16, path: &str) -> Result<Self, Error> {
        Ok(Self(connect_async(format!("ws://127.0.0.1:{port}{path}")).await?.0))
    }

    pub(crate) async fn connect_with(
        service: &ServiceProcess,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://127.0.0.1:{}{path}", service.port()).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(Self(connect_async(request).await?.0))
    }

    /// The next message that is no ping of the protocol; those are answered by the library.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            let message = timeout(MESSAGE_TIMEOUT, self.0.next()).await.expect("a message arrives in time");
            match message.expect("the socket is open").unwrap() {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    /// The next text message.
    pub(crate) async fn next_text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("expected a text message, not {other:?}"),
        }
    }

    /// The next text message, parsed.
    pub(crate) async fn next_checklist(&mut self) -> Value {
        serde_json::from_str(&self.next_text().await).unwrap()
    }

    /// The next checklist, or `None` once the socket has ended.
    pub(crate) async fn next_checklist_or_end(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Reads until a checklist has this `last_modified`; `null` means that it has none.
    pub(crate) async fn read_until_modified(&mut self, expected: impl Into<Value>) -> Value {
        let expected = expected.into();
        loop {
            let checklist = self.next_checklist().await;
            if checklist["last_modified"] == expected {
                return checklist;
            }
        }
    }

    /// Sends a text message.
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Fails if a message arrives within the time.
    pub(crate) async fn expect_no_message(&mut self, time: Duration) {
        if let Ok(unexpected) = timeout(time, self.0.next()).await {
            panic!("received {unexpected:?}, but expected nothing");
        }
    }

    /// The code of the close frame. Messages before it are skipped.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            match timeout(MESSAGE_TIMEOUT, self.0.next()).await.expect("a close frame arrives in time") {
                Some(Ok(Message::Close(frame))) => return frame.map_or(1005, |frame| frame.code.into()),
                Some(Ok(_)) => {}
                other => panic!("expected a close frame, not {other:?}"),
            }
        }
    }
}
