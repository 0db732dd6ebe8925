//! The sessions of all clients of this node, by identity.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::attachment::Attachment;
use crate::session::Session;
use crate::session::link::{Predecessor, Signals};

/// Every client of this node.
#[derive(Default)]
pub(crate) struct SessionRegistry {
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    by_identity: HashMap<Bytes, Arc<Session>>,
    last_id: u64,
}

impl SessionRegistry {
    /// Attaches a new connection to the session with this identity. A client without an identity gets a new session.
    pub(crate) fn attach(&self, identity: Bytes) -> (Attachment, Predecessor) {
        let mut sessions = self.sessions.lock();
        sessions.last_id += 1;
        let new = Arc::new(Session::new(sessions.last_id, identity.clone()));
        let session = match identity.is_empty() {
            true => new,
            false => Arc::clone(sessions.by_identity.entry(identity).or_insert(new)),
        };
        Attachment::new(session)
    }

    /// Closes the session, unless the client has a newer connection. True if its waiting requests are to be cancelled.
    pub(crate) fn close(&self, session: &Session, connection: &Arc<Signals>) -> bool {
        let mut sessions = self.sessions.lock();
        let closed = session.close(connection);
        let known = sessions.by_identity.get(&session.identity);
        if closed && known.is_some_and(|known| known.id == session.id) {
            sessions.by_identity.remove(&session.identity);
        }
        closed
    }

    /// Closes the sessions of clients that have been disconnected for at least `grace`. Returns their ids.
    pub(crate) fn expire(&self, grace: Duration) -> Vec<u64> {
        let mut expired = Vec::new();
        self.sessions.lock().by_identity.retain(|_, session| {
            let is_expired = session.expire(grace);
            expired.extend(is_expired.then_some(session.id));
            !is_expired
        });
        expired
    }
}
