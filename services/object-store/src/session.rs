//! A client across its connections: what is to be said to it.
//!
//! A client is known by its identity. When a connection is reset, the client comes back and does not ask again, so what
//! it waits for is kept for a while and answered over its next connection.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::header::{self, Ask, HEADER_LEN, Outcome, RequestHeader};
use crate::request::{Answer, Remote, Totals};

/// An answer on its way to a client.
pub(crate) enum Outgoing {
    Ready {
        head: [u8; HEADER_LEN],
        payload: Bytes,
    },
    /// The answer to a get whose content is read when its turn comes, so that what is not read costs no memory.
    Remote {
        header: RequestHeader,
        remote: Remote,
    },
}

/// Answers that a connection takes at a time.
const AT_ONCE: usize = 128;

/// One client.
pub(crate) struct Session {
    /// Owner of what the client waits for.
    pub(crate) key: u64,
    identity: Bytes,
    outbox: Mutex<Outbox>,
    /// Tells that it has heard what was ready, see [`Session::heard`].
    hears: Notify,
    /// It will not come back: nothing more is to wait for it.
    gone: AtomicBool,
}

struct Outbox {
    /// To be said next, in this order.
    ready: VecDeque<Outgoing>,
    /// Requests that are being executed.
    open: usize,
    /// Which connection of the client speaks for it: the latest, which is told when there is something to say, and a last
    /// time when there is a newer one.
    connection: u64,
    news: Arc<Notify>,
    /// What was ready is being written.
    saying: bool,
    /// It was not worth waiting for it to hear.
    deaf: bool,
    /// Since when it has none, and the header whose payload is still to come.
    lost: Option<(Instant, Option<RequestHeader>)>,
}

impl Session {
    fn new(key: u64, identity: Bytes) -> Self {
        let outbox = Outbox {
            ready: VecDeque::new(),
            open: 0,
            connection: 0,
            news: Arc::default(),
            saying: false,
            deaf: false,
            lost: None,
        };
        let (outbox, hears) = (Mutex::new(outbox), Notify::new());
        Self { key, identity, outbox, hears, gone: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the answer to a request goes. Answers are said in the order in which they are given; `open` requests are
    /// counted until they are answered or wait.
    pub(crate) fn reply(self: &Arc<Self>, header: RequestHeader, open: bool) -> Reply {
        self.lock().open += usize::from(open);
        Reply { session: Arc::clone(self), header, open }
    }

    /// Requests that are being executed.
    pub(crate) fn open(&self) -> usize {
        self.lock().open
    }

    /// True if nothing is being executed, and nothing is to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        let outbox = self.lock();
        outbox.open == 0 && outbox.ready.is_empty()
    }

    /// Moves the next answers to `saying`, some at a time; false if the client has a newer connection than this.
    pub(crate) fn take(&self, connection: u64, saying: &mut VecDeque<Outgoing>) -> bool {
        let mut outbox = self.lock();
        if outbox.connection == connection {
            let some = outbox.ready.len().min(AT_ONCE);
            saying.extend(outbox.ready.drain(..some));
            outbox.saying |= some > 0;
            if outbox.ready.is_empty() {
                outbox.ready.shrink_to(AT_ONCE);
            }
        }
        outbox.connection == connection
    }

    /// What was taken has been written.
    pub(crate) fn said(&self) {
        let mut outbox = self.lock();
        outbox.saying = false;
        if outbox.ready.is_empty() {
            outbox.deaf = false;
            self.hears.notify_waiters();
        }
    }

    /// While it is deaf nobody waits for it to hear.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.lock().deaf = deaf;
        if deaf {
            self.hears.notify_waiters();
        }
    }

    /// Waits until the client's connection has written all that is ready, if that can be expected soon.
    pub(crate) async fn heard(&self) {
        loop {
            let hears = self.hears.notified();
            {
                let outbox = self.lock();
                let heard = outbox.ready.is_empty() && !outbox.saying;
                if heard || outbox.deaf || outbox.lost.is_some() || self.gone.load(Ordering::Acquire) {
                    return;
                }
            }
            hears.await;
        }
    }

    /// Takes back what a connection that ended has not said.
    fn put_back(&self, mut unsaid: VecDeque<Outgoing>) {
        let mut outbox = self.lock();
        unsaid.append(&mut outbox.ready);
        outbox.ready = unsaid;
        outbox.news.notify_one();
    }

    fn settle(&self, was_open: bool, outgoing: Option<Outgoing>) {
        let mut outbox = self.lock();
        outbox.open -= usize::from(was_open);
        outbox.ready.extend(outgoing);
        outbox.news.notify_one();
    }
}

/// Where the answer to one request of a client goes.
pub(crate) struct Reply {
    session: Arc<Session>,
    header: RequestHeader,
    open: bool,
}

impl Reply {
    pub(crate) fn owner(&self) -> u64 {
        self.session.key
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.session.gone.load(Ordering::Acquire)
    }

    pub(crate) fn answer(self, answer: Answer) {
        let outgoing = match answer {
            Answer::Remote(remote) => Outgoing::Remote { header: self.header, remote },
            answer => outgoing(&self.header, answer),
        };
        self.session.settle(self.open, Some(outgoing));
    }

    pub(crate) fn waits(&mut self) {
        if std::mem::take(&mut self.open) {
            self.session.settle(true, None);
        }
    }
}

/// The answer to `header` as it goes over the wire.
pub(crate) fn outgoing(header: &RequestHeader, answer: Answer) -> Outgoing {
    let (outcome, payload) = match (header.ask, answer) {
        (Ask::Set, Answer::Done) => (Outcome::Set, Bytes::new()),
        (Ask::Delete, Answer::Done) => (Outcome::Deleted, Bytes::new()),
        (Ask::Duplicate, Answer::Done) => (Outcome::Duplicated, Bytes::new()),
        (Ask::Get, Answer::Object(object)) => {
            let length = usize::try_from(header.payload_length).unwrap_or(usize::MAX).min(object.data.len());
            (Outcome::Got, object.data.slice(..length))
        }
        (Ask::Totals, Answer::Totals(totals)) => (Outcome::Totals, totals_payload(&totals)),
        // The released clients take this for a refusal.
        _ => (Outcome::NotExists, Bytes::new()),
    };
    let head = header::answer(&header.id, payload.len() as u64, header.request, outcome);
    Outgoing::Ready { head, payload }
}

fn totals_payload(totals: &Totals) -> Bytes {
    let Totals { ids, contents, bytes, waiting } = totals;
    let numbers = [ids, contents, bytes, &waiting.requests, &waiting.objects, &waiting.oldest_seconds];
    numbers.into_iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Every client of this node.
#[derive(Default)]
pub(crate) struct Sessions {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_identity: HashMap<Bytes, Arc<Session>>,
    keys: u64,
}

/// A client that has said hello.
pub(crate) struct Attached {
    pub(crate) session: Arc<Session>,
    /// Number of this connection among the client's.
    pub(crate) connection: u64,
    /// Says that [`Session::next`] may have something new.
    pub(crate) news: Arc<Notify>,
    /// The header whose payload its previous connection did not bring.
    pub(crate) unfinished: Option<RequestHeader>,
}

impl Sessions {
    /// The client with this identity, which speaks over a new connection from now on. One without identity is new.
    pub(crate) fn attach(&self, identity: Bytes) -> Attached {
        let mut known = self.lock();
        known.keys += 1;
        let fresh = Arc::new(Session::new(known.keys, identity.clone()));
        let session = match identity.is_empty() {
            true => fresh,
            false => Arc::clone(known.by_identity.entry(identity).or_insert(fresh)),
        };
        let mut outbox = session.lock();
        outbox.connection += 1;
        let connection = outbox.connection;
        let news = Arc::new(Notify::new());
        // The first notice is for what was answered while the client had no connection.
        news.notify_one();
        std::mem::replace(&mut outbox.news, Arc::clone(&news)).notify_one();
        let unfinished = outbox.lost.take().and_then(|(_, unfinished)| unfinished);
        drop(outbox);
        Attached { session, connection, news, unfinished }
    }

    /// The client's connection was reset: it may come back, and is told then what it has not been told.
    pub(crate) fn lose(
        &self,
        Attached { session, connection, .. }: &Attached,
        unfinished: Option<RequestHeader>,
        unsaid: VecDeque<Outgoing>,
    ) {
        session.put_back(unsaid);
        let mut outbox = session.lock();
        if outbox.connection == *connection {
            outbox.lost = Some((Instant::now(), unfinished));
            session.hears.notify_waiters();
        }
    }

    /// The client is gone, unless it has a newer connection. True if what it waits for is to be forgotten.
    pub(crate) fn remove(&self, session: &Session, connection: u64) -> bool {
        let mut known = self.lock();
        let gone = session.lock().connection == connection;
        session.gone.store(gone, Ordering::Release);
        session.hears.notify_waiters();
        if gone && known.by_identity.get(&session.identity).is_some_and(|other| other.key == session.key) {
            known.by_identity.remove(&session.identity);
        }
        gone
    }

    /// Removes the clients that were lost longer than `grace` ago, and names their keys.
    pub(crate) fn expire(&self, grace: Duration) -> Vec<u64> {
        let mut keys = Vec::new();
        self.lock().by_identity.retain(|_, session| {
            let expired = session.lock().lost.as_ref().is_some_and(|(since, _)| since.elapsed() >= grace);
            session.gone.store(expired, Ordering::Release);
            keys.extend(expired.then_some(session.key));
            !expired
        });
        keys
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
