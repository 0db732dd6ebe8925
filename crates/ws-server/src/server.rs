//! Accepts connections, asks the service what each is for, and drains them in the end.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::client::{Client, Connection, Transport};
use crate::gate::{Gate, Pace, Place, Refusal};
use crate::head::{self, Bad};
use crate::heart::Heart;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::request::Request;
use crate::response::{Opened, Reply, Response};
use crate::{connection, handshake};

/// What a socket's kernel buffer may hold for a client that does not read, in bytes; the kernel doubles it.
const SEND_BUFFER: usize = 64 * 1024;
/// Refused connections that may take their time to read the answer.
const MAX_REFUSING: usize = 256;

/// The service behind the server.
pub trait Handler: Send + Sync + 'static {
    /// Decides what a request gets. It is called for every GET and HEAD whose origin is allowed, and may take its time:
    /// nobody else waits.
    fn handle(&self, request: Request) -> impl Future<Output = Reply> + Send;
}

/// A server of WebSockets, event streams and plain HTTP on one port.
pub struct Server<H> {
    handler: Arc<H>,
    shared: Arc<Shared>,
}

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    /// The heartbeat and the farewell, encoded for each transport.
    pub(crate) beats: [Bytes; 2],
    pub(crate) farewells: [Option<Bytes>; 2],
    hearts: Vec<Heart>,
    next_heart: AtomicUsize,
    gate: Arc<Gate>,
    /// Refused connections that are answered with patience.
    refusing: Arc<Semaphore>,
    is_draining: AtomicBool,
    started: Instant,
}

impl Shared {
    /// The server's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

impl<H: Handler> Server<H> {
    /// A server that asks this handler. It must be made within a tokio runtime.
    pub fn new(options: Options, metrics: Metrics, handler: H) -> Self {
        let encode = |transport: Transport, text: &str| {
            let mut out = BytesMut::new();
            transport.encode(&mut out, None, text);
            out.freeze()
        };
        let farewell = |transport| options.farewell.map(|text| encode(transport, text));
        let shards = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Shared {
            beats: [encode(Transport::WebSocket, options.ping), Bytes::from_static(b": ping\n\n")],
            farewells: [farewell(Transport::WebSocket), farewell(Transport::EventStream)],
            hearts: (0..shards).map(|_| Heart::new(&options)).collect(),
            next_heart: AtomicUsize::new(0),
            gate: Arc::default(),
            refusing: Arc::new(Semaphore::new(MAX_REFUSING)),
            is_draining: AtomicBool::new(false),
            started: Instant::now(),
            options,
            metrics,
        };
        Self { handler: Arc::new(handler), shared: Arc::new(shared) }
    }

    /// Serves until `stopping` is cancelled. Then new sockets are refused with 503 while plain requests are still answered,
    /// the open ones are closed with 1012 spread over most of `drain`, and it returns when all are gone or `drain` is over.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub async fn run(
        self,
        listener: std::net::TcpListener,
        stopping: CancellationToken,
        drain: Duration,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let socket = socket2::SockRef::from(&listener);
        // Accepted sockets inherit both.
        socket.set_tcp_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        let listener = TcpListener::from_std(listener)?;
        let shared = self.shared.clone();
        let beating: Vec<_> = (0..shared.hearts.len())
            .map(|index| {
                let shared = shared.clone();
                tokio::spawn(async move { shared.hearts[index].run().await })
            })
            .collect();
        tokio::select! {
            never = self.accept(&listener) => match never {},
            () = async {
                stopping.cancelled().await;
                shared.drain(drain).await;
            } => {}
        }
        beating.iter().for_each(tokio::task::JoinHandle::abort);
        Ok(())
    }

    async fn accept(&self, listener: &TcpListener) -> std::convert::Infallible {
        let mut pace = Pace::new(self.shared.options.accept_rate);
        loop {
            pace.step().await;
            match listener.accept().await {
                Ok((stream, peer)) => self.take(stream, peer.ip()),
                Err(error) => {
                    // Out of descriptors, most likely: others have to go before one can come.
                    warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: IpAddr) {
        let (shared, handler) = (self.shared.clone(), self.handler.clone());
        match shared.gate.admit(peer, &shared.options) {
            Ok(place) => {
                tokio::spawn(async move {
                    // In a box, so that an open client does not keep the room that opening it took.
                    let opening = Box::pin(open(stream, peer, place, &shared, &*handler));
                    let Some((connection, early, _place, _guard)) = opening.await else { return };
                    connection::run(&connection, early).await;
                    shared.metrics.gone(connection.transport);
                });
            }
            Err(refusal) => {
                let response = refuse(refusal, &shared.metrics);
                match shared.refusing.clone().try_acquire_owned() {
                    Ok(permit) => {
                        tokio::spawn(async move {
                            answer(stream, &response, false).await;
                            drop(permit);
                        });
                    }
                    // In a flood nobody gets more than what can be written at once, and no descriptor is kept.
                    Err(_) => drop(stream.try_write(&response.encode(false))),
                }
            }
        }
    }
}

impl Shared {
    /// Closes every client, one after another over most of the time there is.
    async fn drain(&self, time: Duration) {
        let end = Instant::now() + time;
        let spread = time.mul_f64(0.7);
        self.is_draining.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        let all: Vec<_> = self.hearts.iter().flat_map(Heart::connections).collect();
        for (index, connection) in all.iter().enumerate() {
            sleep_until(begin + spread.mul_f64(index as f64 / all.len() as f64)).await;
            if let Some(connection) = connection.upgrade() {
                connection.close_for_restart();
            }
        }
        // Who was just being opened or looked at is found now.
        while self.gate.clients() > 0 && Instant::now() < end {
            for connection in self.hearts.iter().flat_map(Heart::connections) {
                if let Some(connection) = connection.upgrade() {
                    connection.close_for_restart();
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        for connection in self.hearts.iter().flat_map(Heart::connections) {
            if let Some(connection) = connection.upgrade() {
                connection.abort();
            }
        }
    }
}

type Open = (Arc<Connection>, Vec<u8>, Place, Box<dyn Send>);

/// Reads a request and answers it. What is left is a client that stays.
async fn open<H: Handler>(
    mut stream: TcpStream,
    peer: IpAddr,
    mut place: Place,
    shared: &Arc<Shared>,
    handler: &H,
) -> Option<Open> {
    let options = &shared.options;
    let outcome = timeout(options.handshake_timeout, head::read(&mut stream, peer, options)).await;
    let (request, early) = match outcome.unwrap_or_else(|_| {
        shared.metrics.refused("handshake-timeout");
        Err(Bad::Answer(Response::text(408, "the request took too long")))
    }) {
        Ok(read) => read,
        Err(Bad::Gone) => return None,
        Err(Bad::Answer(response)) => {
            answer(stream, &response, false).await;
            return None;
        }
    };
    let is_head = request.is_head;
    let (transport, head, opened) = match decide(request, shared, handler, &mut place).await {
        Ok(opening) => opening,
        Err(response) => {
            answer(stream, &response, is_head).await;
            return None;
        }
    };
    let connection = Arc::new(Connection::new(stream, transport, head, shared.clone()));
    let guard = opened(Client(connection.clone()));
    let heart = shared.next_heart.fetch_add(1, Ordering::Relaxed) % shared.hearts.len();
    shared.hearts[heart].add(&connection);
    shared.metrics.opened(transport);
    Some((connection, early, place, guard))
}

async fn decide<H: Handler>(
    request: Request,
    shared: &Shared,
    handler: &H,
    place: &mut Place,
) -> Result<(Transport, Bytes, Opened), Response> {
    if !shared.options.origins.allow(request.header("origin"), request.header("host")) {
        shared.metrics.refused("origin");
        return Err(Response::text(403, "this page's origin is not allowed"));
    }
    let upgrade = request.is_websocket.then(|| handshake::accept(&request)).transpose()?;
    let events = handshake::event_stream(&request);
    let (client, is_head) = (request.client, request.is_head);
    let (transport, head, opened) = match handler.handle(request).await {
        Reply::Http(response) => return Err(response),
        Reply::EventStream(_) if is_head => return Err(Response::new(200, "text/event-stream", "")),
        Reply::EventStream(opened) => (Transport::EventStream, events, opened),
        Reply::WebSocket(opened) => match upgrade {
            Some(head) => (Transport::WebSocket, head, opened),
            None => return Err(Response::text(426, "this is a WebSocket").header("Upgrade", "websocket")),
        },
    };
    if shared.is_draining.load(Ordering::SeqCst) {
        shared.metrics.refused("draining");
        return Err(Response::text(503, "this instance is stopping").header("Retry-After", "1"));
    }
    place.keep(client, &shared.options).map_err(|refusal| refuse(refusal, &shared.metrics))?;
    Ok((transport, head, opened))
}

fn refuse(refusal: Refusal, metrics: &Metrics) -> Response {
    let (status, reason, text) = match refusal {
        Refusal::Full => (503, "full", "too many connections"),
        Refusal::TooManyOfAddress => (429, "address", "too many connections from this address"),
    };
    metrics.refused(reason);
    Response::text(status, text).header("Retry-After", "5")
}

/// Writes a plain answer and ends the connection so that the answer arrives.
async fn answer(mut stream: TcpStream, response: &Response, is_head: bool) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let exchange = async {
        stream.write_all(&response.encode(is_head)).await?;
        stream.shutdown().await?;
        // Closing with bytes unread resets the connection, and the answer might be lost.
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    if let Ok(Err(error)) = timeout(PATIENCE, exchange).await {
        debug!(%error, "cannot answer");
    }
}
