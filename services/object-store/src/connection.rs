//! One connection of a client: reads requests, has them executed, writes answers. One task does all of it, so a client
//! that does not read its answers is not listened to either, and no queue grows.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::header::{Ask, RequestHeader, decode_id};
use crate::node::Node;
use crate::out::Out;
use crate::request::{Answer, Asker, Content, Remote, Request};
use crate::session::{Attached, Next, Outgoing, outgoing};
use crate::stream::Stream;
use crate::ymq::{Decoder, Item, Malformed, hello};

/// Answers that are gathered before they are written, in bytes.
const OUT_HIGH: usize = 256 << 10;
/// Bytes that a slow client must move within the stall timeout.
const PROGRESS: usize = 256 << 10;
/// What an announced payload may cost before any of it has come.
const FAITH: usize = 1 << 20;
/// Requests of one connection that wait for Redis at a time.
/// Room that a read is given: at first, and when it filled what it had.
const READ_MIN: usize = 4 << 10;
const READ_MAX: usize = 64 << 10;
const OPEN_MAX: usize = 256;
/// Time for the hello.
const HELLO: Duration = Duration::from_secs(10);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum End {
    #[error("closed by the client")]
    Closed,
    #[error("reset by the client")]
    Reset,
    #[error("replaced by a newer connection of the same identity")]
    Replaced,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("stalled in the middle of a frame")]
    Stalled,
    #[error("idle")]
    Idle,
    #[error("too many requests of this client wait")]
    TooManyWaits,
    #[error("stopping")]
    Stopped,
}

/// Serves one client until its connection ends.
pub(crate) async fn serve(node: &Arc<Node>, stream: Stream, stopping: CancellationToken) -> End {
    let mut connection = Connection {
        decoder: Decoder::new(node.limits.max_object),
        node: Arc::clone(node),
        stream,
        input: BytesMut::new(),
        room: READ_MIN,
        out: Out::default(),
        client: None,
        held: false,
        progress: Instant::now(),
        unaccounted: 0,
        stopping,
        stopped: false,
    };
    let end = connection.run().await.unwrap_or_else(|end| end);
    connection.end(end).await;
    end
}

struct Connection {
    node: Arc<Node>,
    stream: Stream,
    decoder: Decoder,
    input: BytesMut,
    room: usize,
    out: Out,
    client: Option<Attached>,
    /// A large object is on its way to the store: what came after it has to wait.
    held: bool,
    /// When the client last completed something, and the bytes it has sent since.
    progress: Instant,
    unaccounted: usize,
    stopping: CancellationToken,
    stopped: bool,
}

impl Connection {
    async fn run(&mut self) -> Result<End, End> {
        let tick = self.node.limits.tick();
        let mut timer = Box::pin(tokio::time::sleep(tick));
        loop {
            let waiting = self.read_requests().await?;
            let settled = self.client.as_ref().is_none_or(|client| client.session.open() == 0);
            self.say_answers().await?;
            self.flush().await?;
            if self.stopped && settled {
                return Ok(End::Stopped);
            }
            if waiting && !self.is_held() {
                continue;
            }
            self.input.reserve(self.room);
            let owed = self.decoder.owes_more(&self.input);
            let (held, fresh) = (self.is_held(), CancellationToken::new());
            let leave = self.client.as_ref().map_or(&fresh, |client| &client.leave).clone();
            let changed = async {
                match &self.client {
                    Some(client) => client.session.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = read(&mut self.stream, &mut self.input), if !held => {
                    self.unaccounted += read?;
                    if !owed {
                        self.progressed();
                    }
                    self.room = if self.input.len() == self.input.capacity() { READ_MAX } else { READ_MIN };
                }
                () = changed => {}
                () = leave.cancelled() => return Ok(End::Replaced),
                // What is being executed is still answered.
                () = self.stopping.cancelled(), if !self.stopped => self.stopped = true,
                () = &mut timer => {
                    timer.as_mut().reset(Instant::now() + tick);
                    self.check_patience()?;
                }
            }
        }
    }

    /// Executes the requests that have come whole; true if there may be more that are held back.
    async fn read_requests(&mut self) -> Result<bool, End> {
        while !self.is_held() {
            let Some(item) = self.decoder.next(&mut self.input)? else {
                if self.unaccounted >= PROGRESS {
                    self.progressed();
                }
                return Ok(false);
            };
            self.progressed();
            match item {
                Item::Hello { version, identity } => self.hello(version, identity),
                Item::Request { header, payload } => self.request(header, payload).await?,
                Item::Body(header) => self.body(header).await?,
                Item::Refused(header) => self.execute(&header, Request::Nothing).await?,
            }
            if self.out.len() >= OUT_HIGH {
                self.flush().await?;
            }
        }
        Ok(true)
    }

    fn hello(&mut self, version: u8, identity: Bytes) {
        self.out.raw(&hello(version, self.node.identity.as_bytes()));
        let mut client = self.node.sessions.attach(identity);
        if let Some(header) = client.unfinished.take() {
            self.decoder.resume(header);
        }
        self.client = Some(client);
    }

    async fn request(&mut self, header: RequestHeader, payload: Bytes) -> Result<(), End> {
        let id = header.id.clone();
        let request = match header.ask {
            Ask::Set => {
                // A copy, so that a small object does not keep the connection's read buffer.
                let mut content = Content::new(Bytes::copy_from_slice(&payload));
                if self.node.store.is_remote() {
                    content.claim = Some(self.node.budget.claim(payload.len()).await);
                }
                Request::Set { id, content, metadata: Bytes::new() }
            }
            Ask::Get => Request::Get { id, or_wait: true },
            Ask::Delete => Request::Delete { id },
            Ask::Duplicate => match decode_id(&payload) {
                Some(original) => Request::Duplicate { id, original },
                None => Request::Nothing,
            },
            Ask::Totals => Request::Totals,
            Ask::Unknown(_) => Request::Nothing,
        };
        self.execute(&header, request).await
    }

    /// Receives a payload too large to be gathered with its header. Its length is believed once the first of it has come.
    async fn body(&mut self, header: RequestHeader) -> Result<(), End> {
        // The decoder has refused what is longer than an object may be, which is less than the address space.
        let length = header.payload_length as usize;
        let mut body = Vec::with_capacity(length.min(FAITH));
        body.extend_from_slice(&self.input.split_to(self.input.len().min(length)));
        let mut hasher = blake3::Hasher::new();
        hasher.update(&body);
        self.receive(&mut body, &mut hasher, length.min(FAITH)).await?;
        let claim = self.node.budget.claim(length).await;
        body.reserve_exact(length - body.len());
        self.receive(&mut body, &mut hasher, length).await?;
        let content = Content { data: body.into(), hash: *hasher.finalize().as_bytes(), claim: Some(claim) };
        self.held = self.node.store.is_remote();
        let id = header.id.clone();
        self.execute(&header, Request::Set { id, content, metadata: Bytes::new() }).await
    }

    async fn receive(
        &mut self,
        body: &mut Vec<u8>,
        hasher: &mut blake3::Hasher,
        until: usize,
    ) -> Result<(), End> {
        while body.len() < until {
            let start = body.len();
            let goal = until.min(start + PROGRESS);
            let reading = async {
                while body.len() < goal {
                    let left = goal - body.len();
                    read(&mut self.stream, &mut (&mut *body).limit(left)).await?;
                }
                Ok(())
            };
            timeout(self.node.limits.stall, reading).await.unwrap_or(Err(End::Stalled))?;
            // Hashed here, where it is still in the processor's cache.
            hasher.update(&body[start..]);
        }
        self.progressed();
        Ok(())
    }

    async fn execute(&mut self, header: &RequestHeader, request: Request) -> Result<(), End> {
        let Some(client) = &self.client else { return Ok(()) };
        let store = &self.node.store;
        self.node.metrics.asked(header.ask);
        if let Request::Nothing = request {
            self.node.metrics.refused.inc();
        }
        let asker = || Asker::Client(client.session.reply(header.clone(), store.is_remote()));
        match store.execute(request, asker) {
            Some(answer) => self.answer(header, answer).await,
            None if store.waits_of(client.session.key) > self.node.limits.max_waits => Err(End::TooManyWaits),
            None => Ok(()),
        }
    }

    /// Answers a request that was executed at once, after what it made possible to answer.
    async fn answer(&mut self, header: &RequestHeader, answer: Answer) -> Result<(), End> {
        if let Answer::Refused(_) = answer {
            self.node.metrics.refused.inc();
        }
        self.say_answers().await?;
        self.say(outgoing(header, answer)).await
    }

    /// Writes down what is to be said, in order.
    async fn say_answers(&mut self) -> Result<(), End> {
        while let Some(client) = &self.client {
            match client.session.next(client.connection) {
                Next::Say(outgoing) => self.say(outgoing).await?,
                Next::Leave => return Err(End::Replaced),
                Next::Nothing => {
                    self.held = self.held && client.session.open() > 0;
                    break;
                }
            }
        }
        Ok(())
    }

    async fn say(&mut self, outgoing: Outgoing) -> Result<(), End> {
        match outgoing {
            Outgoing::Ready { head, payload } => self.out.answer(&head, payload),
            Outgoing::Remote { header, remote } => self.say_remote(&header, remote).await?,
        }
        if self.out.len() >= OUT_HIGH { self.flush().await } else { Ok(()) }
    }

    /// Answers a get with a content that is read only now: a client that does not read is not read for.
    async fn say_remote(&mut self, header: &RequestHeader, remote: Remote) -> Result<(), End> {
        let length = usize::try_from(remote.length.min(header.payload_length)).unwrap_or(usize::MAX);
        let claim = self.node.budget.claim(length).await;
        let Some(object) = self.node.store.fetch(&remote, length as u64).await else {
            // Replaced or deleted since: asked again, it is answered with what there is, or when there is something.
            if let Some(client) = &self.client {
                let asker = || Asker::Client(client.session.reply(header.clone(), false));
                self.node.store.execute(Request::Get { id: header.id.clone(), or_wait: true }, asker);
            }
            return Ok(());
        };
        if let Outgoing::Ready { head, payload } = outgoing(header, Answer::Object(object)) {
            self.out.answer(&head, payload);
        }
        self.flush().await?;
        drop(claim);
        Ok(())
    }

    /// Writes everything; a client must take [`PROGRESS`] bytes, or all, within the stall timeout.
    async fn flush(&mut self) -> Result<(), End> {
        while self.out.len() > 0 {
            let goal = self.out.len().saturating_sub(PROGRESS);
            let writing = async {
                while self.out.len() > goal {
                    self.out.write(&mut self.stream).await?;
                }
                Ok(())
            };
            match timeout(self.node.limits.stall, writing).await {
                Ok(written) => written.map_err(|_: io::Error| End::Reset)?,
                Err(_) => return Err(End::Stalled),
            }
        }
        if let Stream::Tls(stream) = &mut self.stream {
            stream.flush().await.map_err(|_| End::Reset)?;
        }
        Ok(())
    }

    /// True if no further request may be looked at now.
    fn is_held(&self) -> bool {
        let Some(client) = self.client.as_ref().filter(|_| self.node.store.is_remote()) else {
            return self.stopped;
        };
        self.stopped || self.held || client.session.open() >= OPEN_MAX
    }

    fn progressed(&mut self) {
        self.progress = Instant::now();
        self.unaccounted = 0;
    }

    fn check_patience(&self) -> Result<(), End> {
        let limits = &self.node.limits;
        let (patience, end) =
            match (self.decoder.is_new(), self.decoder.owes_more(&self.input) && !self.is_held()) {
                (true, _) => (Some(limits.stall.min(HELLO)), End::Stalled),
                (false, true) => (Some(limits.stall), End::Stalled),
                (false, false) => (limits.idle, End::Idle),
            };
        if patience.is_some_and(|patience| self.progress.elapsed() >= patience) { Err(end) } else { Ok(()) }
    }

    async fn end(mut self, end: End) {
        if let End::Closed | End::Malformed(_) | End::Stopped = end {
            // What was answered already is still said, to a client that listens.
            let _ = self.flush().await;
        }
        let Self { node, stream, decoder, client, .. } = self;
        if let Some(client) = client {
            let comes_back = matches!(end, End::Reset | End::Stalled | End::Idle | End::Stopped);
            if comes_back {
                node.sessions.lose(&client.session, client.connection, decoder.unfinished());
            } else if node.sessions.remove(&client.session, client.connection) {
                node.store.forget(client.session.key);
            }
        }
        match end {
            End::Reset | End::Stalled | End::Idle => drop(stream),
            End::Stopped => stream.reset(node.limits.stall).await,
            End::Closed | End::Replaced | End::Malformed(_) | End::TooManyWaits => stream.finish().await,
        }
    }
}

/// Reads what there is, at least one byte.
async fn read(stream: &mut Stream, into: &mut impl BufMut) -> Result<usize, End> {
    match stream.read_buf(into).await {
        Ok(0) => Err(End::Closed),
        Ok(read) => Ok(read),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(End::Closed),
        Err(_) => Err(End::Reset),
    }
}
