//! Writes responses: takes them from the session in order, encodes them into the write buffer, and flushes it.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::close_reason::CloseReason;
use super::phase::Recipient;
use super::state::Connection;
use crate::budget::Claim;
use crate::header::RequestHeader;
use crate::outgoing::OutgoingResponse;
use crate::pace::Pace;
use crate::pending_response::PendingResponse;
use crate::reply_to::ReplyTo;
use crate::request::{RemoteObject, Request, Response};

/// The write buffer is flushed when it has this many bytes, so that the client reads while further responses are made.
pub(super) const FLUSH_SIZE: usize = 64 << 10;
/// How long a client waits for the clients that its request woke to be written to.
const WOKEN_WAIT: Duration = Duration::from_millis(5);

impl Connection {
    /// Writes the response to a request that was executed at once. The responses to older requests that it made possible go
    /// first.
    pub(super) async fn respond(
        &mut self,
        request: &RequestHeader,
        response: Response,
    ) -> Result<(), CloseReason> {
        if self.phase.recipient() != Recipient::NextConnection {
            self.write_ready().await?;
        }
        self.write(OutgoingResponse::new(request.clone(), response)).await
    }

    /// Encodes the responses that are ready, in order.
    pub(super) async fn write_ready(&mut self) -> Result<(), CloseReason> {
        loop {
            if !self.client.take_ready(&mut self.output.taken) {
                return Err(CloseReason::Replaced);
            }
            if self.output.taken.is_empty() {
                if self.order.waits_for_finish() && self.client.session.is_idle() {
                    self.order.all_finished();
                }
                return Ok(());
            }
            self.output.has_taken = true;
            while let Some(response) = self.output.taken.pop_front() {
                self.write(response).await?;
            }
        }
    }

    async fn write(&mut self, response: OutgoingResponse) -> Result<(), CloseReason> {
        match self.phase.recipient() {
            Recipient::Client => {}
            Recipient::NextConnection => {
                self.client.session.push([response]);
                return Ok(());
            }
            Recipient::Nobody => return Ok(()),
        }
        match response {
            OutgoingResponse::Encoded { header, payload, refusal } => {
                if let Some(refusal) = refusal {
                    self.node.metrics.refused.inc();
                    self.node.refusal_log.log(&refusal);
                }
                let again = OutgoingResponse::Encoded { header, payload: payload.clone(), refusal: None };
                self.output.push_response(&header, payload, again);
            }
            OutgoingResponse::Run(run) => self.output.push_run(run),
            OutgoingResponse::Remote { request, object } => self.write_remote(&request, object).await?,
        }
        if self.output.buffer.len() >= FLUSH_SIZE { self.flush().await } else { Ok(()) }
    }

    /// Reads a content from Redis or from a file, and writes it. It is read only now, so a client that does not read costs no
    /// memory.
    async fn write_remote(
        &mut self,
        request: &RequestHeader,
        object: RemoteObject,
    ) -> Result<(), CloseReason> {
        let length = usize::try_from(object.length.min(request.payload_length)).unwrap_or(usize::MAX);
        let session = &self.client.session;
        let reading = async {
            let claim = self.node.budget.acquire(length).await;
            (self.node.store.backend.fetch(&object, length as u64).await, claim)
        };
        let (found, claim) = tokio::select! {
            biased;
            read = reading => read,
            () = self.client.replaced() => {
                self.output.taken.push_front(OutgoingResponse::Remote { request: request.clone(), object });
                return Err(CloseReason::Replaced);
            }
        };
        let Some(found) = found else {
            // Replaced or deleted since. Executed again, the get returns what is there now, or waits.
            let reply_to = || ReplyTo::Client(PendingResponse::in_flight(session, request.clone()));
            let again = Request::Get { id: request.id.clone(), or_wait: true, whole: true };
            let response = self.node.store.backend.execute(again, reply_to);
            return match response {
                Some((response, _)) => {
                    Box::pin(self.write(OutgoingResponse::new(request.clone(), response))).await
                }
                None => Ok(()),
            };
        };
        let response = OutgoingResponse::encoded(request, Response::Object(found));
        if let OutgoingResponse::Encoded { header, payload, .. } = response {
            let again = OutgoingResponse::Remote { request: request.clone(), object };
            self.output.push_response(&header, payload, again);
        }
        self.flush_claimed(Some(&claim)).await
    }

    /// Writes the whole buffer, to a client that is fast enough.
    pub(super) async fn flush(&mut self) -> Result<(), CloseReason> {
        self.flush_claimed(None).await
    }

    async fn flush_claimed(&mut self, claim: Option<&Claim>) -> Result<(), CloseReason> {
        if self.phase.recipient() == Recipient::NextConnection {
            return Ok(());
        }
        if !self.output.woken.is_empty() {
            self.wait_for_woken().await;
        }
        let buffer = &mut self.output.buffer;
        let mut pace = Pace::new(self.node.limits.stall_timeout, buffer.len());
        while buffer.len() > 0 {
            let before = buffer.len();
            self.output.last_write = Instant::now();
            tokio::select! {
                biased;
                written = buffer.write(&mut self.stream) => written.map_err(|_: io::Error| CloseReason::Reset)?,
                () = self.client.replaced() => return Err(CloseReason::Replaced),
                () = tokio::time::sleep(pace.interval()) => {}
            }
            pace.add(before - buffer.len());
            if buffer.len() > 0 && pace.is_too_slow(claim.and_then(Claim::contended_for)) {
                return Err(CloseReason::Stalled);
            }
        }
        self.stream.flush().await.map_err(|_| CloseReason::Reset)?;
        self.output.mark_written();
        if std::mem::take(&mut self.output.has_taken) {
            self.client.mark_written();
        }
        Ok(())
    }

    /// Waits until the clients that waited for what this client did have been written to: they are to read it first. The
    /// wait is short if they do not read.
    async fn wait_for_woken(&mut self) {
        let client = &self.client;
        let others = self.output.woken.drain().filter(|other| other.id != client.session.id);
        let waiting = async {
            for other in others {
                if timeout(WOKEN_WAIT, other.wait_until_drained()).await.is_err() {
                    other.give_up();
                }
            }
        };
        client.while_waiting_for_others(waiting).await;
    }
}
