//! A Redis, a service, and clients written from the contract alone.

use std::time::Duration;

use fred::interfaces::PubsubInterface;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use test_support::{ServiceProcess, TestRedis};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_status-proxy");
/// Longer than anything that is awaited here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A number for the size of a proof: its default, or what the environment says.
pub(crate) fn size(variable: &str, default: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "the size of a test is no setting of the service")]
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A service that is ready, on this Redis.
pub(crate) async fn service(redis: &TestRedis, vars: &[(&str, &str)]) -> ServiceProcess {
    let url = redis.url();
    let service = ServiceProcess::start(BINARY, &[&[("REDIS_URL", url.as_str())], vars].concat()).await;
    service.ready().await;
    service
}

/// A producer: one connection that publishes in order.
pub(crate) struct Producer(fred::clients::Client);

impl Producer {
    pub(crate) async fn of(redis: &TestRedis) -> Self {
        Self(redis.client().await)
    }

    /// Publishes and says how many connections heard it.
    pub(crate) async fn publish(&self, channel: &str, text: impl Into<fred::types::Value> + Send) -> i64 {
        let text: fred::types::Value = text.into();
        self.0.publish(channel, text).await.unwrap()
    }

    /// Publishes the numbers up to this one, all in one write.
    pub(crate) async fn publish_all(&self, channel: &str, count: usize) {
        let burst = self.0.pipeline();
        for number in 0..count {
            let _: () = burst.publish(channel, number.to_string()).await.unwrap();
        }
        let _: () = burst.last().await.unwrap();
    }

    /// Publishes, unless Redis is away.
    pub(crate) async fn try_publish(&self, channel: &str, text: String) -> bool {
        let published = self.0.publish::<i64, _, _>(channel, text);
        tokio::time::timeout(Duration::from_secs(1), published).await.is_ok_and(|answer| answer.is_ok())
    }
}

pub(crate) struct Viewer(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Viewer {
    pub(crate) async fn of(service: &ServiceProcess, path: &str) -> Self {
        Self::at(service.port(), path).await.unwrap()
    }

    pub(crate) async fn at(port: u16, path: &str) -> Result<Self, Error> {
        Self::with(port, path, &[]).await
    }

    pub(crate) async fn with(port: u16, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://127.0.0.1:{port}/{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(Self(tokio_tungstenite::connect_async(request).await?.0))
    }

    /// The status with which the upgrade is refused.
    pub(crate) async fn refusal(port: u16, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        match Self::with(port, path, headers).await {
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{path}: {error}"),
            Ok(_) => panic!("{path}: not refused"),
        }
    }

    /// The next message, or how the connection ended.
    pub(crate) async fn next(&mut self) -> Result<String, Option<u16>> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
            match next {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next text, pings left out.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.next().await {
                Ok(ping) if ping == r#"{"type":"ping"}"# => {}
                Ok(text) => return text,
                Err(code) => panic!("closed with {code:?}"),
            }
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The data of the next frame, which must be a status.
    pub(crate) async fn line(&mut self) -> String {
        let frame = self.json().await;
        assert_eq!(frame["type"], "status", "{frame}");
        frame["data"].as_str().unwrap().to_owned()
    }

    /// The data of the next status, after any further gaps: one is told at each loss of the subscription, and while Redis
    /// starts there may be more than one.
    pub(crate) async fn line_past_gaps(&mut self) -> String {
        loop {
            let frame = self.json().await;
            if frame["type"] != "gap" {
                assert_eq!(frame["type"], "status", "{frame}");
                return frame["data"].as_str().unwrap().to_owned();
            }
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn close(mut self) {
        self.0.close(None).await.unwrap();
        while self.next().await.is_ok() {}
    }

    /// The code with which the server closes.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}
