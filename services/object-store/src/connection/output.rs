//! What is written to a client.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

use crate::header::HEADER_LEN;
use crate::outgoing::OutgoingResponse;
use crate::reply_to::Woken;
use crate::response_run::ResponseRun;
use crate::write_buffer::WriteBuffer;

pub(super) struct Output {
    pub(super) buffer: WriteBuffer,
    /// Responses taken from the session, to be encoded into the buffer.
    pub(super) taken: VecDeque<OutgoingResponse>,
    /// The responses in the buffer, each with the number of bytes that are written before it.
    encoded: Vec<(u64, OutgoingResponse)>,
    /// Responses were taken since the session was last told that all are written.
    pub(super) has_taken: bool,
    /// Clients that must read their responses before this client reads the one to the request that made them possible.
    pub(super) woken: Woken,
    pub(super) last_write: Instant,
}

impl Output {
    /// Begins with the hello.
    pub(super) fn new(hello: &[u8]) -> Self {
        let mut buffer = WriteBuffer::default();
        buffer.push_bytes(hello);
        Self {
            buffer,
            taken: VecDeque::new(),
            encoded: Vec::new(),
            has_taken: false,
            woken: Woken::default(),
            last_write: Instant::now(),
        }
    }

    /// Encodes a response. Until it is written, `again` is what could be sent over another connection in its place.
    pub(super) fn push_response(
        &mut self,
        header: &[u8; HEADER_LEN],
        payload: Bytes,
        again: OutgoingResponse,
    ) {
        self.encoded.push((self.position(), again));
        self.buffer.push_response(header, payload);
    }

    pub(super) fn push_run(&mut self, run: ResponseRun) {
        let bytes = run.bytes().clone();
        self.encoded.push((self.position(), OutgoingResponse::Run(run)));
        self.buffer.push_shared(bytes);
    }

    /// Bytes that are written before what is pushed next.
    fn position(&self) -> u64 {
        self.buffer.written() + self.buffer.len() as u64
    }

    /// The whole buffer has been written.
    pub(super) fn mark_written(&mut self) {
        self.encoded.clear();
    }

    /// What is to be sent over the client's next connection: the responses of which it has received nothing.
    pub(super) fn into_unsent(self) -> VecDeque<OutgoingResponse> {
        let written = self.buffer.written();
        let unsent = self.encoded.into_iter().filter_map(|(start, response)| match response {
            OutgoingResponse::Run(run) => {
                run.unwritten(written.saturating_sub(start) as usize).map(OutgoingResponse::Run)
            }
            response => (start >= written).then_some(response),
        });
        unsent.chain(self.taken).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(n: u8) -> OutgoingResponse {
        OutgoingResponse::Encoded { header: [n; HEADER_LEN], payload: Bytes::new(), refusal: None }
    }

    fn unsent(output: Output) -> Vec<u8> {
        let number = |response: &OutgoingResponse| match response {
            OutgoingResponse::Encoded { header, .. } => header[0],
            OutgoingResponse::Run(run) => run.bytes()[8],
            OutgoingResponse::Remote { .. } => 0,
        };
        output.into_unsent().iter().map(number).collect()
    }

    #[tokio::test]
    async fn what_the_client_received_a_part_of_is_not_sent_again_and_the_rest_is_in_order() {
        let mut output = Output::new(b"hello");
        for n in 1..=3 {
            output.push_response(&[n; HEADER_LEN], Bytes::new(), response(n));
        }
        output.taken.push_back(response(4));
        let (_client, mut socket) = tokio::io::duplex(50);
        output.buffer.write(&mut socket).await.unwrap();
        assert_eq!(unsent(output), [2, 3, 4], "the first one was begun");
    }

    #[tokio::test]
    async fn what_was_written_is_not_sent_again() {
        let mut output = Output::new(b"hello");
        output.push_response(&[1; HEADER_LEN], Bytes::new(), response(1));
        output.buffer.write(&mut tokio::io::sink()).await.unwrap();
        output.mark_written();
        output.push_response(&[2; HEADER_LEN], Bytes::new(), response(2));
        assert_eq!(unsent(output), [2]);
    }

    #[tokio::test]
    async fn of_a_run_the_responses_that_were_not_begun_are_sent_again() {
        let mut output = Output::new(b"hello");
        let responses = (1..=3).map(|n| ([n; HEADER_LEN], Bytes::new()));
        output.push_run(ResponseRun::encode(3, 0, responses));
        output.push_response(&[4; HEADER_LEN], Bytes::new(), response(4));
        let (_client, mut socket) = tokio::io::duplex(100);
        output.buffer.write(&mut socket).await.unwrap();
        let unsent = output.into_unsent();
        let run = OutgoingResponse::Run(ResponseRun::encode(
            1,
            0,
            std::iter::once(([3; HEADER_LEN], Bytes::new())),
        ));
        assert!(
            matches!((&unsent[0], &run), (OutgoingResponse::Run(one), OutgoingResponse::Run(other)) if one == other)
        );
        assert_eq!(unsent.len(), 2);
    }
}
