//! Accepts connections and starts a task for each, until the server drains.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::accept_rate::AcceptRateLimiter;
use crate::connection_task;
use crate::context::ServerContext;
use crate::drain::drain;
use crate::establish::{Established, establish};
use crate::handler::Handler;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::ping_wheel::PingWheels;
use crate::refuse::Refusals;

/// The size of a socket's send buffer, in bytes. It bounds what the kernel holds for a client that does not read. Linux
/// doubles it.
const SEND_BUFFER: usize = 64 * 1024;

/// A server of WebSockets, event streams and plain HTTP on one port.
pub struct Server<H> {
    handler: Arc<H>,
    context: Arc<ServerContext>,
    wheels: Arc<PingWheels>,
    refusals: Refusals,
}

impl<H: Handler> Server<H> {
    /// Creates a server that asks this handler.
    pub fn new(options: Options, metrics: Metrics, handler: H) -> Self {
        Self {
            handler: Arc::new(handler),
            wheels: Arc::new(PingWheels::new(&options)),
            refusals: Refusals::new(),
            context: Arc::new(ServerContext::new(options, metrics)),
        }
    }

    /// Serves until `stopping` is cancelled, then drains: new clients are refused with 503, plain requests are still
    /// answered, and open clients are closed with 1012, spread over most of the time `drain_time`. Returns when all
    /// clients have disconnected or that time is over.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub async fn run(
        self,
        listener: std::net::TcpListener,
        stopping: CancellationToken,
        drain_time: Duration,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let socket = socket2::SockRef::from(&listener);
        // Accepted sockets inherit both.
        socket.set_tcp_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        let listener = TcpListener::from_std(listener)?;
        let _heartbeats = self.wheels.spawn();
        tokio::select! {
            never = self.accept_connections(&listener) => match never {},
            () = async {
                stopping.cancelled().await;
                drain(&self.context, &self.wheels, drain_time).await;
            } => {}
        }
        Ok(())
    }

    async fn accept_connections(&self, listener: &TcpListener) -> std::convert::Infallible {
        let mut rate = AcceptRateLimiter::new(self.context.options.accept_rate);
        loop {
            rate.wait().await;
            match listener.accept().await {
                Ok((stream, peer)) => self.serve(stream, peer.ip()),
                Err(error) => {
                    // Most likely the process has no file descriptors left: other connections have to end first.
                    warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: IpAddr) {
        let permit = match self.context.limiter.acquire(peer, &self.context.options) {
            Ok(permit) => permit,
            Err(limit) => return self.refusals.refuse(stream, peer, limit, &self.context),
        };
        let (context, handler, wheels) = (self.context.clone(), self.handler.clone(), self.wheels.clone());
        tokio::spawn(async move {
            // Boxed, so that the task of an open client does not keep the memory that establishing it took.
            let establishing = Box::pin(establish(stream, peer, permit, &context, &*handler));
            let Some(Established { connection, leftover, permit: _permit, mut session }) = establishing.await
            else {
                return;
            };
            wheels.add(&connection);
            context.metrics.record_open(connection.transport);
            connection_task::run(&connection, leftover, &mut *session).await;
            context.metrics.record_end(connection.transport);
        });
    }
}
