//! Reads requests: decodes messages, and executes them in order.

use bytes::Bytes;

use super::close_reason::CloseReason;
use super::large_payload;
use super::response_writer::FLUSH_SIZE;
use super::state::Connection;
use crate::header::{RequestHeader, RequestKind, decode_id};
use crate::object::Content;
use crate::pending_response::PendingResponse;
use crate::reply_to::ReplyTo;
use crate::request::Request;
use crate::ymq::Message;

impl Connection {
    /// Executes the complete requests in the input. True if there may be more that may not be executed yet.
    pub(super) async fn read_requests(&mut self) -> Result<bool, CloseReason> {
        while !self.is_blocked() {
            let next = match self.order.take_deferred() {
                Some(message) => Some(message),
                None => self.input.next()?,
            };
            let Some(message) = next else { return Ok(false) };
            self.input.timeouts.restart();
            let Some(message) = self.order.admit(message) else { continue };
            match message {
                Message::Request { header, payload } => self.request(header, payload).await?,
                Message::LargeSet(header) => self.large_set(header).await?,
                Message::Refused(header) => self.refuse(&header).await?,
            }
            if self.output.buffer.len() >= FLUSH_SIZE {
                self.flush().await?;
            }
        }
        Ok(true)
    }

    async fn request(&mut self, header: RequestHeader, payload: Bytes) -> Result<(), CloseReason> {
        let id = header.id.clone();
        let request = match header.kind {
            RequestKind::Set => {
                let backend = &self.node.store.backend;
                let length = payload.len();
                // A copy, so that a small object does not keep the read buffer alive.
                let keeps = backend.keeps_bytes(length);
                let mut content =
                    Content::new(if keeps { Bytes::copy_from_slice(&payload) } else { payload });
                if backend.is_remote() {
                    content.permit = Some(self.node.budget.acquire(length).await);
                    if backend.uploads(length) {
                        self.order.steps_started();
                    }
                }
                backend.make_room(&mut content).await;
                Request::Set { id, content, metadata: Bytes::new() }
            }
            RequestKind::Get => Request::Get { id, or_wait: true, whole: false },
            RequestKind::Delete => Request::Delete { id, older_than: None },
            RequestKind::Duplicate => match decode_id(&payload) {
                Some(original) => {
                    if self.node.store.backend.copies(&id, &original) {
                        self.order.steps_started();
                    }
                    Request::Duplicate { id, original }
                }
                None => Request::Reject,
            },
            RequestKind::Totals => Request::Totals,
            RequestKind::Unknown(_) => Request::Reject,
        };
        self.execute(&header, request).await
    }

    async fn large_set(&mut self, header: RequestHeader) -> Result<(), CloseReason> {
        // The decoder refuses what is larger than an object may be, and that fits the address space.
        let length = header.payload_length as usize;
        // Boxed, so that connections without large objects do not carry the state of this future.
        let (input, replaced) = (&mut self.input.buffer, &self.client.signals.replaced);
        let receiving = large_payload::receive(&self.node, &mut self.stream, input, length, replaced);
        let mut content = Box::pin(receiving).await?;
        self.node.store.backend.make_room(&mut content).await;
        self.input.decoder.payload_received();
        self.input.timeouts.restart();
        if self.node.store.backend.uploads(length) {
            self.order.steps_started();
        }
        let id = header.id.clone();
        self.execute(&header, Request::Set { id, content, metadata: Bytes::new() }).await
    }

    /// Refuses a request whose payload was skipped. Nobody is to wait for an object that it would have created.
    async fn refuse(&mut self, header: &RequestHeader) -> Result<(), CloseReason> {
        self.node.refusal_log.log_skipped(header, self.node.limits.max_object);
        let request = match header.has_payload() {
            true => Request::Refuse { id: header.id.clone() },
            false => Request::Reject,
        };
        self.execute(header, request).await
    }

    async fn execute(&mut self, header: &RequestHeader, request: Request) -> Result<(), CloseReason> {
        let session = &self.client.session;
        let backend = &self.node.store.backend;
        self.node.requests.count(header.kind);
        if backend.is_remote() && header.kind == RequestKind::Get {
            self.order.get_started();
        }
        if let Request::Reject | Request::Refuse { .. } = request {
            self.node.metrics.refused.inc();
        }
        let reply_to = || {
            ReplyTo::Client(match backend.is_remote() {
                true => PendingResponse::in_flight(session, header.clone()),
                false => PendingResponse::waiting(session, header.clone()),
            })
        };
        match backend.execute(request, reply_to) {
            Some((response, woken)) => {
                self.output.woken.extend(woken);
                self.respond(header, response).await
            }
            None if backend.waiting_count(session.id) > self.node.limits.max_waiting => {
                Err(CloseReason::TooManyWaiting)
            }
            None => Ok(()),
        }
    }
}
