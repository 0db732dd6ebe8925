//! Responses to requests that waited, given together to the client that sent them. Each time a connection is woken costs as much
//! as several responses.

use std::sync::Arc;

use crate::outgoing::OutgoingResponse;
use crate::reply_to::ReplyTo;
use crate::request::Response;
use crate::response_run::ResponseRun;
use crate::session::Session;

/// Responses that are given to a client together, at most.
const TOGETHER_MAX: usize = 512;
/// So many responses of the same length are worth a run.
const RUN_MIN: usize = 8;

/// Responses to one client after the other, in the order in which they are to be written.
#[derive(Default)]
pub(crate) struct ResponseBatch {
    client: Option<Arc<Session>>,
    /// Those of this client.
    responses: Vec<OutgoingResponse>,
}

impl ResponseBatch {
    /// Adds a response. It is sent with those to the same client that are next to it.
    pub(crate) fn add(&mut self, reply_to: ReplyTo, response: Response) {
        let pending = match reply_to {
            ReplyTo::Client(pending) if pending.is_waiting() => pending,
            reply_to => return reply_to.send(response),
        };
        let (client, response) = pending.into_outgoing(response);
        if self.responses.len() == TOGETHER_MAX
            || self.client.as_ref().is_some_and(|last| last.id != client.id)
        {
            self.flush();
        }
        self.client = Some(client);
        self.responses.push(response);
    }

    /// Sends what was added.
    pub(crate) fn send(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        if let Some(client) = self.client.take() {
            client.push(with_runs(std::mem::take(&mut self.responses)));
        }
    }
}

/// Encodes responses of the same length, if there are many next to each other.
fn with_runs(responses: Vec<OutgoingResponse>) -> Vec<OutgoingResponse> {
    if responses.len() < RUN_MIN {
        return responses;
    }
    let is_alike = |one: &OutgoingResponse, other: &OutgoingResponse| {
        let length = one.short_payload_length();
        length.is_some() && length == other.short_payload_length()
    };
    let groups: Vec<_> = responses
        .chunk_by(is_alike)
        .map(|group| (group.len(), group[0].short_payload_length().filter(|_| group.len() >= RUN_MIN)))
        .collect();
    let (mut responses, mut joined) = (responses.into_iter(), Vec::new());
    for (count, run_of) in groups {
        let group = responses.by_ref().take(count);
        match run_of {
            Some(length) => {
                let encoded = group.filter_map(OutgoingResponse::into_encoded);
                joined.push(OutgoingResponse::Run(ResponseRun::encode(count, length, encoded)));
            }
            None => joined.extend(group),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::header::HEADER_LEN;

    fn response(n: u8, length: usize) -> OutgoingResponse {
        OutgoingResponse::Encoded {
            header: [n; HEADER_LEN],
            payload: Bytes::from(vec![n; length]),
            refusal: None,
        }
    }

    /// The first bytes of the headers, in order; those of a run together.
    fn headers(response: &OutgoingResponse) -> Vec<u8> {
        match response {
            OutgoingResponse::Encoded { header, .. } => vec![header[0]],
            OutgoingResponse::Run(run) => {
                run.bytes().chunks(8 + HEADER_LEN + 8 + 5).map(|one| one[8]).collect()
            }
            OutgoingResponse::Remote { .. } => vec![],
        }
    }

    #[test]
    fn many_short_responses_of_the_same_length_are_a_run_and_all_keep_their_order() {
        let lengths = [&[5; 8][..], &[6], &[5; 7], &[5_000; 9]].concat();
        let responses: Vec<_> = (0..).zip(lengths).map(|(n, length)| response(n, length)).collect();
        let joined: Vec<_> = with_runs(responses).iter().map(headers).collect();
        assert_eq!(joined[0], Vec::from_iter(0..8));
        assert_eq!(joined[1..].concat(), Vec::from_iter(8..25), "the others are by themselves");
        assert_eq!(joined.len(), 1 + 17);
    }
}
