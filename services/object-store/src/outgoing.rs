//! A response as it is sent to a client.

use bytes::Bytes;

use crate::header::{HEADER_LEN, RequestHeader, RequestKind, ResponseKind, encode_response};
use crate::request::{Refused, RemoteObject, Response, Totals};
use crate::response_run::ResponseRun;

/// The longest payload that is short, in bytes.
const SHORT_MAX: usize = 128;

/// A response in a session's outbox.
pub(crate) enum OutgoingResponse {
    Encoded {
        header: [u8; HEADER_LEN],
        payload: Bytes,
        refusal: Option<Box<Refusal>>,
    },
    /// Several, as they are written.
    Run(ResponseRun),
    /// The response to a get whose content is read from Redis or from a file when it is this response's turn to be written.
    /// Until then it takes no memory.
    Remote {
        request: RequestHeader,
        object: RemoteObject,
    },
}

/// A request that was refused, and why.
pub(crate) struct Refusal {
    pub(crate) request: RequestHeader,
    pub(crate) reason: Refused,
}

impl OutgoingResponse {
    pub(crate) fn new(request: RequestHeader, response: Response) -> Self {
        match response {
            Response::Remote(object) => Self::Remote { request, object },
            response => Self::encoded(&request, response),
        }
    }

    /// Encodes a response whose content is in memory.
    pub(crate) fn encoded(request: &RequestHeader, response: Response) -> Self {
        let refusal = match &response {
            Response::Refused(reason) => {
                Some(Box::new(Refusal { request: request.clone(), reason: *reason }))
            }
            _ => None,
        };
        let (kind, payload) = match (request.kind, response) {
            (RequestKind::Set, Response::Done) => (ResponseKind::Set, Bytes::new()),
            (RequestKind::Delete, Response::Done) => (ResponseKind::Deleted, Bytes::new()),
            (RequestKind::Duplicate, Response::Done) => (ResponseKind::Duplicated, Bytes::new()),
            (RequestKind::Get, Response::Object(object)) => {
                let mut data = object.data;
                data.truncate(usize::try_from(request.payload_length).unwrap_or(usize::MAX));
                (ResponseKind::Got, data)
            }
            (RequestKind::Totals, Response::Totals(totals)) => (ResponseKind::Totals, encode_totals(&totals)),
            // The protocol has no error response. Released clients treat this one as a refusal.
            _ => (ResponseKind::NotExists, Bytes::new()),
        };
        let header = encode_response(&request.id, payload.len() as u64, request.request_id, kind);
        Self::Encoded { header, payload, refusal }
    }

    /// The length of the payload, if this is encoded and short. To copy such a payload takes no more memory than to share it.
    pub(crate) fn short_payload_length(&self) -> Option<usize> {
        match self {
            Self::Encoded { payload, refusal: None, .. } => {
                Some(payload.len()).filter(|length| *length <= SHORT_MAX)
            }
            _ => None,
        }
    }

    /// Header and payload, if this is one response that is encoded.
    pub(crate) fn into_encoded(self) -> Option<([u8; HEADER_LEN], Bytes)> {
        match self {
            Self::Encoded { header, payload, .. } => Some((header, payload)),
            Self::Run(_) | Self::Remote { .. } => None,
        }
    }
}

fn encode_totals(totals: &Totals) -> Bytes {
    let Totals { ids, contents, bytes, waiting, places: _ } = totals;
    let numbers = [ids, contents, bytes, &waiting.requests, &waiting.objects, &waiting.oldest_seconds];
    numbers.into_iter().flat_map(|number| number.to_le_bytes()).collect()
}
