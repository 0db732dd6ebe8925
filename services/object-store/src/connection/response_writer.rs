//! Writes responses: takes them from the session in order, encodes them into the write buffer, and flushes it.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::close_reason::CloseReason;
use super::state::{Connection, Phase};
use crate::budget::Claim;
use crate::header::RequestHeader;
use crate::outgoing::OutgoingResponse;
use crate::pace::Pace;
use crate::reply_to::ReplyTo;
use crate::request::{RemoteObject, Request, Response};
use crate::session::Attachment;

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
        if !matches!(self.phase, Phase::Left) {
            self.write_ready().await?;
        }
        self.write(OutgoingResponse::new(request.clone(), response)).await
    }

    /// Encodes the responses that are ready, in order.
    pub(super) async fn write_ready(&mut self) -> Result<(), CloseReason> {
        while let Some(client) = &self.client {
            if !client.session.take_ready(client.connection, &mut self.taken) {
                return Err(CloseReason::Replaced);
            }
            self.has_taken |= !self.taken.is_empty();
            if self.taken.is_empty() {
                if self.order.waits_for_finish() && client.session.is_idle() {
                    self.order.all_finished();
                }
                break;
            }
            while let Some(response) = self.taken.pop_front() {
                self.write(response).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, response: OutgoingResponse) -> Result<(), CloseReason> {
        match (&self.phase, &self.client) {
            (Phase::SaidGoodbye, _) => return Ok(()),
            (Phase::Left, Some(client)) => {
                client.session.push(response);
                return Ok(());
            }
            _ => {}
        }
        match response {
            OutgoingResponse::Encoded { header, payload, refusal } => {
                if let Some(refusal) = refusal {
                    self.node.metrics.refused.inc();
                    self.node.refusal_log.log(&refusal);
                }
                self.output.push_response(&header, payload);
            }
            OutgoingResponse::Remote { request, object } => self.write_remote(&request, object).await?,
        }
        if self.output.len() >= FLUSH_SIZE { self.flush().await } else { Ok(()) }
    }

    /// Reads a content from Redis or from a file, and writes it. It is read only now, so a client that does not read costs no
    /// memory.
    async fn write_remote(
        &mut self,
        request: &RequestHeader,
        object: RemoteObject,
    ) -> Result<(), CloseReason> {
        let length = usize::try_from(object.length.min(request.payload_length)).unwrap_or(usize::MAX);
        let Some(client) = &self.client else { return Ok(()) };
        let reading = async {
            let claim = self.node.budget.acquire(length).await;
            (self.node.store.backend.fetch(&object, length as u64).await, claim)
        };
        let (found, claim) = tokio::select! {
            biased;
            read = reading => read,
            () = client.replaced.cancelled() => {
                client.session.push(OutgoingResponse::Remote { request: request.clone(), object });
                return Err(CloseReason::Replaced);
            }
        };
        let Some(object) = found else {
            // Replaced or deleted since. Executed again, the get returns what is there now, or waits.
            let reply_to = || ReplyTo::Client(client.session.expect_response(request.clone(), true));
            let again = Request::Get { id: request.id.clone(), or_wait: true, whole: true };
            let response = self.node.store.backend.execute(again, reply_to);
            return match response {
                Some((response, _)) => {
                    Box::pin(self.write(OutgoingResponse::new(request.clone(), response))).await
                }
                None => Ok(()),
            };
        };
        let response = OutgoingResponse::encoded(request, Response::Object(object));
        if let OutgoingResponse::Encoded { header, payload, .. } = response {
            self.output.push_response(&header, payload);
        }
        self.flush_claimed(Some(&claim)).await
    }

    /// Writes the whole buffer, to a client that is fast enough.
    pub(super) async fn flush(&mut self) -> Result<(), CloseReason> {
        self.flush_claimed(None).await
    }

    async fn flush_claimed(&mut self, claim: Option<&Claim>) -> Result<(), CloseReason> {
        if matches!(self.phase, Phase::Left) {
            return Ok(());
        }
        if !self.woken.is_empty() {
            self.wait_for_woken().await;
        }
        let mut pace = Pace::new(self.node.limits.stall_timeout, self.output.len());
        while self.output.len() > 0 {
            let before = self.output.len();
            self.last_write = Instant::now();
            tokio::select! {
                biased;
                written = self.output.write(&mut self.stream) => written.map_err(|_: io::Error| CloseReason::Reset)?,
                () = replaced(self.client.as_ref()) => return Err(CloseReason::Replaced),
                () = tokio::time::sleep(pace.interval()) => {}
            }
            pace.add(before - self.output.len());
            if self.output.len() > 0 && pace.is_too_slow(claim.and_then(Claim::contended_for)) {
                return Err(CloseReason::Stalled);
            }
        }
        self.stream.flush().await.map_err(|_| CloseReason::Reset)?;
        if let Some(client) = self.client.as_ref().filter(|_| std::mem::take(&mut self.has_taken)) {
            client.session.mark_written();
        }
        Ok(())
    }

    /// Waits until the clients that waited for what this client did have been written to: they are to read it first. The
    /// wait is short if they do not read. Nobody waits for this client meanwhile, or two clients could wait for each other.
    async fn wait_for_woken(&mut self) {
        let Some(client) = &self.client else { return };
        client.session.set_not_reading(true);
        for other in self.woken.drain().filter(|other| other.id != client.session.id) {
            if timeout(WOKEN_WAIT, other.wait_until_drained()).await.is_err() {
                other.set_not_reading(true);
            }
        }
        client.session.set_not_reading(false);
    }
}

/// Resolves when the client has a newer connection.
async fn replaced(client: Option<&Attachment>) {
    match client {
        Some(client) => client.replaced.cancelled().await,
        None => std::future::pending().await,
    }
}
