//! One connection of a client: reads requests, has them executed, writes answers. One task does all of it, so a client
//! that does not read its answers is not listened to either, and no queue grows.

mod body;
mod end;
mod patience;

use std::collections::VecDeque;
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
use crate::request::{Answer, Asker, Content, Remote, Request, Woken};
use crate::session::{Attached, Outgoing, outgoing};
use crate::stream::Stream;
use crate::ymq::{Decoder, Item, hello};
pub(crate) use end::End;
use patience::{PROGRESS, Patience, Silence};

/// Answers that are gathered before they are written, in bytes.
const OUT_HIGH: usize = 256 << 10;
/// Room that a read is given: at first, and when it filled what it had.
const READ_MIN: usize = 4 << 10;
const READ_MAX: usize = 64 << 10;
/// Time for those who waited to be told, before the client that they waited for is.
const HEAR: Duration = Duration::from_millis(5);
/// Requests of one connection that wait for Redis at a time.
const OPEN_MAX: usize = 256;

/// Serves one client until its connection ends.
pub(crate) async fn serve(node: &Arc<Node>, stream: Stream, stopping: CancellationToken) -> End {
    let mut connection = Connection {
        decoder: Decoder::new(node.limits.max_object),
        node: Arc::clone(node),
        stream,
        input: BytesMut::new(),
        room: READ_MIN,
        out: Out::default(),
        saying: VecDeque::new(),
        client: None,
        says: false,
        woken: Woken::new(),
        held: false,
        patience: Patience::new(),
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
    /// Answers that are to be written down next.
    saying: VecDeque<Outgoing>,
    client: Option<Attached>,
    /// Some of it have been taken since they were last written.
    says: bool,
    /// Whoever is to hear of what this client did before this client does.
    woken: Woken,
    /// A large object is on its way to the store: what came after it has to wait.
    held: bool,
    patience: Patience,
    stopping: CancellationToken,
    stopped: bool,
}

impl Connection {
    async fn run(&mut self) -> Result<End, End> {
        let tick = self.node.limits.tick();
        let mut timer = Box::pin(tokio::time::sleep(tick));
        loop {
            let more = self.read_requests().await?;
            let settled = self.client.as_ref().is_none_or(|client| client.session.open() == 0);
            self.say_answers().await?;
            self.flush().await?;
            if self.stopped && settled {
                return Ok(End::Stopped);
            }
            if more && !self.is_held() {
                continue;
            }
            self.input.reserve(self.room);
            let (held, is_new, owes) =
                (self.is_held(), self.decoder.is_new(), self.decoder.owes_more(&self.input));
            tokio::select! {
                // What has come is read before it is looked whether to stop: a client does not ask again.
                biased;
                read = read(&mut self.stream, &mut self.input), if !held => {
                    self.patience.count(read?);
                    if !owes {
                        self.patience.renew();
                    }
                    self.room = if self.input.len() == self.input.capacity() { READ_MAX } else { READ_MIN };
                }
                () = news(self.client.as_ref()) => {}
                () = self.stopping.cancelled(), if !held && (is_new || !owes) => self.stopped = true,
                () = &mut timer => {
                    timer.as_mut().reset(Instant::now() + tick);
                    self.patience.check(self.silence(), &self.node.limits)?;
                }
            }
        }
    }

    /// Executes the requests that have come whole; true if there may be more that are held back.
    async fn read_requests(&mut self) -> Result<bool, End> {
        while !self.is_held() {
            let Some(item) = self.decoder.next(&mut self.input)? else { return Ok(false) };
            self.patience.renew();
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
                    self.held = self.node.store.uploads(payload.len());
                }
                Request::Set { id, content, metadata: Bytes::new() }
            }
            Ask::Get => Request::Get { id, or_wait: true, whole: false },
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

    async fn body(&mut self, header: RequestHeader) -> Result<(), End> {
        // The decoder has refused what is longer than an object may be, which is less than the address space.
        let length = header.payload_length as usize;
        // Boxed, so that clients without large objects do not carry the room for one.
        let receiving = Box::pin(body::receive(&self.node, &mut self.stream, &mut self.input, length));
        let content = receiving.await?;
        self.patience.renew();
        self.held = self.node.store.uploads(length);
        let id = header.id.clone();
        self.execute(&header, Request::Set { id, content, metadata: Bytes::new() }).await
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
            Some((answer, woken)) => {
                self.woken.extend(woken);
                self.answer(header, answer).await
            }
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
            if !client.session.take(client.connection, &mut self.saying) {
                return Err(End::Replaced);
            }
            self.says |= !self.saying.is_empty();
            if self.saying.is_empty() {
                self.held = self.held && client.session.open() > 0;
                break;
            }
            while let Some(outgoing) = self.saying.pop_front() {
                self.say(outgoing).await?;
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
                let again = Request::Get { id: header.id.clone(), or_wait: true, whole: true };
                self.node.store.execute(again, asker);
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
        if !self.woken.is_empty() {
            self.let_hear().await;
        }
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
        if let Some(client) = self.client.as_ref().filter(|_| std::mem::take(&mut self.says)) {
            client.session.said();
        }
        Ok(())
    }

    /// Waits until those whose requests waited for what this client did have been answered: they are to hear of it first. Not
    /// for long, if they do not read what they are told; and nobody waits for this client meanwhile, which would be for ever.
    async fn let_hear(&mut self) {
        let Some(client) = &self.client else { return };
        client.session.set_deaf(true);
        for other in self.woken.drain(..).filter(|other| other.key != client.session.key) {
            if timeout(HEAR, other.heard()).await.is_err() {
                other.set_deaf(true);
            }
        }
        client.session.set_deaf(false);
    }

    /// True if no further request may be looked at now.
    fn is_held(&self) -> bool {
        let Some(client) = self.client.as_ref().filter(|_| self.node.store.is_remote()) else {
            return self.stopped;
        };
        self.stopped || self.held || client.session.open() >= OPEN_MAX
    }

    fn silence(&self) -> Silence {
        if self.decoder.is_new() {
            Silence::New
        } else if self.decoder.owes_more(&self.input) && !self.is_held() {
            Silence::Owes
        } else {
            Silence::Idle
        }
    }

    async fn end(mut self, end: End) {
        if end.listens() {
            // What cannot be written is heard by nobody.
            let _ = self.flush().await;
        }
        let Self { node, stream, decoder, client, saying, .. } = self;
        if let Some(client) = client {
            if end.may_come_back() {
                node.sessions.lose(&client, decoder.unfinished(), saying);
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

/// Resolves when the client may have something new to be told, or a newer connection.
async fn news(client: Option<&Attached>) {
    match client {
        Some(client) => client.news.notified().await,
        None => std::future::pending().await,
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
