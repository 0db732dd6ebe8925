//! A Redis, a preflight before it, and viewers.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use test_support::{ServiceProcess, TestRedis, eventually};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_preflight");
/// How long a frame may take that must come: long, for machines that are busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much of the full size of a proof is run; the README says what was seen at 100.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub(crate) fn percent() -> usize {
    std::env::var("TEST_PERCENT").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

pub(crate) struct World {
    pub(crate) redis: TestRedis,
    pub(crate) producer: Client,
    pub(crate) service: ServiceProcess,
}

impl World {
    /// A Redis that tells of all changes, and a service with these variables that is ready.
    pub(crate) async fn start(vars: &[(&str, &str)]) -> Self {
        Self::start_with(&["--notify-keyspace-events", "Kghxe"], vars).await
    }

    pub(crate) async fn start_with(redis: &[&str], vars: &[(&str, &str)]) -> Self {
        let redis = TestRedis::start_with(redis).await;
        let service = start(&redis.url(), vars).await;
        service.wait_until_ready().await;
        Self { producer: redis.client().await, redis, service }
    }

    pub(crate) async fn watch(&self, run: &str) -> Viewer {
        Viewer::connect(&self.service, &format!("/{run}")).await.unwrap()
    }

    pub(crate) async fn set(&self, run: &str, field: &str, value: impl ToString) {
        self.producer.hset::<(), _, _>(run, (field, value.to_string())).await.unwrap();
    }

    /// How often Redis was asked to read a hash.
    pub(crate) async fn reads(&self) -> u64 {
        let stats = self.info("commandstats").await;
        stats
            .split("cmdstat_hgetall:calls=")
            .nth(1)
            .and_then(|rest| rest.split(',').next()?.parse().ok())
            .unwrap_or(0)
    }

    pub(crate) async fn redis_connections(&self) -> usize {
        let list: String = self.producer.custom(fred::cmd!("CLIENT"), vec!["LIST"]).await.unwrap();
        list.lines().count()
    }

    pub(crate) async fn info(&self, section: &str) -> String {
        self.producer.custom(fred::cmd!("INFO"), vec![section]).await.unwrap()
    }

    /// Waits until Redis has so many channels that are subscribed to, besides the service's own.
    pub(crate) async fn until_subscribed(&self, count: usize) {
        eventually("the runs are subscribed to", async || {
            let pattern = "__keyspace@0__:*".to_owned();
            let channels: Vec<String> = self
                .producer
                .custom(fred::cmd!("PUBSUB"), vec!["CHANNELS".to_owned(), pattern])
                .await
                .unwrap();
            channels.iter().filter(|channel| !channel.contains("canary")).count() == count
        })
        .await;
    }
}

pub(crate) async fn start(redis_url: &str, vars: &[(&str, &str)]) -> ServiceProcess {
    let vars: Vec<_> = [("REDIS_URL", redis_url)].into_iter().chain(vars.iter().copied()).collect();
    ServiceProcess::start(BINARY, &vars).await
}

pub(crate) struct Viewer(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Viewer {
    pub(crate) async fn connect(service: &ServiceProcess, path: &str) -> Result<Self, Error> {
        Self::connect_with(service, path, &[]).await
    }

    /// Connects to whoever listens on a port.
    pub(crate) async fn at(port: u16, path: &str) -> Result<Self, Error> {
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

    /// The next message.
    pub(crate) async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.0.next())
            .await
            .expect("a frame comes in time")
            .expect("the socket is open")
            .unwrap()
    }

    /// The next text, as it came.
    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("a text was expected, not {other:?}"),
        }
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The next answer, or nothing once the socket has ended.
    pub(crate) async fn answer_or_end(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Reads until an answer's `last_modified` is this; `null` for none.
    pub(crate) async fn until_last_modified(&mut self, expected: impl Into<Value>) -> Value {
        let expected = expected.into();
        loop {
            let answer = self.answer().await;
            if answer["last_modified"] == expected {
                return answer;
            }
        }
    }

    /// Sends a text.
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Fails if a text comes within the time.
    pub(crate) async fn silence(&mut self, time: Duration) {
        if let Ok(unexpected) = timeout(time, self.0.next()).await {
            panic!("nothing was to be sent, but {unexpected:?} was");
        }
    }

    /// The code of the close, ignoring texts before it.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a close comes in time") {
                Some(Ok(Message::Close(frame))) => return frame.map_or(1005, |frame| frame.code.into()),
                Some(Ok(_)) => {}
                other => panic!("a close was expected, not {other:?}"),
            }
        }
    }
}
