//! One open client, as the service and the server's own parts see it.

use std::io;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::frame;
use crate::outbox::{MAX_SLICES, Outbox};
use crate::server::Shared;

/// How a client is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Frames, both ways.
    WebSocket,
    /// Server-sent events, one way.
    EventStream,
}

impl Transport {
    /// Appends a text as this transport carries it; only an event stream has a place for the id.
    pub fn encode(self, out: &mut BytesMut, id: Option<&str>, text: &str) {
        match self {
            Self::WebSocket => frame::text(out, text),
            Self::EventStream => frame::event(out, id, text),
        }
    }

    /// The label that metrics carry.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventStream => "event-stream",
        }
    }
}

/// A handle on an open client; clones are the same client.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Connection>);

impl Client {
    /// Sends messages that were encoded for the client's [`transport`](Self::transport): at once if the client keeps up,
    /// else when it can take them. Never waits. `false`: the client is closed, or was just given up for being too slow.
    pub fn send(&self, messages: &Bytes) -> bool {
        self.0.send(messages)
    }

    /// Closes with this code and reason, after what was sent before.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.close(code, reason, "service");
    }

    /// How the client is spoken to.
    pub fn transport(&self) -> Transport {
        self.0.transport
    }
}

/// How long a client may take to answer a close, and to read what was before it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// A slow client learns why it was closed if it starts to read again within this time.
const SLOW_CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// The close frame is on its way; nothing may follow it. The client has this long to read it and answer.
    Closing(Duration),
    Closed,
}

/// The connection behind a [`Client`]: whoever has a message writes it straight to the socket.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) transport: Transport,
    pub(crate) shared: Arc<Shared>,
    /// Wakes the connection's own task, which waits for the socket to take what it did not.
    pub(crate) task: AtomicWaker,
    /// When the client last sent anything, in milliseconds of the server's clock.
    pub(crate) last_heard: AtomicU64,
    state: Mutex<(Phase, Outbox)>,
}

/// What came of writing what waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing waits any more.
    All,
    /// The socket takes no more for now.
    Blocked {
        /// Something was taken before that.
        progress: bool,
    },
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, transport: Transport, head: Bytes, shared: Arc<Shared>) -> Self {
        Self {
            stream,
            transport,
            task: AtomicWaker::new(),
            last_heard: AtomicU64::new(shared.now_ms()),
            state: Mutex::new((Phase::Open, Outbox::starting_with(head))),
            shared,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state.lock().0
    }

    fn send(&self, messages: &Bytes) -> bool {
        let (phase, outbox) = &mut *self.state.lock();
        if *phase != Phase::Open {
            return false;
        }
        if outbox.is_empty() {
            match self.write(messages) {
                Ok(count) if count == messages.len() => return true,
                Ok(0) => {}
                Ok(count) => {
                    outbox.add_rest(messages.slice(count..));
                    self.task.wake();
                    return true;
                }
                Err(_) => {
                    // The connection's own task meets the same error when it reads, and ends.
                    *phase = Phase::Closed;
                    self.task.wake();
                    return false;
                }
            }
            // Its task is asleep: it has to be told to wait for the socket.
            self.task.wake();
        }
        let has_room = outbox.add(messages.clone(), self.shared.options.overflow);
        if !has_room {
            self.give_up(phase, outbox);
        }
        has_room
    }

    /// Sends a heartbeat. A client for which something waits needs none.
    pub(crate) fn beat(&self) {
        let (phase, outbox) = &mut *self.state.lock();
        if *phase == Phase::Open && outbox.is_empty() {
            let beat = &self.shared.beats[self.transport as usize];
            match self.write(beat) {
                Ok(count) if count == beat.len() => {}
                Ok(count) => {
                    outbox.add_rest(beat.slice(count..));
                    self.task.wake();
                }
                Err(_) => {
                    *phase = Phase::Closed;
                    self.task.wake();
                }
            }
        }
    }

    pub(crate) fn pong(&self, payload: &[u8]) {
        let (phase, outbox) = &mut *self.state.lock();
        if *phase == Phase::Open && !outbox.add_control(frame::pong(payload)) {
            self.give_up(phase, outbox);
        }
    }

    /// Closes after what waits. `cause` is what the metrics count it under.
    pub(crate) fn close(&self, code: u16, reason: &str, cause: &'static str) {
        let (phase, outbox) = &mut *self.state.lock();
        if *phase == Phase::Open {
            self.begin_close(phase, outbox, CLOSE_TIMEOUT, frame::close(code, reason), cause);
        }
    }

    /// Closes with a last message before the close frame, whatever else waits for room.
    pub(crate) fn close_for_restart(&self) {
        let (phase, outbox) = &mut *self.state.lock();
        if *phase == Phase::Open {
            if let Some(farewell) = &self.shared.farewells[self.transport as usize] {
                // A farewell is followed by the close: that it fits is of no interest.
                let _ = outbox.add_control(farewell.clone());
            }
            self.begin_close(phase, outbox, CLOSE_TIMEOUT, frame::close(1012, "service restart"), "restart");
        }
    }

    /// The client takes less than it is sent: it keeps what it has begun to get, and is told why it gets no more.
    pub(crate) fn close_for_slowness(&self) {
        let (phase, outbox) = &mut *self.state.lock();
        if *phase == Phase::Open {
            self.give_up(phase, outbox);
        }
    }

    /// Ends the connection without a word.
    pub(crate) fn abort(&self) {
        self.state.lock().0 = Phase::Closed;
        self.task.wake();
    }

    /// Writes what waits, as far as the socket takes it.
    pub(crate) fn flush(&self) -> io::Result<Flushed> {
        let outbox = &mut self.state.lock().1;
        let mut progress = false;
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = outbox.slices(&mut slices);
            match self.stream.try_write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.shared.metrics.wrote(written);
                    outbox.written(written);
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

    fn give_up(&self, phase: &mut Phase, outbox: &mut Outbox) {
        outbox.abandon();
        let frame = frame::close(1013, "too slow: reconnect to resume");
        self.begin_close(phase, outbox, SLOW_CLOSE_TIMEOUT, frame, "slow");
    }

    fn begin_close(
        &self,
        phase: &mut Phase,
        outbox: &mut Outbox,
        within: Duration,
        frame: Bytes,
        cause: &'static str,
    ) {
        *phase = Phase::Closing(within);
        if self.transport == Transport::WebSocket {
            // The last frame of all: whether there was room for it is of no interest.
            let _ = outbox.add_control(frame);
        }
        self.shared.metrics.closed(cause);
        self.task.wake();
    }

    /// How much the socket took at once; nothing if it is full.
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.try_write(bytes) {
            Ok(count) => {
                self.shared.metrics.wrote(count);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}
