//! One connection of a client: reads requests, has them executed, writes answers. One task does all of it, so a client
//! that does not read its answers is not listened to either, and no queue grows.

mod body;
mod end;
mod parting;
mod patience;
mod saying;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::header::{Ask, RequestHeader, decode_id};
use crate::node::Node;
use crate::out::Out;
use crate::request::{Asker, Content, Request, Woken};
use crate::session::{Attached, Outgoing};
use crate::stream::Stream;
use crate::ymq::{Decoder, Item, hello};
pub(crate) use end::End;
use parting::stops;
use patience::{Patience, Silence};
use saying::OUT_HIGH;

/// Room that a read is given: at first, and when it filled what it had.
const READ_MIN: usize = 4 << 10;
const READ_MAX: usize = 64 << 10;
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
        gets: false,
        next: None,
        patience: Patience::new(),
        stopping,
        stopped: false,
        parted: false,
        said: Instant::now(),
        latest: None,
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
    /// Some of what is open or unsaid may be gets. A change waits for them, or they could be answered with what came of it, on
    /// whatever way: a batch that is sent again is read anew, and a large content is read when its answer is said.
    gets: bool,
    /// The change that waits.
    next: Option<Item>,
    patience: Patience,
    stopping: CancellationToken,
    /// No request is read any more until those that are open are answered.
    stopped: bool,
    /// It has been said goodbye to the client: nothing more is written.
    parted: bool,
    /// When something was written last.
    said: Instant,
    /// When it is stopped at the latest.
    latest: Option<Instant>,
}

impl Connection {
    async fn run(&mut self) -> Result<End, End> {
        let tick = self.node.limits.tick();
        let mut timer = Box::pin(tokio::time::sleep(tick));
        loop {
            let more = self.read_requests().await?;
            let settled = self.open() == 0;
            self.say_answers().await?;
            if settled && (self.stopped || self.may_part()) {
                return Ok(self.part().await);
            }
            self.flush().await?;
            if more && !self.is_held() {
                continue;
            }
            self.input.reserve(self.room);
            let rest = self.rest();
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
                () = stops(&self.stopping, rest), if !held && (is_new || !owes) => {
                    self.stopped = self.rest().is_none_or(|until| until <= Instant::now());
                }
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
            let next = match self.next.take() {
                Some(item) => Some(item),
                None => self.decoder.next(&mut self.input)?,
            };
            let Some(item) = next else { return Ok(false) };
            self.patience.renew();
            if self.gets && item.changes() {
                self.next = Some(item);
                continue;
            }
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
        // Its previous connection may have left some.
        self.gets = self.node.store.is_remote();
    }

    async fn request(&mut self, header: RequestHeader, payload: Bytes) -> Result<(), End> {
        let id = header.id.clone();
        let request = match header.ask {
            Ask::Set => {
                // A copy, so that a small object does not keep the connection's read buffer.
                let length = payload.len();
                let keeps = self.node.store.keeps(length);
                let mut content =
                    Content::new(if keeps { Bytes::copy_from_slice(&payload) } else { payload });
                if self.node.store.is_remote() {
                    content.claim = Some(self.node.budget.claim(length).await);
                    self.held = self.node.store.uploads(length);
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
        self.gets |= store.is_remote() && header.ask == Ask::Get;
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

    /// Requests that are being executed.
    fn open(&self) -> usize {
        self.client.as_ref().map_or(0, |client| client.session.open())
    }

    /// True if no further request may be looked at now.
    fn is_held(&self) -> bool {
        let waits = self.held || self.gets && self.next.is_some();
        self.stopped || self.node.store.is_remote() && (waits || self.open() >= OPEN_MAX)
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
