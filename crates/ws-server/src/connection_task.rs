//! The task of an open connection: it reads from the socket, and writes what the socket did not take at once.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::connection::{Connection, ConnectionState, Flushed};
use crate::parser::{Event, Parser};
use crate::session::Session;
use crate::transport::Transport;

/// The size of the read buffer. Each thread has one, which serves all of its sockets.
const READ_SIZE: usize = 16 * 1024;

thread_local! {
    static BUFFER: std::cell::RefCell<Box<[u8; READ_SIZE]>> = std::cell::RefCell::new(Box::new([0; READ_SIZE]));
}

/// Runs until the connection has ended. `leftover` is what was read beyond the head of the request.
pub(crate) async fn run(connection: &Connection, mut leftover: Vec<u8>, session: &mut dyn Session) {
    let mut task = ConnectionTask {
        connection,
        session,
        parser: Parser::new(connection.context.options.max_message_size),
        deadline: None,
        received_close: false,
    };
    if !leftover.is_empty() {
        task.on_received(&mut leftover);
    }
    poll_fn(|cx| task.poll(cx)).await;
    connection.abort();
}

struct ConnectionTask<'a> {
    connection: &'a Connection,
    session: &'a mut dyn Session,
    parser: Parser,
    /// Exists only while the socket takes nothing, or a close frame is not answered.
    deadline: Option<(Deadline, Pin<Box<Sleep>>)>,
    /// The client has sent its close frame. Whatever it sends after that is ignored.
    received_close: bool,
}

/// What a connection has limited time for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deadline {
    Write,
    Close,
}

impl ConnectionTask<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.waker.register(cx.waker());
        if self.connection.state() == ConnectionState::Closed
            || self.poll_read(cx).is_err()
            || self.poll_write(cx).is_err()
            || self.poll_deadline(cx).is_ready()
        {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Reads until the socket has no more, or tokio's budget makes this task yield.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.connection.stream.poll_read_ready(cx)?.is_ready() {
            BUFFER.with_borrow_mut(|buffer| match self.connection.stream.try_read(&mut buffer[..]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.on_received(&mut buffer[..count]);
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(error),
            })?;
        }
        Ok(())
    }

    fn on_received(&mut self, bytes: &mut [u8]) {
        let connection = self.connection;
        connection.last_received_ms.store(connection.context.now_ms(), Ordering::Relaxed);
        if connection.transport == Transport::EventStream || self.received_close {
            return;
        }
        let received_close = &mut self.received_close;
        let result = self.parser.feed(bytes, |event| match event {
            Event::Ping(payload) => connection.pong(payload),
            Event::Close(code) => {
                *received_close = true;
                // 1005 stands for "no code" and must not be sent: the answer is a normal close.
                connection.close(if code == 1005 { 1000 } else { code }, "", "client");
            }
            Event::Message | Event::Pong => {}
        });
        for text in self.parser.take_texts() {
            self.session.on_text(&text);
        }
        if let Err(violation) = result {
            connection.close(violation.code, violation.reason, "protocol");
            // What follows cannot be parsed, but is read: unread bytes would reset the connection before the close frame
            // arrives.
            self.parser = Parser::new(usize::MAX);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            match self.connection.flush()? {
                Flushed::All => {
                    self.clear_write_deadline();
                    let ConnectionState::Closing(timeout) = self.connection.state() else { return Ok(()) };
                    // An event stream has no close frame: it ends with the connection.
                    if self.received_close || self.connection.transport == Transport::EventStream {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    self.start_deadline(Deadline::Close, timeout);
                    return Ok(());
                }
                Flushed::Blocked { progress } => {
                    if progress {
                        self.clear_write_deadline();
                    }
                    match self.connection.state() {
                        ConnectionState::Closing(timeout) => self.start_deadline(Deadline::Close, timeout),
                        _ => self
                            .start_deadline(Deadline::Write, self.connection.context.options.write_timeout),
                    }
                    if self.connection.stream.poll_write_ready(cx)?.is_pending() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn clear_write_deadline(&mut self) {
        if matches!(self.deadline, Some((Deadline::Write, _))) {
            self.deadline = None;
        }
    }

    /// Starts a deadline, unless the same one is already running.
    fn start_deadline(&mut self, deadline: Deadline, timeout: Duration) {
        if self.deadline.as_ref().is_none_or(|(current, _)| *current != deadline) {
            self.deadline = Some((deadline, Box::pin(tokio::time::sleep_until(Instant::now() + timeout))));
        }
    }

    /// Ready when the connection must end. A missed write deadline only starts the close.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((deadline, sleep)) = &mut self.deadline else { return Poll::Pending };
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if *deadline == Deadline::Close {
            return Poll::Ready(());
        }
        self.deadline = None;
        // This wakes the task again, which then waits for the close.
        self.connection.close_as_slow();
        Poll::Pending
    }
}
