//! Reading the body of a request, within the limit and its share of the memory, and parsing its JSON.

use std::time::Duration;

use actix_web::dev;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::body_budget::{SMALL_BODY_BYTES, Share};
use super::error::ApiError;
use super::state::AppState;
use crate::post_id::PostId;

/// The whole body of a request.
pub(super) struct Body {
    bytes: Bytes,
    /// The request's `Idempotency-Key`.
    key: Option<HeaderValue>,
    share: Share,
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let key = request.headers().get(IDEMPOTENCY_KEY).cloned();
        let payload = Payload::from_request(request, payload);
        let state = Data::<AppState>::from_request(request, &mut dev::Payload::None);
        Box::pin(async move {
            let broken = |error: actix_web::Error| ApiError::bad_request(error.to_string());
            let (payload, state) = (payload.await.map_err(broken)?, state.await.map_err(broken)?);
            let (bytes, share) = Receiver::begin(&state, length).await.receive(payload).await?;
            Ok(Self { bytes, key, share })
        })
    }
}

impl Body {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// By what a repetition of this request is recognized.
    pub(super) fn post_id(&self, action: &str) -> PostId {
        PostId::of_request(action, &self.bytes, self.key.as_ref().map(HeaderValue::as_bytes))
    }

    /// Its bytes, and its share, which is to be kept until what is made of them is gone.
    pub(super) fn into_parts(self) -> (Bytes, Share) {
        (self.bytes, self.share)
    }

    /// Parses it as JSON. An error says where in the body it is. What was parsed needs memory as well, so the share is to be
    /// kept until that is gone.
    pub(super) fn parse<T: DeserializeOwned>(self) -> Result<(T, Share), ApiError> {
        let parsed = serde_json::from_slice(&self.bytes).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                ApiError::unprocessable(locate_error::<T>(&self.bytes, &error))
            }
            _ => ApiError::bad_request(format!("the body is not JSON: {error}")),
        });
        Ok((parsed?, self.share))
    }
}

/// Parses a wrong body once more, with a slower parser that knows the path of the error.
fn locate_error<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> String {
    let mut json = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(located) if located.path().iter().next().is_none() => format!("body: {}", located.inner()),
        Err(located) => format!("{}: {}", located.path(), located.inner()),
        Ok(_) => error.to_string(),
    }
}

/// A body that is being received.
///
/// One that is refused is still received, up to a bound, but not kept: most clients read the answer only after they have
/// sent everything.
struct Receiver<'a> {
    state: &'a AppState,
    body: BytesMut,
    /// Its part of the memory, or why it is refused.
    share: Result<Share, ApiError>,
    discarded_bytes: usize,
}

impl<'a> Receiver<'a> {
    /// `length` is what the request says; a small body is expected if it says nothing.
    async fn begin(state: &'a AppState, length: Option<usize>) -> Self {
        let expected = length.unwrap_or(SMALL_BODY_BYTES.min(state.limits.body_bytes));
        let share = take_share(state, expected).await;
        let capacity = length.filter(|_| share.is_ok()).unwrap_or_default();
        Self { state, body: BytesMut::with_capacity(capacity), share, discarded_bytes: 0 }
    }

    async fn receive(mut self, mut payload: Payload) -> Result<(Bytes, Share), ApiError> {
        let deadline = Instant::now() + MAX_TIME;
        loop {
            let next_by = deadline.min(Instant::now() + MAX_PAUSE);
            let chunk = tokio::time::timeout_at(next_by, payload.next()).await.map_err(|_| {
                ApiError::too_slow("the body stopped arriving for 10 s, or did not arrive within 60 s")
            })?;
            let Some(chunk) = chunk else { break };
            let chunk =
                chunk.map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))?;
            self.add(&chunk).await;
            if self.discarded_bytes > MAX_DISCARDED_BYTES {
                break;
            }
        }
        Ok((self.body.freeze(), self.share?))
    }

    async fn add(&mut self, chunk: &[u8]) {
        let bytes = self.body.len() + chunk.len();
        if self.share.as_ref().is_ok_and(|share| bytes > share.bytes()) {
            // It is not small, and did not say so.
            self.share = take_share(self.state, bytes.max(self.state.limits.body_bytes)).await;
        }
        if self.share.is_ok() {
            self.body.extend_from_slice(chunk);
        } else {
            self.body = BytesMut::new();
            self.discarded_bytes += chunk.len();
        }
    }
}

/// A share for a body of so many bytes, or why it is refused.
async fn take_share(state: &AppState, bytes: usize) -> Result<Share, ApiError> {
    let limit = state.limits.body_bytes;
    if bytes > limit {
        return Err(ApiError::too_large(format!("the body is larger than {limit} bytes")));
    }
    let share = state.body_budget.take(bytes).await;
    share.ok_or_else(|| ApiError::unavailable("other requests take all memory that there is for bodies"))
}

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The longest time in which nothing of a body arrives.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// The longest time for a whole body.
const MAX_TIME: Duration = Duration::from_secs(60);
const MAX_DISCARDED_BYTES: usize = 512 << 20;
