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
use tokio_util::sync::CancellationToken;

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

/// One client.
pub(crate) struct Session {
    /// Owner of what the client waits for.
    pub(crate) key: u64,
    identity: Bytes,
    outbox: Mutex<Outbox>,
    changed: Notify,
    /// It will not come back: nothing more is to wait for it.
    gone: AtomicBool,
}

struct Outbox {
    /// To be said next, in this order.
    ready: VecDeque<Outgoing>,
    /// Requests that are being executed.
    open: usize,
    /// Which connection of the client speaks for it: the latest. The token tells it when there is a newer one.
    connection: u64,
    leave: CancellationToken,
    /// Since when it has none, and the header whose payload is still to come.
    lost: Option<(Instant, Option<RequestHeader>)>,
}

/// What the connection that asked is to do.
pub(crate) enum Next {
    Say(Outgoing),
    /// Nothing for now.
    Nothing,
    /// The client has a newer connection.
    Leave,
}

impl Session {
    fn new(key: u64, identity: Bytes) -> Self {
        let outbox = Outbox {
            ready: VecDeque::new(),
            open: 0,
            connection: 0,
            leave: CancellationToken::new(),
            lost: None,
        };
        Self {
            key,
            identity,
            outbox: Mutex::new(outbox),
            changed: Notify::new(),
            gone: AtomicBool::new(false),
        }
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

    /// Resolves when [`Session::next`] may have something new to say.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The next answer for the client's connection number `connection`.
    pub(crate) fn next(&self, connection: u64) -> Next {
        let mut outbox = self.lock();
        if outbox.connection != connection {
            // What woke this connection was meant for the newer one.
            self.changed.notify_one();
            return Next::Leave;
        }
        outbox.ready.pop_front().map_or(Next::Nothing, Next::Say)
    }

    fn settle(&self, was_open: bool, outgoing: Option<Outgoing>) {
        let mut outbox = self.lock();
        outbox.open -= usize::from(was_open);
        outbox.ready.extend(outgoing);
        drop(outbox);
        self.changed.notify_one();
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
    /// Cancelled when the client has a newer one.
    pub(crate) leave: CancellationToken,
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
        let leave = CancellationToken::new();
        std::mem::replace(&mut outbox.leave, leave.clone()).cancel();
        let unfinished = outbox.lost.take().and_then(|(_, unfinished)| unfinished);
        drop(outbox);
        Attached { session, connection, leave, unfinished }
    }

    /// The client's connection was reset: it may come back.
    pub(crate) fn lose(&self, session: &Session, connection: u64, unfinished: Option<RequestHeader>) {
        let mut outbox = session.lock();
        if outbox.connection == connection {
            outbox.lost = Some((Instant::now(), unfinished));
        }
    }

    /// The client is gone, unless it has a newer connection. True if what it waits for is to be forgotten.
    pub(crate) fn remove(&self, session: &Session, connection: u64) -> bool {
        let mut known = self.lock();
        let gone = session.lock().connection == connection;
        session.gone.store(gone, Ordering::Release);
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
