//! A service on a Redis, and clients that are written from the contract only.

use std::time::Duration;

use fred::interfaces::PubsubInterface;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use test_support::{RedisCluster, ServiceProcess, TestRedis, within_patience};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_status-proxy");
/// Whether the long proofs run at full size: `STATUS_PROXY_TEST_FULL=1`.
pub(crate) fn is_full() -> bool {
    test_support::is_full_size("STATUS_PROXY_TEST_FULL")
}

/// Where a service can be.
pub(crate) trait Servers {
    /// The `REDIS_URL`.
    fn url(&self) -> String;

    /// The server to which producers publish.
    fn producers_server(&self) -> &TestRedis;
}

impl Servers for TestRedis {
    fn url(&self) -> String {
        self.url()
    }

    fn producers_server(&self) -> &TestRedis {
        self
    }
}

impl Servers for RedisCluster {
    fn url(&self) -> String {
        self.url()
    }

    fn producers_server(&self) -> &TestRedis {
        &self.nodes[1]
    }
}

/// One Redis; with `STATUS_PROXY_TEST_CLUSTER=1` a Redis Cluster.
pub(crate) enum World {
    One(TestRedis),
    Cluster(RedisCluster),
}

impl World {
    pub(crate) async fn start() -> Self {
        match test_support::is_full_size("STATUS_PROXY_TEST_CLUSTER") {
            true => Self::Cluster(RedisCluster::start().await),
            false => Self::One(TestRedis::start().await),
        }
    }
}

impl Servers for World {
    fn url(&self) -> String {
        match self {
            Self::One(redis) => redis.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    fn producers_server(&self) -> &TestRedis {
        match self {
            Self::One(redis) => redis,
            Self::Cluster(cluster) => cluster.producers_server(),
        }
    }
}

/// Starts a service there and waits until it is ready.
pub(crate) async fn start_service(servers: &impl Servers, vars: &[(&str, &str)]) -> ServiceProcess {
    let url = servers.url();
    let service = ServiceProcess::start(BINARY, &[&[("REDIS_URL", url.as_str())], vars].concat()).await;
    service.wait_until_ready().await;
    service
}

/// A producer: one connection that publishes in order.
pub(crate) struct Producer(fred::clients::Client);

impl Producer {
    pub(crate) async fn connect(servers: &impl Servers) -> Self {
        Self(servers.producers_server().client().await)
    }

    /// Publishes, and returns how many connections received the message.
    pub(crate) async fn publish(&self, channel: &str, text: impl Into<fred::types::Value> + Send) -> i64 {
        let text: fred::types::Value = text.into();
        self.0.publish(channel, text).await.unwrap()
    }

    /// Publishes the numbers below `count`, all in one write.
    pub(crate) async fn publish_all(&self, channel: &str, count: usize) {
        let burst = self.0.pipeline();
        for number in 0..count {
            let _: () = burst.publish(channel, number.to_string()).await.unwrap();
        }
        let _: () = burst.last().await.unwrap();
    }

    /// Publishes, and returns whether Redis accepted the message within a second.
    pub(crate) async fn try_publish(&self, channel: &str, text: String) -> bool {
        let published = self.0.publish::<i64, _, _>(channel, text);
        tokio::time::timeout(Duration::from_secs(1), published).await.is_ok_and(|answer| answer.is_ok())
    }
}

/// A WebSocket client.
pub(crate) struct Viewer(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Viewer {
    pub(crate) async fn connect(service: &ServiceProcess, path: &str) -> Self {
        Self::connect_to(service.port(), path).await.unwrap()
    }

    pub(crate) async fn connect_to(port: u16, path: &str) -> Result<Self, Error> {
        Self::connect_with_headers(port, path, &[]).await
    }

    pub(crate) async fn connect_with_headers(
        port: u16,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://127.0.0.1:{port}/{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let connecting = tokio_tungstenite::connect_async(request);
        Ok(Self(within_patience("the answer to an upgrade", connecting).await?.0))
    }

    /// Tries to connect, and returns the status with which the upgrade is refused.
    pub(crate) async fn refused_status(port: u16, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        match Self::connect_with_headers(port, path, headers).await {
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{path}: {error}"),
            Ok(_) => panic!("{path}: not refused"),
        }
    }

    /// The next message, or the code with which the connection was closed.
    pub(crate) async fn next(&mut self) -> Result<String, Option<u16>> {
        loop {
            match within_patience("a message", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next message that is not a ping.
    pub(crate) async fn next_text(&mut self) -> String {
        // Pings must not make up for a message that does not come.
        let next = async {
            loop {
                match self.next().await {
                    Ok(ping) if ping == r#"{"type":"ping"}"# => {}
                    Ok(text) => return text,
                    Err(code) => panic!("closed with {code:?}"),
                }
            }
        };
        within_patience("a message that is no ping", next).await
    }

    pub(crate) async fn next_json(&mut self) -> Value {
        serde_json::from_str(&self.next_text().await).unwrap()
    }

    /// The text of the next frame, which must be a status frame.
    pub(crate) async fn next_line(&mut self) -> String {
        let frame = self.next_json().await;
        assert_eq!(frame["type"], "status", "{frame}");
        frame["data"].as_str().unwrap().to_owned()
    }

    /// The text of the next status frame, after any gap frames. There is one for each time that the subscription was lost,
    /// which can be more than once while Redis starts.
    pub(crate) async fn next_line_after_gaps(&mut self) -> String {
        loop {
            let frame = self.next_json().await;
            if frame["type"] != "gap" {
                assert_eq!(frame["type"], "status", "{frame}");
                return frame["data"].as_str().unwrap().to_owned();
            }
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        within_patience("room for a message", self.0.send(Message::text(text))).await.unwrap();
    }

    /// Returns when the server has read everything that was sent before.
    pub(crate) async fn ping(&mut self) {
        self.0.send(Message::Ping("settle".into())).await.unwrap();
        let pong = async {
            while !matches!(self.0.next().await.expect("the socket is open").unwrap(), Message::Pong(_)) {}
        };
        within_patience("a pong", pong).await;
    }

    pub(crate) async fn close(mut self) {
        self.0.close(None).await.unwrap();
        self.wait_for_close().await;
    }

    /// Waits until the server closes the connection, and returns the code.
    pub(crate) async fn wait_for_close(&mut self) -> Option<u16> {
        let close = async {
            loop {
                if let Err(code) = self.next().await {
                    return code;
                }
            }
        };
        within_patience("the end of the connection", close).await
    }
}
