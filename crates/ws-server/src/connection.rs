//! The life of an open client: one small task that reads, and writes what the socket did not take at once.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::client::{Connection, Flushed, Phase, Transport};
use crate::parser::{Event, Parser};

/// Bytes taken from a socket at once. One buffer serves every socket of a thread.
const READ_SIZE: usize = 16 * 1024;

thread_local! {
    static BUFFER: std::cell::RefCell<Box<[u8; READ_SIZE]>> = std::cell::RefCell::new(Box::new([0; READ_SIZE]));
}

/// Runs until the client is gone. `early` is what came with the request's head.
pub(crate) async fn run(connection: &Connection, mut early: Vec<u8>) {
    let mut pump = Pump {
        connection,
        parser: Parser::new(connection.shared.options.max_message_size),
        deadline: None,
        heard_close: false,
    };
    if !early.is_empty() {
        pump.heard(&mut early);
    }
    poll_fn(|cx| pump.poll(cx)).await;
    connection.abort();
}

struct Pump<'a> {
    connection: &'a Connection,
    parser: Parser,
    /// When to give up: exists only while the socket takes nothing, or a close is not answered.
    deadline: Option<(Deadline, Pin<Box<Sleep>>)>,
    /// The client has sent its close frame, the last thing that it says.
    heard_close: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deadline {
    Write,
    Close,
}

impl Pump<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.task.register(cx.waker());
        if self.connection.phase() == Phase::Closed
            || self.read(cx).is_err()
            || self.write(cx).is_err()
            || self.late(cx)
        {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Takes what came, until there is no more or it is another task's turn.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.connection.stream.poll_read_ready(cx)?.is_ready() {
            BUFFER.with_borrow_mut(|buffer| match self.connection.stream.try_read(&mut buffer[..]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.heard(&mut buffer[..count]);
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(error),
            })?;
        }
        Ok(())
    }

    fn heard(&mut self, bytes: &mut [u8]) {
        let connection = self.connection;
        connection.last_heard.store(connection.shared.now_ms(), Ordering::Relaxed);
        if connection.transport == Transport::EventStream || self.heard_close {
            return;
        }
        let heard_close = &mut self.heard_close;
        let outcome = self.parser.feed(bytes, |event| match event {
            Event::Ping(payload) => connection.pong(payload),
            Event::Close(code) => {
                *heard_close = true;
                // "No code" is never sent: it is answered as a normal close.
                connection.close(if code == 1005 { 1000 } else { code }, "", "client");
            }
            Event::Message | Event::Pong => {}
        });
        if let Err(violation) = outcome {
            connection.close(violation.code, violation.reason, "protocol");
            // What follows cannot be understood, but has to be read for the close to arrive.
            self.parser = Parser::new(usize::MAX);
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            match self.connection.flush()? {
                Flushed::All => {
                    self.took_some();
                    let Phase::Closing(within) = self.connection.phase() else { return Ok(()) };
                    // An event stream has no close of its own: it ends with the connection.
                    if self.heard_close || self.connection.transport == Transport::EventStream {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    self.expect(Deadline::Close, within);
                    return Ok(());
                }
                Flushed::Blocked { progress } => {
                    if progress {
                        self.took_some();
                    }
                    match self.connection.phase() {
                        Phase::Closing(within) => self.expect(Deadline::Close, within),
                        _ => self.expect(Deadline::Write, self.connection.shared.options.write_timeout),
                    }
                    if self.connection.stream.poll_write_ready(cx)?.is_pending() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn took_some(&mut self) {
        if matches!(self.deadline, Some((Deadline::Write, _))) {
            self.deadline = None;
        }
    }

    fn expect(&mut self, deadline: Deadline, within: Duration) {
        if self.deadline.as_ref().is_none_or(|(current, _)| *current != deadline) {
            self.deadline = Some((deadline, Box::pin(tokio::time::sleep_until(Instant::now() + within))));
        }
    }

    /// Whether the client has used up its time for good.
    fn late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((deadline, sleep)) = &mut self.deadline else { return false };
        if sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        if *deadline == Deadline::Close {
            return true;
        }
        self.deadline = None;
        // Wakes this task, which then waits for the close instead.
        self.connection.close_for_slowness();
        false
    }
}
