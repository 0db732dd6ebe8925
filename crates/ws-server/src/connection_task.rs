//! The task of an open connection: it reads from the socket, and writes what the socket did not take at once.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::connection::{Connection, ConnectionState, Flushed};
use crate::message_reader::{Event, MessageReader};
use crate::session::Session;
use crate::transport::Transport;
use crate::unfinished::UnfinishedShare;

/// The size of the read buffer. Each thread has one, which serves all of its sockets.
const READ_SIZE: usize = 16 * 1024;

thread_local! {
    static BUFFER: std::cell::RefCell<Box<[u8; READ_SIZE]>> = std::cell::RefCell::new(Box::new([0; READ_SIZE]));
}

/// The close code of a client whose access has ended.
const ACCESS_EXPIRED: u16 = 4401;

/// Runs until the connection has ended. `leftover` is what was read beyond the head of the request.
pub(crate) async fn run(connection: &Connection, leftover: Vec<u8>, session: &mut dyn Session) {
    let mut task = ConnectionTask {
        connection,
        session,
        reader: MessageReader::new(connection.context.options.max_message_size),
        unfinished: connection.context.unfinished.share(),
        deadline: None,
        expiry: None,
        received_close: false,
        is_deaf: connection.transport == Transport::EventStream,
    };
    if !leftover.is_empty() {
        task.on_received(&leftover);
    }
    poll_fn(|cx| task.poll(cx)).await;
    connection.abort();
}

struct ConnectionTask<'a> {
    connection: &'a Connection,
    session: &'a mut dyn Session,
    reader: MessageReader,
    /// What the reader keeps.
    unfinished: UnfinishedShare<'a>,
    /// Exists only while the socket takes nothing, or a close frame is not answered.
    deadline: Option<(Deadline, Pin<Box<Sleep>>)>,
    /// When the client's access ends, by the server's clock. Exists only for a client whose access does end.
    expiry: Option<(u64, Pin<Box<Sleep>>)>,
    /// The client has sent its close frame.
    received_close: bool,
    /// What the client sends is ignored. It is read even so: unread bytes would reset the connection before the close frame
    /// arrives.
    is_deaf: bool,
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
        self.poll_expiry(cx);
        if self.connection.state() == ConnectionState::Closed
            || self.poll_socket(cx).is_err()
            || self.poll_deadline(cx).is_ready()
        {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Closes the client when its access has ended.
    fn poll_expiry(&mut self, cx: &mut Context<'_>) {
        let expires_ms = self.connection.expires_ms.load(Ordering::Relaxed);
        if self.expiry.as_ref().map_or(u64::MAX, |(time_ms, _)| *time_ms) != expires_ms {
            let sleep = || Box::pin(tokio::time::sleep_until(self.connection.context.instant(expires_ms)));
            self.expiry = (expires_ms != u64::MAX).then(|| (expires_ms, sleep()));
        }
        if self.expiry.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready()) {
            self.connection.close(ACCESS_EXPIRED, "the access token has expired", "expired");
        }
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            self.poll_read(cx)?;
            let stopped_reading = self.connection.has_many_replies();
            self.poll_write(cx)?;
            if !stopped_reading || self.connection.has_many_replies() {
                return Ok(());
            }
        }
    }

    /// Reads until the socket has no more, tokio's budget makes this task yield, or the client must read first.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.connection.has_many_replies() && self.connection.stream.poll_read_ready(cx)?.is_ready() {
            BUFFER.with_borrow_mut(|buffer| match self.connection.stream.try_read(&mut buffer[..]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.on_received(&buffer[..count]);
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(error),
            })?;
        }
        Ok(())
    }

    fn on_received(&mut self, bytes: &[u8]) {
        let Self { connection, session, .. } = self;
        connection.last_received_ms.store(connection.context.now_ms(), Ordering::Relaxed);
        if self.is_deaf {
            return;
        }
        let (mut pongs, mut answer_to_close) = (Vec::new(), None);
        let result = self.reader.feed(bytes, &mut pongs, |event| match event {
            // What follows a close of ours is of no use to the service.
            Event::Text(text) if connection.state() == ConnectionState::Open => session.on_text(text),
            Event::Text(_) => {}
            Event::Close(code) => answer_to_close = Some(code),
        });
        if !self.unfinished.set(self.reader.unfinished_bytes()) {
            connection.close(1013, "too many messages are unfinished now", "unfinished");
            self.is_deaf = true;
        }
        if !pongs.is_empty() {
            connection.reply(pongs);
        }
        if let Some(code) = answer_to_close {
            self.received_close = true;
            connection.close(code, "", "client");
        }
        if let Err(violation) = &result {
            connection.close(violation.code, &violation.reason, "protocol");
        }
        self.is_deaf |= result.is_err() || self.received_close;
        if self.is_deaf {
            // Frees what it keeps of a message that is not complete.
            self.reader = MessageReader::new(0);
            let _ = self.unfinished.set(0);
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
