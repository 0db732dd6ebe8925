//! The reads under way, by the client that asked. A client's change waits for them: a batch that is sent again makes its changes
//! once but reads anew, and what it reads must not be what came of a later request of the same client, by whatever way: a
//! duplicate that waited, on any node, or another client that was told.

use std::collections::HashMap;

use super::operation::Operation;

/// How many reads of each client are under way.
#[derive(Default)]
pub(super) struct Reads(HashMap<u64, u32>);

/// What an operation does, and the client that asked for it.
pub(super) enum Use {
    Reads(u64),
    Changes(u64),
    /// Nothing that comes in an order.
    Nothing,
}

impl Reads {
    /// An operation is about to be sent; false if it has to wait.
    pub(super) fn begin(&mut self, operation: &Operation) -> bool {
        match operation.of() {
            Use::Reads(client) => *self.0.entry(client).or_default() += 1,
            Use::Changes(client) => return !self.0.contains_key(&client),
            Use::Nothing => {}
        }
        true
    }

    /// Its reply has come.
    pub(super) fn end(&mut self, operation: &Operation) {
        let Use::Reads(client) = operation.of() else { return };
        if let Some(count) = self.0.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::super::operation::Then;
    use super::*;
    use crate::header::{Ask, RequestHeader};
    use crate::id::ObjectId;
    use crate::request::Asker;
    use crate::session::{Session, Sessions};

    #[test]
    fn a_change_waits_until_the_last_read_of_its_client_has_ended() {
        let sessions = Sessions::default();
        let [one, other] = ["one", "other"].map(|name| sessions.attach(Bytes::from(name)).session);
        let id = ObjectId::new(&[1]).unwrap();
        let header = RequestHeader { id: id.clone(), payload_length: 0, request: 0, ask: Ask::Get };
        let asker = |session: &Arc<Session>| Asker::Client(session.reply(header.clone(), true));
        let get = || {
            Operation::new(&[], Then::Get { id: id.clone(), ticket: None, known: None, asker: asker(&one) })
        };
        let delete = |session| Operation::new(&[], Then::Delete { asker: asker(session) });
        let (first, second) = (get(), get());
        let mut reads = Reads::default();
        assert!(reads.begin(&delete(&one)) && reads.begin(&first) && reads.begin(&second));
        assert!(!reads.begin(&delete(&one)) && reads.begin(&delete(&other)));
        reads.end(&first);
        assert!(!reads.begin(&delete(&one)));
        reads.end(&second);
        assert!(reads.begin(&delete(&one)) && reads.begin(&Operation::new(&[b"alive"], Then::Forget)));
    }
}
