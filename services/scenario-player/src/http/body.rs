//! Reading the body of a request, within the limit, and parsing its JSON.

use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The whole body, if it is no larger than `limit_bytes`.
///
/// A body that is too large is still received, up to a bound, but not kept: most clients read the answer only after they
/// have sent everything.
pub(super) async fn read(mut payload: Payload, limit_bytes: usize) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    let mut excess_bytes = 0;
    let read_all = async {
        while let Some(chunk) = payload.next().await {
            let chunk =
                chunk.map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))?;
            if excess_bytes == 0 && body.len() + chunk.len() <= limit_bytes {
                body.extend_from_slice(&chunk);
            } else {
                excess_bytes += chunk.len();
                body = BytesMut::new();
                if excess_bytes > MAX_EXCESS_BYTES {
                    break;
                }
            }
        }
        Ok::<(), ApiError>(())
    };
    match tokio::time::timeout(READ_TIMEOUT, read_all).await {
        Ok(result) => result?,
        Err(_) => return Err(ApiError::bad_request("the body did not arrive within 60 s")),
    }
    if excess_bytes > 0 {
        return Err(ApiError::too_large(format!("the body is larger than {limit_bytes} bytes")));
    }
    Ok(body.freeze())
}

/// Parses the body as JSON. An error says where in the body it is.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ApiError::unprocessable(locate_error::<T>(body, &error)),
        _ => ApiError::bad_request(format!("the body is not JSON: {error}")),
    })
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

const READ_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_EXCESS_BYTES: usize = 512 << 20;
