//! One open connection, as everyone but its own task uses it: messages are written straight to the socket, and only what
//! the socket does not take waits in the outbox.

use std::io;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::context::ServerContext;
use crate::frame;
use crate::options::Overflow;
use crate::outbox::{MAX_SLICES, Outbox};
use crate::transport::Transport;

/// How long a client may take to read what was sent before the close, and to answer the close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for a slow client: if it reads again within this time, it learns why it was closed.
const SLOW_CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

/// A client for which no more bytes wait counts as drained.
const DRAINED_BYTES: usize = 16 * 1024;

/// The connection behind a [`Client`](crate::Client).
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) transport: Transport,
    pub(crate) context: Arc<ServerContext>,
    /// Wakes the connection's own task, which writes the outbox when the socket is writable again.
    pub(crate) waker: AtomicWaker,
    /// When the client last sent anything, by [`ServerContext::now_ms`].
    pub(crate) last_received_ms: AtomicU64,
    /// When the client's access ends, by the same clock. See [`Client::expire_at`](crate::Client::expire_at).
    pub(crate) expires_ms: AtomicU64,
    /// Told when bytes of the outbox were written, and when the connection closes.
    taken: Notify,
    write_half: Mutex<WriteHalf>,
}

struct WriteHalf {
    state: ConnectionState,
    outbox: Outbox,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    Open,
    /// The close frame is sent or waits in the outbox, and nothing may follow it. The client has this long to read and
    /// answer it.
    Closing(Duration),
    Closed,
}

/// The result of writing the outbox to the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// The outbox is empty.
    All,
    /// The socket takes no more for now.
    Blocked {
        /// It took something before that.
        progress: bool,
    },
}

impl Connection {
    /// `head` is the head of the HTTP response. It is written before everything else.
    pub(crate) fn new(
        stream: TcpStream,
        transport: Transport,
        head: Bytes,
        context: Arc<ServerContext>,
    ) -> Self {
        Self {
            stream,
            transport,
            waker: AtomicWaker::new(),
            last_received_ms: AtomicU64::new(context.now_ms()),
            expires_ms: AtomicU64::new(u64::MAX),
            taken: Notify::new(),
            write_half: Mutex::new(WriteHalf {
                state: ConnectionState::Open,
                outbox: Outbox::starting_with(head),
            }),
            context,
        }
    }

    pub(crate) fn state(&self) -> ConnectionState {
        self.write_half.lock().state
    }

    /// Whether the client has taken nearly all that it was sent. `None`: it is closed.
    pub(crate) fn is_drained(&self) -> Option<bool> {
        let write_half = self.write_half.lock();
        (write_half.state == ConnectionState::Open).then(|| write_half.outbox.bytes() <= DRAINED_BYTES)
    }

    /// See [`Client::drained`](crate::Client::drained).
    pub(crate) async fn drained(&self) -> bool {
        loop {
            // First this, so that nothing is missed in between.
            let mut taken = std::pin::pin!(self.taken.notified());
            taken.as_mut().enable();
            match self.is_drained() {
                Some(false) => taken.await,
                drained => return drained.is_some(),
            }
        }
    }

    /// See [`Client::send_latest`](crate::Client::send_latest).
    pub(crate) fn send(&self, messages: &Bytes, slot: u32) -> bool {
        let overflow = self.context.options.overflow;
        self.write_or(messages, |outbox| outbox.push_message(messages.clone(), overflow, slot))
    }

    /// See [`Client::send_notice`](crate::Client::send_notice).
    pub(crate) fn send_notice(&self, message: &Bytes) -> bool {
        match self.context.options.overflow {
            Overflow::Close { .. } => self.send(message, 0),
            Overflow::KeepLatest => self.write_or(message, |outbox| outbox.push_control(message.clone())),
        }
    }

    /// Writes the messages at once, or else adds them to the outbox by `push`, which says whether they fit.
    fn write_or(&self, messages: &Bytes, push: impl FnOnce(&mut Outbox) -> bool) -> bool {
        let write_half = &mut *self.write_half.lock();
        if write_half.state != ConnectionState::Open {
            return false;
        }
        if write_half.outbox.is_empty() {
            match self.try_write(messages) {
                Ok(count) if count == messages.len() => return true,
                Ok(0) => {}
                Ok(count) => {
                    write_half.outbox.push_remainder(messages.slice(count..));
                    self.waker.wake();
                    return true;
                }
                Err(_) => {
                    // The connection's task gets the same error when it reads, and ends.
                    write_half.state = ConnectionState::Closed;
                    self.waker.wake();
                    return false;
                }
            }
            // The connection's task must start to wait until the socket is writable.
            self.waker.wake();
        }
        let fits = push(&mut write_half.outbox);
        if !fits {
            self.start_slow_close(write_half);
        }
        fits
    }

    /// Sends the heartbeat. If something waits in the outbox, the client gets a sign of life anyway, and is only asked for
    /// one of its own.
    pub(crate) fn ping(&self) {
        let write_half = &mut *self.write_half.lock();
        if write_half.state != ConnectionState::Open {
            return;
        }
        if !write_half.outbox.is_empty() {
            if self.transport == Transport::WebSocket {
                // If it does not fit, the client is slow, and will be closed as that.
                let _ = write_half.outbox.push_control(self.context.protocol_ping.clone());
            }
        } else {
            let ping = self.context.ping(self.transport);
            match self.try_write(ping) {
                Ok(count) if count == ping.len() => {}
                Ok(count) => {
                    write_half.outbox.push_remainder(ping.slice(count..));
                    self.waker.wake();
                }
                Err(_) => {
                    write_half.state = ConnectionState::Closed;
                    self.waker.wake();
                }
            }
        }
    }

    /// Adds the answers to pings of the client. The caller reads no more while [`has_many_replies`](Self::has_many_replies).
    pub(crate) fn reply(&self, pongs: Vec<u8>) {
        let write_half = &mut *self.write_half.lock();
        if write_half.state == ConnectionState::Open {
            let _ = write_half.outbox.push_control(pongs.into());
        }
    }

    /// Whether so many control frames wait that the client must read some before more of it is read.
    pub(crate) fn has_many_replies(&self) -> bool {
        self.write_half.lock().outbox.has_many_controls()
    }

    /// Closes after what is in the outbox. `cause` is the value of the metrics' label.
    pub(crate) fn close(&self, code: u16, reason: &str, cause: &'static str) {
        let write_half = &mut *self.write_half.lock();
        if write_half.state == ConnectionState::Open {
            self.start_close(write_half, CLOSE_TIMEOUT, frame::encode_close(code, reason), cause);
        }
    }

    /// Closes with 1012 because the server stops. The drain message, if there is one, precedes the close frame.
    pub(crate) fn close_for_restart(&self) {
        let write_half = &mut *self.write_half.lock();
        if write_half.state == ConnectionState::Open {
            if let Some(message) = self.context.drain_message(self.transport) {
                // The connection is closed next, so a full outbox changes nothing.
                let _ = write_half.outbox.push_control(message.clone());
            }
            let frame = frame::encode_close(1012, "service restart");
            self.start_close(write_half, CLOSE_TIMEOUT, frame, "restart");
        }
    }

    /// Closes with 1013. The client still gets the rest of a message that is partly written.
    pub(crate) fn close_as_slow(&self) {
        let write_half = &mut *self.write_half.lock();
        if write_half.state == ConnectionState::Open {
            self.start_slow_close(write_half);
        }
    }

    /// Ends the connection without a close frame.
    pub(crate) fn abort(&self) {
        self.write_half.lock().state = ConnectionState::Closed;
        self.taken.notify_waiters();
        self.waker.wake();
    }

    /// Writes the outbox, as far as the socket takes it.
    pub(crate) fn flush(&self) -> io::Result<Flushed> {
        let outbox = &mut self.write_half.lock().outbox;
        let mut progress = false;
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = outbox.io_slices(&mut slices);
            match self.stream.try_write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.context.metrics.record_write(written);
                    outbox.advance(written);
                    self.taken.notify_waiters();
                    progress = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flushed::Blocked { progress });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Flushed::All)
    }

    fn start_slow_close(&self, write_half: &mut WriteHalf) {
        write_half.outbox.discard_unsent();
        let frame = frame::encode_close(1013, "too slow: reconnect to resume");
        self.start_close(write_half, SLOW_CLOSE_TIMEOUT, frame, "slow");
    }

    fn start_close(&self, write_half: &mut WriteHalf, timeout: Duration, frame: Bytes, cause: &'static str) {
        write_half.state = ConnectionState::Closing(timeout);
        self.taken.notify_waiters();
        if self.transport == Transport::WebSocket {
            // Nothing follows this frame, so it does not matter that it exceeds the outbox's limit.
            let _ = write_half.outbox.push_control(frame);
        }
        self.context.metrics.record_close(cause);
        self.waker.wake();
    }

    /// Returns how many bytes the socket took; 0 if it takes none for now.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.try_write(bytes) {
            Ok(count) => {
                self.context.metrics.record_write(count);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}
