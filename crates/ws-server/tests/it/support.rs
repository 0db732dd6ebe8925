//! A server with a small service behind it: every client gets everything that is published.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use futures_util::StreamExt;
use parking_lot::Mutex;
use prometheus::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use ws_server::{Client, Handler, Metrics, Options, Reply, Request, Response, Server, Session};

pub(crate) const DRAIN: Duration = Duration::from_secs(2);
pub(crate) const UPGRADE: &str = "GET /room HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

pub(crate) type Socket = WebSocketStream<TcpStream>;

#[derive(Clone, Default)]
struct Room(Arc<Mutex<slab::Slab<Client>>>);

impl Handler for Room {
    async fn handle(&self, request: Request) -> Reply {
        let room = self.clone();
        let path = request.path().to_owned();
        match path.as_str() {
            "/health" => Response::text(200, "OK").into(),
            "/events" => Reply::event_stream(move |client| room.join(client, &path)),
            _ => Reply::session(move |client| Member {
                client: client.clone(),
                _membership: room.join(client, &path),
            }),
        }
    }
}

impl Room {
    fn join(self, client: Client, path: &str) -> Membership {
        let mut hello = BytesMut::new();
        client.transport().encode(&mut hello, Some("1"), &format!("hello {path}"));
        client.send(&hello.freeze());
        if path == "/expiring" {
            client.expire_at(Some(SystemTime::now() + Duration::from_secs(2)));
        }
        let key = self.0.lock().insert(client);
        Membership(self, key)
    }
}

struct Membership(Room, usize);

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.0.lock().remove(self.1);
    }
}

/// A WebSocket client: `renew` and `expire` move the end of its access, and a text that begins with `echo` comes back.
struct Member {
    client: Client,
    _membership: Membership,
}

impl Session for Member {
    fn on_text(&mut self, text: &str) {
        if text == "expire" {
            self.client.expire_at(Some(SystemTime::now() + Duration::from_millis(300)));
        } else if text == "renew" {
            self.client.expire_at(Some(SystemTime::now() + Duration::from_secs(3600)));
        } else if text.starts_with("echo") {
            let mut message = BytesMut::new();
            self.client.transport().encode(&mut message, None, text);
            self.client.send(&message.freeze());
        }
    }
}

pub(crate) struct TestServer {
    address: SocketAddr,
    room: Room,
    registry: Registry,
    stopping: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl TestServer {
    pub(crate) async fn start(options: Options) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (room, registry, stopping) = (Room::default(), Registry::new(), CancellationToken::new());
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::register(&registry, "test").unwrap();
        let server = Server::new(options, metrics, room.clone());
        let server = tokio::spawn(server.run(listener, stopping.clone(), DRAIN));
        Self { address, room, registry, stopping, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn connect_tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn connect(&self, path: &str) -> Socket {
        self.connect_with(path, &[]).await.unwrap()
    }

    pub(crate) async fn connect_with(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(tokio_tungstenite::client_async(request, self.connect_tcp().await).await?.0)
    }

    /// Requests an upgrade that is refused, and returns the status.
    pub(crate) async fn connect_refused(&self, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        match self.connect_with(path, headers).await {
            Err(Error::Http(response)) => response.status().as_u16(),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    pub(crate) async fn send_raw(&self, request: &str) -> String {
        send_raw_on(self.connect_tcp().await, request).await
    }

    pub(crate) async fn publish(&self, line: &str) {
        let mut message = BytesMut::new();
        ws_server::frame::encode_text(&mut message, line);
        let message = message.freeze();
        for (_, client) in self.room.0.lock().iter() {
            client.send(&message);
        }
        tokio::task::yield_now().await;
    }

    /// The client that has been connected for longest.
    pub(crate) fn first_client(&self) -> Client {
        self.room.0.lock().iter().next().unwrap().1.clone()
    }

    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let prefix = format!("test_{name} ");
        text.lines().find_map(|line| line.strip_prefix(&prefix)).map_or(0, |value| value.parse().unwrap())
    }

    pub(crate) async fn wait_for_count(&self, count: usize) {
        let counted = async {
            while self.room.0.lock().len() != count
                || self.metric("connections{transport=\"websocket\"}") != count as u64
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), counted).await.expect("the clients to be counted");
    }

    pub(crate) async fn wait_until_empty(&self) {
        self.wait_for_count(0).await;
    }

    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits until the first client is being closed.
    pub(crate) async fn wait_until_draining(&self) {
        while self.metric("connections_closed_total{cause=\"restart\"}") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn wait_until_stopped(&mut self) {
        (&mut self.server).await.unwrap().unwrap();
    }
}

pub(crate) async fn send_raw_on(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

pub(crate) async fn receive_text(client: &mut Socket) -> String {
    loop {
        match client.next().await {
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("expected a text, got {other:?}"),
        }
    }
}

/// Reads until the server's close frame, and returns its code.
pub(crate) async fn receive_close_code(client: &mut Socket) -> u16 {
    loop {
        match client.next().await {
            Some(Ok(Message::Close(frame))) => return frame.map_or(1005, |frame| frame.code.into()),
            Some(Ok(_)) => {}
            other => panic!("expected a close, got {other:?}"),
        }
    }
}
